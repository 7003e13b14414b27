"""The Training page: durations, failures, hung runs, one run; empty, stale and hostile."""

from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.house_tables import SourceState
from services.adapters.measurement_table import MeasurementTable
from services.adapters.run_mirror import RunMirror
from services.monitor.steps.training import Objective, TrainingStep
from services.training.classify import explain
from services.training.ports import SOURCE
from tests.console.conftest import Console
from tests.training_fixtures import a_raw, ms

H = timedelta(hours=1)
HOSTILE = "<script>alert(1)</script> **bold** =1+1 [x](javascript:alert(1))"


@pytest.fixture
def filled(console: Console) -> Console:
    now = datetime.now(UTC)
    mirror = RunMirror(console.services.db)
    mirror.mirror([a_raw(f"r{i:02}", start=now - (40 - i) * H, took=timedelta(minutes=30 + i % 3), name=f"run {i}")
                   for i in range(14)], now=now)
    mirror.mirror([
        a_raw("bad", start=now - 2 * H, status="FAILED", name=HOSTILE,
              tags={"ops.pipeline": "churn", "ops.fail.type": "MemoryError", "ops.fail.message": HOSTILE}),
        a_raw("hung", start=now - 9 * H, status="RUNNING", name="silent one",
              tags={"ops.pipeline": "churn", "ops.heartbeat": str(ms(now - H))}),
    ], now=now)
    for run in mirror.unexplained(limit=10):
        mirror.save_artifacts(run.run_id, {"ops/log_tail.txt": f"last words {HOSTILE}"}, now=now)
        mirror.set_failures({run.run_id: explain(run, {})})
    console.services.sources.save(SourceState(name=SOURCE, as_of=now, tried_at=now, ok=True, message="", took_s=0.1))
    measure(console, now)
    return console


def measure(console: Console, now: datetime, objective_s: float = 1860.0) -> None:
    step = TrainingStep(RunMirror(console.services.db), MeasurementTable(console.services.db), mirror_as_of=lambda: now,
                        objectives={"churn": Objective(seconds=objective_s)})
    step.run(now=now)


def test_an_empty_mirror_says_what_to_do(console: Console) -> None:
    at = console.open("training")
    assert not at.exception
    assert "No run was mirrored yet" in console.words(at)
    assert "interlock monitor --once" in console.words(at)


def test_durations_failures_and_hung_runs_stand_on_one_page(filled: Console) -> None:
    at = filled.open("training")
    words = filled.words(at)
    assert not at.exception
    assert "steady at 31 min over 14 runs" in words
    assert "1 of 15 runs failed (7%, 95% interval 1% to 30%)" in words
    assert "ram_oom" in words
    assert "silent one" in words
    assert "no heartbeat for 1 h" in words


def test_names_are_text_and_never_markup(filled: Console) -> None:
    at = filled.open("training")
    assert HOSTILE in filled.words(at)
    markup = [node.proto.body for node in at.main if getattr(node, "type", "") == "html"]
    assert not any("<script>" in body for body in markup)


def test_one_run_shows_how_it_ended_why_and_its_last_words(filled: Console) -> None:
    at = filled.open("training", run="bad")
    words = filled.words(at)
    assert not at.exception
    assert "MLflow says FAILED; the run recorded MemoryError" in words
    assert "really failed MLflow says FAILED" in words
    assert "MemoryError" in words
    assert "last words" in "".join(code.value for code in at.code)


def test_a_run_that_the_mirror_does_not_know_is_said_so(filled: Console) -> None:
    at = filled.open("training", run="nosuch")
    assert not at.exception
    assert "the mirror has no run of that id" in filled.words(at)


def test_a_silent_mlflow_shows_the_mirror_with_its_age(filled: Console) -> None:
    now = datetime.now(UTC)
    filled.services.sources.save(SourceState(name=SOURCE, as_of=now - H, tried_at=now - H, ok=True, message="",
                                             took_s=0))
    filled.services.sources.save(SourceState(name=SOURCE, as_of=None, tried_at=now, ok=False, took_s=1,
                                             message="MLflow at http://mlflow:5000 does not answer"))
    words = filled.words(filled.open("training"))
    assert "MLflow does not answer" in words
    assert "stale: data as of" in words
    assert "1 of 15 runs failed" in words


def test_a_slower_pipeline_is_marked_at_its_run_with_the_commit(console: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(console.services.db).mirror([
        a_raw(f"r{i:02}", start=now - (40 - i) * H, took=timedelta(minutes=(30 if i < 20 else 60) + i % 3),
              tags={"ops.pipeline": "churn", "mlflow.source.git.commit": ("a" if i < 20 else "b") * 40})
        for i in range(32)], now=now)
    console.services.sources.save(SourceState(name=SOURCE, as_of=now, tried_at=now, ok=True, message="", took_s=0.1))
    measure(console, now)
    words = console.words(console.open("training"))
    assert f"longer since {now - 20 * H:%Y-%m-%d %H:%M} UTC" in words
    assert "commit aaaaaaaa to bbbbbbbb" in words


def test_objectives_are_met_missed_or_at_risk(filled: Console) -> None:
    measure(filled, datetime.now(UTC))
    words = filled.words(filled.open("training"))
    assert "Objectives" in words
    assert "runs missed the objective 31 min" in words


def test_what_is_wrong_stands_first_and_what_is_fine_is_folded_away(filled: Console) -> None:
    measure(filled, datetime.now(UTC), objective_s=7200.0)
    at = filled.open("training")
    words = filled.words(at)
    places = [words.index(head) for head in ("Hung runs", "Failures", "Training time", "Objectives")]
    assert places == sorted(places)
    folds = {fold.label: fold for fold in at.expander}
    assert {"1 fine", "1 failed run one by one, newest first"} <= set(folds)
    assert "steady at 31 min" in words


def test_nothing_wrong_begins_with_the_time(console: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(console.services.db).mirror([a_raw(f"r{i:02}", start=now - (40 - i) * H) for i in range(14)], now=now)
    words = console.words(console.open("training"))
    assert words.index("Training time") < words.index("Failures")


def test_the_wait_before_a_start_is_told_by_pool_and_team(filled: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(filled.services.db).mirror([
        a_raw(f"w{i}", start=now - i * H, tags={"ops.pipeline": "churn", "ops.pool": "gpu-a100", "ops.team": "growth",
                                                "ops.submitted_at": str(ms(now - i * H - i * timedelta(minutes=10)))})
        for i in range(1, 6)], now=now)
    words = filled.words(filled.open("training"))
    assert "Queue wait" in words
    assert "gpu-a100 growth 30 min" in words


def test_without_enough_runs_the_page_says_what_it_takes(console: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(console.services.db).mirror([a_raw(start=now - H)], now=now)
    assert "that takes 12 finished runs" in console.words(console.open("training"))
