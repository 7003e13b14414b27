"""Whole logs as jobs leave them, noise and all: each file of logs/ holds many, under a heading `=== class: what`.

They were written for this test by their authors' knowledge of the tools; none comes from a data set.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from services.training.classify import classify
from services.training.failure_rules import CLASSES

LOGS = Path(__file__).with_name("logs")


def logs() -> list[tuple[str, str, str]]:
    found = []
    for file in sorted(LOGS.glob("*.log")):
        for part in re.split(r"^=== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, _, body = part.partition("\n")
            cls, _, what = head.partition(": ")
            found.append((cls, f"{file.stem}: {what}", body))
    return found


@pytest.mark.parametrize(("cls", "body"), [(cls, body) for cls, _, body in logs()], ids=[what for _, what, _ in logs()])
def test_a_whole_log_is_told_by_what_ended_the_job(cls: str, body: str) -> None:
    found = classify(body)
    assert found.cls == cls, found.line


def test_every_heading_names_a_class() -> None:
    assert {cls for cls, _, _ in logs()} <= set(CLASSES)


AFTERMATHS: dict[str, Callable[[str], str]] = {
    "a tracker's farewell": lambda body: body + "wandb: Find logs at: ./wandb/run-1/logs\nwandb: Synced 5 file(s)\n",
    "an experiment tracker's links": lambda body: body + "🏃 View run dazzling-ox-1 at: http://mlflow:5000/#/runs/1\n",
    "a batch system's epilogue": lambda body: body + "srun: error: cn01: task 0: Exited with exit code 1\n"
                                                     "Job finished at Tue Jun  3 10:11:12 UTC 2025\n",
    "a container's end": lambda body: body + "ERROR conda.cli.main_run:execute(49): `conda run python train.py` "
                                             "failed. (See above for error)\n",
    "a shell that traces": lambda body: "+ set -e\n+ cd /app\n" + body + "+ cleanup\n+ rm -rf /tmp/scratch\n",
    "pip's notice": lambda body: "WARNING: Running pip as the 'root' user can result in broken permissions\n"
                                 "[notice] A new release of pip is available: 23.0 -> 24.1\n" + body,
    "warnings that look like failures": lambda body: (
        "UserWarning: Failed to load image Python extension: libjpeg.so.8: cannot open shared object file: No such file"
        " or directory\n"
        "WARNING:root:CUDA out of memory at batch size 64, retrying with 32\n"
        "2025-01-01 00:00:00,001 INFO retry: ConnectionResetError(104, 'Connection reset by peer'), attempt 1 of 5\n"
        "DeprecationWarning: AssertionError messages will change\n" + body),
}


@pytest.mark.parametrize("aftermath", AFTERMATHS)
def test_what_surrounds_a_failure_does_not_explain_it(aftermath: str) -> None:
    wrong = [(cls, found.cls, what, found.line) for cls, what, body in logs()
             if (found := classify(AFTERMATHS[aftermath](body))).cls != cls]
    assert wrong == []
