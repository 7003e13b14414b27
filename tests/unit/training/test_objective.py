"""The objective of a pipeline: met, missed, at risk, and missed already by a run that has not ended."""

from datetime import timedelta
from typing import Any

import pytest

from services.core.measurement import Measurement, Verdict
from services.training.duration import examine
from services.training.measure import measure
from services.training.run import Effective, Kind, Run
from tests.conftest import NOW
from tests.training_fixtures import a_run
from tests.unit.training.test_duration import timings

MINUTE = timedelta(minutes=1)


def an_open_run(minutes: float, **more: Any) -> Run:
    return a_run("open", start=NOW - minutes * MINUTE, status="RUNNING", effective=Effective.RUNNING, **more)


def done(minutes: float, *, ago: float = 600) -> Run:
    return a_run("done", start=NOW - ago * MINUTE, took=minutes * MINUTE, effective=Effective.FINISHED)


def objective(*runs: Run, minutes: float = 60, took: float = 70) -> Measurement:
    """Judge runs of a pipeline of which one in ten takes `took` minutes."""
    history = [examine(timings([took * 60.0] * 20))]
    found = measure("churn", Kind.TRAINING, runs, history, now=NOW, objective_s=minutes * 60)
    (asked,) = [m for m in found if m.name == "training_objective"]
    return asked


def test_an_open_run_of_a_pipeline_that_often_takes_longer_is_at_risk() -> None:
    found = objective(an_open_run(10), done(50))
    assert (found.verdict, found.detail["at_risk"], found.detail["missed"]) == (Verdict.WARN, 1, 0)
    assert found.reason == "1 open run is at risk: 1 in 10 takes 1 h 10 min, objective 1 h"


def test_two_of_them_are_two() -> None:
    assert objective(an_open_run(10), an_open_run(20)).reason.startswith("2 open runs are at risk")


def test_an_open_run_of_a_pipeline_that_keeps_its_objective_is_not() -> None:
    found = objective(an_open_run(10), done(50), took=40)
    assert (found.verdict, found.detail["at_risk"]) == (Verdict.PASS, 0)
    assert found.reason == "the only run met the objective 1 h"


def test_an_open_run_that_is_past_its_objective_has_missed_it() -> None:
    found = objective(an_open_run(61), done(50), took=40)
    assert (found.verdict, found.detail["missed"], found.detail["at_risk"]) == (Verdict.FAIL, 1, 0)
    assert found.reason.endswith("; 1 of them not ended yet")


@pytest.mark.parametrize(("asked", "risky"), [(80.0, 0), (60.0, 1)])
def test_a_runs_own_objective_comes_before_the_pipelines(asked: float, risky: int) -> None:
    assert objective(an_open_run(10, sla_s=asked * 60), minutes=999).detail["at_risk"] == risky


def test_a_dead_run_is_at_no_risk_any_more() -> None:
    dead = a_run("open", start=NOW - 10 * MINUTE, status="RUNNING", effective=Effective.SUSPECTED_DEAD)
    assert objective(dead, done(50)).detail["at_risk"] == 0
