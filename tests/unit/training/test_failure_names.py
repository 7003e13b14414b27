import pytest

from services.training.classify import classify
from services.training.correct import Correction, rule_of
from services.training.failure_names import COUNTERPARTS
from services.training.failure_rule import Owner
from services.training.failure_rules import CLASSES, Rules

NAMES = {
    "ram_oom", "segfault", "file_not_found", "permission", "missing_module", "div_zero", "nan_loss", "traceback",
    "assertion", "runtime_error", "cuda_runtime", "device_mismatch", "cuda_oom", "nccl", "oom_killer",
}
OWN_ONLY = {"preempted", "time_limit", "quota_refused", "killed_by_user", "lost_process", "unknown"}


def test_every_class_has_one_of_the_fifteen_names_or_is_known_to_have_none() -> None:
    assert set(CLASSES) - NAMES - {c.kind for c in COUNTERPARTS} == OWN_ONLY
    assert {c.name for c in COUNTERPARTS} <= NAMES


@pytest.mark.parametrize(("line", "kind", "common"), [
    ("OSError: [Errno 28] No space left on device", "disk_full", "traceback"),
    ("RuntimeError: cannot write shard: No space left on device", "disk_full", "runtime_error"),
    ("misc/shmutils.cc:90 NCCL WARN cannot grow /dev/shm/nccl-1: No space left on device", "disk_full", "nccl"),
    ("ValueError: Input X contains NaN.", "data_error", "traceback"),
    ("NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", "node_failure", "cuda_runtime"),
    ("slurmctld: job 4 requeued due to node failure on cn3", "node_failure", "node_failure"),
    ("OSError: [Errno 5] Input/output error", "node_failure", "traceback"),
    ("tf.errors.UnavailableError: process group store: Connection reset by peer", "network", "nccl"),
    ("requests.exceptions.ConnectionError: Max retries exceeded with url: /x", "network", "traceback"),
    ("KeyboardInterrupt", "killed_by_user", "killed_by_user"),
    ("MemoryError", "ram_oom", "ram_oom"),
])
def test_a_finer_class_is_called_as_the_labelled_file_would_call_it(line: str, kind: str, common: str) -> None:
    found = classify(line)
    assert (found.cls, found.common) == (kind, common)


def test_what_a_person_said_a_failure_is_keeps_its_name(now) -> None:
    said = Correction(line="MemoryError", cls="data_error", owner=Owner.DATA, retryable=False, by="os:me", reason="r",
                      at=now)
    assert classify("MemoryError", rules=Rules(corrections=(rule_of(said),))).common == "data_error"
