import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.classify import classify, explain
from services.training.correct import Correction, general, rule_of
from services.training.failure_rule import FailureRule, Owner
from services.training.failure_rules import CLASSES, SHIPPED, Rules
from services.training.log_events import read
from services.training.run import Effective, Failure
from tests.real_data import real
from tests.training_fixtures import a_run
from tests.unit.training.failure_corpus import CASES

# Real logs with their true class lie beside the checkout on some machines; they are never part of it.
LABELLED = real("training_failure_logs.csv")


def each_line(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "\n".join(change(line) for line in text.split("\n"))


CHATTER = (
    "INFO starting up\n2024-01-01 10:00:00 INFO NCCL version 2.18.5\n"
    "WARNING: FileNotFoundError: no cache, falling back\n"
    "UserWarning: CUDA initialization is lazy\nepoch 1 step 10 loss=0.52\nepoch 1 step 20 loss=0.49\n"
)
SURVIVED = (
    'Traceback (most recent call last):\n  File "/app/data.py", line 3, in load\n    open(path)\n'
    "PermissionError: [Errno 13] Permission denied: '/cache'\nresuming without cache\nepoch 2 step 10 loss=0.4\n"
)
AFTERMATH = "\nwandb: Waiting for process to finish\nsrun: error: gpu01: task 0: Exited with exit code 1\n"
DISGUISES: dict[str, Callable[[str], str]] = {
    "container times": each_line(lambda line: f"2024-05-01T10:11:12.000123Z stderr F {line}"),
    "logger times": each_line(lambda line: f"2024-05-01 10:11:12,123 ERROR trainer: {line}"),
    "ranks": each_line(lambda line: f"[rank0]: {line}"),
    "mpi": each_line(lambda line: f"[1,0]<stderr>:{line}"),
    "ray": each_line(lambda line: f"(train_fn pid=1234, ip=10.0.0.1) {line}"),
    "srun": each_line(lambda line: f"0: {line}"),
    "compose": each_line(lambda line: f"trainer-1  | {line}"),
    "colours": each_line(lambda line: f"\x1b[31m{line}\x1b[0m"),
    "syslog": each_line(lambda line: f"May  1 10:11:12 gpu-oom-01 fit[211]: {line}"),
    "loggers with bars": each_line(lambda line: f"2024-08-21,16:48:12 | ERROR | {line}"),
    "loggers with dashes": each_line(lambda line: f"2025-10-31 03:11:02,475 - fit - ERROR - {line}"),
    "addresses": each_line(lambda line: f"10.0.0.7: {line}"),
    "windows": lambda text: text.replace("\n", "\r\n"),
    "indented": each_line(lambda line: f"    {line}"),
    "chatter before": lambda text: CHATTER + text,
    "survived before": lambda text: SURVIVED + text,
    "aftermath": lambda text: text + AFTERMATH,
}


@pytest.mark.parametrize(("cls", "log"), CASES, ids=[f"{cls}-{i}" for i, (cls, _) in enumerate(CASES)])
def test_logs_as_jobs_really_end_are_told_apart(cls: str, log: str) -> None:
    assert classify(log).cls == cls


@pytest.mark.parametrize("disguise", DISGUISES)
def test_what_collectors_and_launchers_put_around_a_log_changes_nothing(disguise: str) -> None:
    told = [(cls, log) for cls, log in CASES if cls != "unknown"]
    wrong = [(cls, found.cls, found.line) for cls, log in told
             if (found := classify(DISGUISES[disguise](log))).cls != cls]
    assert wrong == []


def test_a_json_log_is_read_like_a_plain_one() -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nRuntimeError: CUDA out of memory'
    lines = ({"severity": "INFO", "message": "epoch 1"}, {"severity": "ERROR", "message": trace})
    log = "\n".join(json.dumps(line) for line in lines)
    assert classify(log).cls == "cuda_oom"


@pytest.mark.parametrize("prefix", [
    "rank{n} ", "trainer ", "[base {n}] INFO - stderr > ", "{{w.py:{n}}} INFO -  [pod] ", "job/{n} at cn{n}: out | "])
def test_what_a_collector_of_its_own_kind_puts_before_lines_is_learnt_from_a_traceback(prefix: str) -> None:
    lines = (TRACE + "  File 'x'\nOSError: [Errno 2] No such file or directory").split("\n")
    log = "\n".join(prefix.format(n=n) + line for n, line in enumerate(lines))
    found = classify(log + "\nkubelet: container ended")
    assert (found.cls, found.type, found.frame) == ("file_not_found", "OSError", "fit.py:<module>")


@pytest.mark.parametrize(("steps", "cls"), [(2, "traceback"), (40, "nccl")])
def test_a_rank_is_gone_though_the_others_go_on_for_a_few_steps_and_lives_if_they_go_on_for_long(
    steps: int, cls: str
) -> None:
    went_on = "".join(f"[rank0]: epoch 1 step {n} loss=0.4\n" for n in range(steps))
    log = f"[rank1]: KeyError: 'a.png'\n{went_on}[rank0]:[E P.cpp:6] Watchdog caught collective operation timeout"
    assert classify(log).cls == cls


def test_source_code_quoted_by_a_frame_is_no_evidence() -> None:
    log = ('Traceback (most recent call last):\n  File "/app/cuda out of memory.py", line 4, in nccl_error\n'
           "    raise MemoryError('no such file or directory')  # PermissionError\nKeyError: 'x'")
    found = classify(log)
    assert (found.cls, found.line, found.frame) == ("traceback", "KeyError: 'x'", "cuda out of memory.py:nccl_error")


def test_the_job_s_own_frame_is_the_fingerprint_not_its_line_number() -> None:
    def log(line: int) -> str:
        return (f'Traceback (most recent call last):\n  File "/app/train.py", line {line}, in load\n    f()\n'
                '  File "/opt/lib/python3.11/site-packages/pandas/io.py", line 9, in read\n    g()\nKeyError: 1')

    assert classify(log(3)).frame == "train.py:load"
    assert classify(log(3)).fingerprint == classify(log(300)).fingerprint
    assert classify(log(3)).fingerprint != classify(log(3).replace("in load", "in save")).fingerprint


TRACE = 'Traceback (most recent call last):\n  File "/app/fit.py", line 9, in <module>\n    fit()\n'
GRAPH = """
Detected at node embed/Gather defined at (most recent call last):
  File "/app/fit.py", line 9, in <module>

  File "/app/venv/lib/python3.11/site-packages/keras/src/layers/layer.py", line 1002, in __call__

"""


@pytest.mark.parametrize(("log", "line"), [
    (TRACE + "ValueError: Exception encountered when calling Sequential.call().\n\n\x1b[1mInput 0 of layer 'dense' has "
     "shape (3, 7)\x1b[0m\n\nArguments received by Sequential.call():\n  • training=True",
     "ValueError: Input 0 of layer 'dense' has shape (3, 7)"),
    (TRACE + 'ValueError: Exception encountered when calling layer "dense" (type Dense).\n\n{{function_node '
     "__wrapped__MatMul}} Matrix size-incompatible: In[0]: [3,7], In[1]: [8,4]\n\nCall arguments received by layer",
     "ValueError: Matrix size-incompatible: In[0]: [3,7], In[1]: [8,4]"),
    (TRACE + "tf.errors.InvalidArgumentError: Graph execution error:\n" + GRAPH + "indices[0,0] = 99 is not in [0, 10)",
     "tf.errors.InvalidArgumentError: indices[0,0] = 99 is not in [0, 10)"),
    (TRACE + 'RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "fc.weight".',
     'RuntimeError: Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "fc.weight".'),
    (TRACE + "AssertionError: \nNot equal to tolerance 0.001", "AssertionError: Not equal to tolerance 0.001"),
    (TRACE + "ValueError: Exception encountered when calling Bad.call().\n\nArguments received by Bad.call():\n  • x=1",
     "ValueError: Exception encountered when calling Bad.call()."),
    (TRACE + "KeyError: 'the names:'\nINFO closing", "KeyError: 'the names:'"),
    ("FileNotFoundError: Caught FileNotFoundError in DataLoader worker process 2.\nOriginal " + TRACE
     + "FileNotFoundError: [Errno 2] No such file or directory: 'a.nii'",
     "FileNotFoundError: [Errno 2] No such file or directory: 'a.nii'"),
    (("AssertionError          Traceback (most recent call last)\nCell In[3], line 2\n      1 x = f()\n"
      "----> 2 raise AssertionError(msg)\n\nAssertionError: 9 rows too many"), "AssertionError: 9 rows too many"),
])
def test_the_line_shown_says_what_is_wrong_not_that_something_is(log: str, line: str) -> None:
    assert classify(log).line == line


def test_a_correction_of_such_a_line_is_met_by_the_next_one_like_it() -> None:
    log = TRACE + "ValueError: Exception encountered when calling Net.call().\n\nInput 0 has shape ({n}, 7)"
    said = Correction(line=general(classify(log.format(n=32)).line), cls="data_error", owner=Owner.DATA,
                      retryable=False, by="os:me", reason="r", at=datetime(2026, 3, 4, tzinfo=UTC))
    assert classify(log.format(n=64), rules=Rules(corrections=(rule_of(said),))).cls == "data_error"


def test_a_missing_column_is_the_data_s_fault() -> None:
    frames = '  File "/opt/site-packages/pandas/core/indexes/base.py", line 3, in get_loc\n    raise KeyError(key)\n'
    assert classify(f"Traceback (most recent call last):\n{frames}KeyError: 'wind_speed'").owner is Owner.DATA


@pytest.mark.parametrize(("code", "cls"), [(137, "oom_killer"), (-9, "oom_killer"), (139, "segfault"), (1, "unknown")])
def test_the_exit_code_speaks_only_where_the_log_is_silent(code: int, cls: str) -> None:
    assert classify("epoch 1 loss=0.3", exit_code=code).cls == cls
    assert classify("KeyError: 'x'", exit_code=code).cls == "traceback"


@pytest.mark.parametrize(("line", "cls"), [
    ("INFO - Task exited with return code -9", "oom_killer"), ("INFO - return code Negsignal.SIGSEGV", "segfault"),
    ("INFO - ZeroDivisionError: division by zero", "div_zero"), ("INFO - permission denied for one, next", "unknown"),
])
def test_news_at_the_end_speaks_where_no_error_does_if_it_tells_of_an_end(line: str, cls: str) -> None:
    assert classify(f"INFO - epoch 3\n{line}\nINFO - closing").cls == cls


def test_a_correction_is_tried_before_every_shipped_rule() -> None:
    mine = FailureRule(cls="data_error", owner=Owner.DATA, retryable=False, pattern=re.compile("bad shard"), by="os:me")
    log = "RuntimeError: CUDA out of memory while reading bad shard 7"
    assert classify(log).cls == "cuda_oom"
    found = classify(log, rules=Rules(corrections=(mine,)))
    assert (found.cls, found.owner, found.by) == ("data_error", Owner.DATA, "os:me")


def test_every_rule_names_a_stem_of_everything_it_matches() -> None:
    lines = {line.text for _, log in CASES for line in read(log).lines}
    wrong = [(rule.cls, line) for rule in SHIPPED for line in lines
             if rule.pattern.search(line) and not rule.matches(line, line.lower())]
    assert wrong == []


def test_every_class_of_the_corpus_is_a_known_class() -> None:
    assert {cls for cls, _ in CASES} <= set(CLASSES)


@given(st.text(max_size=400))
def test_any_text_at_all_gets_a_known_class(text: str) -> None:
    assert classify(text).cls in CLASSES


@pytest.mark.parametrize(
    "line", ["x" * 5_000, "a " * 2_000, "loss is " * 500, "((((" * 900, "." * 4_000, "Error" * 800])
def test_long_hostile_lines_are_read_in_bounded_time(line: str) -> None:
    assert classify(f"{line}\n" * 40).cls in CLASSES


@pytest.mark.parametrize("record", ["", "{", "[1]", '"x"', '{"type": 3, "message": null, "traceback": ["a"]}'])
def test_a_failure_record_that_cannot_be_used_loses_nothing(now: datetime, record: str) -> None:
    run = a_run(start=now, status="FAILED", failure=Failure(type="MemoryError"), effective=Effective.FAILED)
    assert explain(run, {"ops/failure.json": record}).cls == "ram_oom"


def test_a_silent_run_is_a_lost_process_and_worth_a_retry(now: datetime) -> None:
    run = a_run(start=now - timedelta(hours=9), status="RUNNING", effective=Effective.SUSPECTED_DEAD,
                evidence="no heartbeat for 9 h")
    found = explain(run, {})
    assert (found.cls, found.retryable, found.line) == ("lost_process", True, "no heartbeat for 9 h")


def test_a_class_the_job_itself_named_is_kept(now: datetime) -> None:
    named = Failure(cls="nan_loss", type="Diverged")
    run = a_run(start=now, status="FAILED", effective=Effective.FAILED, failure=named)
    assert explain(run, {}).cls == "nan_loss"


if LABELLED:  # calibration data that this machine may or may not have

    def labelled() -> list[tuple[str, str]]:
        csv.field_size_limit(10**9)
        with LABELLED.open(encoding="utf-8") as file:
            return [(row["failure_class"], row["log"]) for row in csv.DictReader(file)]

    @pytest.mark.parametrize("disguise", ["as it is", "without its header", *DISGUISES])
    def test_real_labelled_logs_reach_a_macro_f1_of_95_percent(disguise: str) -> None:
        change = DISGUISES.get(disguise, lambda text: text)
        if disguise == "without its header":
            def change(text: str) -> str:
                return re.sub(r"^\[inject\].*\n", "", text)
        rows = labelled()
        guesses = {log: classify(change(log)).common for log in {log for _, log in rows}}
        assert macro_f1([(cls, guesses[log]) for cls, log in rows]) >= 0.95


def macro_f1(pairs: list[tuple[str, str]]) -> float:
    right, said, true = Counter(), Counter(), Counter()
    for cls, guess in pairs:
        true[cls] += 1
        said[guess] += 1
        right[cls] += cls == guess
    scores = defaultdict(float)
    for cls, n in true.items():
        scores[cls] = 2 * right[cls] / (n + said[cls])
    return sum(scores.values()) / len(scores)
