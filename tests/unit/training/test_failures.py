"""Flaky is what both failed and passed while nothing was different; only then a retry is more than hope."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.training.failures import Flaky, flaky
from services.training.run import Effective, Run
from tests.conftest import NOW
from tests.training_fixtures import a_run

SAME: dict[str, Any] = {"git_commit": "c0ffee", "data_rows": 1000, "hardware": "a100"}


def ended(run_id: str, effective: Effective, **more: Any) -> Run:
    return replace(a_run(run_id, start=NOW - timedelta(hours=2), **{**SAME, **more}), effective=effective)


def test_what_failed_and_passed_with_the_same_code_data_and_hardware_is_flaky() -> None:
    runs = [ended("r1", Effective.FAILED), ended("r2", Effective.FINISHED), ended("r3", Effective.FINISHED_BUT_CRASHED)]
    assert flaky(runs) == [Flaky(pipeline="churn", git_commit="c0ffee", data_rows=1000, failed=("r1", "r3"),
                                 passed=("r2",))]


@pytest.mark.parametrize("other", [
    {"git_commit": "beef"}, {"data_rows": 1001}, {"hardware": "h100"}, {"pipeline": "ratings"},
], ids=["code", "data", "hardware", "pipeline"])
def test_what_differs_in_anything_is_no_second_try(other: dict[str, Any]) -> None:
    assert flaky([ended("r1", Effective.FAILED), ended("r2", Effective.FINISHED, **other)]) == []


def test_a_run_without_a_commit_cannot_tell() -> None:
    assert flaky([ended("r1", Effective.FAILED, git_commit=""), ended("r2", Effective.FINISHED, git_commit="")]) == []


@pytest.mark.parametrize("stopped", [Effective.KILLED, Effective.SUSPECTED_DEAD, Effective.OVERDUE])
def test_what_a_person_stopped_or_nobody_saw_end_is_no_failure_of_the_code(stopped: Effective) -> None:
    assert flaky([ended("r1", stopped), ended("r2", Effective.FINISHED)]) == []


def test_what_fails_oftenest_stands_first() -> None:
    runs = [ended(f"{name}{n}", Effective.FAILED, git_commit=name) for name, times in (("a", 1), ("b", 2))
            for n in range(times)]
    runs += [ended(f"{name} ok", Effective.FINISHED, git_commit=name) for name in ("a", "b")]
    assert [f.git_commit for f in flaky(runs)] == ["b", "a"]
