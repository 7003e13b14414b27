"""The mirror follows MLflow through everything that happens to runs there."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from services.adapters.house_tables import SourceTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.registry_table import RegisteredVersion, RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.core.measurement import Measurement, Verdict, Why
from services.errors import SourceUnavailable
from services.monitor.steps.mirror import MirrorStep
from services.monitor.steps.training import Objective, TrainingStep
from services.training.failure_rules import Rules
from services.training.ports import SOURCE, RunFilter
from services.training.run import Effective
from tests.training_fixtures import ListedSource, a_raw, ms

MIN, H, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class House:
    def __init__(self, db: OpsDb, source: ListedSource) -> None:
        self.db, self.source, self.sources = db, source, SourceTable(db)
        self.runs, self.registry = RunMirror(db), RegistryTable(db)
        self.measurements = MeasurementTable(db)
        cursor = MirrorCursor(self.sources)
        self.mirror = MirrorStep(source, self.runs, self.registry, cursor, rules=Rules)
        self.training = TrainingStep(self.runs, self.measurements, mirror_as_of=cursor.as_of,
                                     objectives={"churn": Objective(seconds=3600.0, environment="production")})

    def verdict(self, name: str, subject: str = "churn"):
        return next(m for m, _ in self.measurements.newest(subject=subject, name=name))


@pytest.fixture
def house(db: OpsDb, now: datetime) -> House:
    source = ListedSource([a_raw(f"r{i:02}", start=now - (20 - i) * H) for i in range(20)])
    found = House(db, source)
    found.mirror.run(now=now)
    return found


def test_the_first_sync_reads_everything_once(house: House) -> None:
    assert house.source.asked.count("everything") == 1
    assert house.runs.count() == 20


def test_what_was_read_before_and_is_gone_is_a_fault_though_nobody_names_it(house: House, now: datetime) -> None:
    house.source.down = True
    step = MirrorStep(house.source, house.runs, house.registry, MirrorCursor(house.sources), rules=Rules,
                      named=lambda: False)
    with pytest.raises(SourceUnavailable):
        step.run(now=now + MIN)


def test_new_ended_and_late_changes_are_found_without_reading_everything_again(house: House, now: datetime) -> None:
    house.source.put(a_raw("new", start=now + MIN, status="RUNNING"))
    house.mirror.run(now=now + 2 * MIN)
    assert house.runs.get("new").effective is Effective.RUNNING
    house.source.change("new", status="FINISHED", end_ms=ms(now + 10 * MIN))
    house.mirror.run(now=now + 11 * MIN)
    assert house.runs.get("new").duration_s == 9 * 60
    house.source.change("new", tags={"ops.pipeline": "churn", "ops.data_rows": "77"})
    house.mirror.run(now=now + 40 * MIN)
    assert house.runs.get("new").data_rows == 77
    assert house.source.asked.count("everything") == 1


def test_a_pass_asks_five_questions_and_reads_no_run_twice(house: House, now: datetime) -> None:
    later = now + 12 * H  # the daily comparison is not due
    house.mirror.run(now=later - H)  # nothing was recent at the last look
    for i in range(100):
        house.source.put(a_raw(f"n{i:02}", start=later + timedelta(seconds=i), took=10 * MIN))
    before = len(house.source.asked)
    said = house.mirror.run(now=later + 30 * MIN)
    assert said.startswith("100 runs read, 100 changed")
    assert house.source.asked[before:] == ["experiments", "ended", "open", "started", "registry"]
    assert house.mirror.run(now=later + 2 * H).startswith("100 runs read, 0 changed"), "recent at the last look"
    assert house.mirror.run(now=later + 3 * H).startswith("0 runs read, 0 changed")  # all within the overlap


def test_tags_that_came_while_nobody_looked_for_hours_are_found(house: House, now: datetime) -> None:
    house.source.put(a_raw("labelled", start=now, took=MIN))
    house.mirror.run(now=now + 10 * MIN)
    house.source.change("labelled", tags={"ops.pipeline": "churn", "ops.data_rows": "77"})
    house.mirror.run(now=now + 3 * H)
    assert house.runs.get("labelled").data_rows == 77


def test_a_settled_run_that_is_taken_up_again_and_ends_between_two_passes_is_found(house: House, now: datetime) -> None:
    house.mirror.run(now=now + 3 * H)
    house.source.change("r19", status="FAILED", end_ms=ms(now + 3 * H + 2 * MIN))
    house.mirror.run(now=now + 3 * H + 5 * MIN)
    assert house.runs.get("r19").effective is Effective.FAILED


def test_a_new_run_that_is_finished_without_an_end_is_found(house: House, now: datetime) -> None:
    house.source.put(a_raw("endless", start=now + MIN, took=None))
    house.mirror.run(now=now + 2 * MIN)
    assert house.runs.get("endless").status == "FINISHED"


def test_the_newest_run_is_back_with_the_next_pass_after_it_was_restored(house: House, now: datetime) -> None:
    house.source.change("r19", deleted=True)
    house.mirror.run(now=now + MIN)  # it ended within the hour: its id is asked for
    assert house.runs.get("r19").deleted
    house.source.change("r19", deleted=False)
    house.mirror.run(now=now + 3 * H)
    assert not house.runs.get("r19").deleted


def test_a_run_entered_with_a_past_start_is_found_while_open_and_when_it_ends(house: House, now: datetime) -> None:
    house.source.put(a_raw("late", start=now - 9 * DAY, status="RUNNING"))
    house.mirror.run(now=now + MIN)
    assert house.runs.get("late") is not None
    house.source.change("late", status="FAILED", end_ms=ms(now - 8 * DAY))
    house.mirror.run(now=now + 2 * MIN)
    assert house.runs.get("late").effective is Effective.FAILED


def test_a_clock_in_the_future_hides_no_later_run(house: House, now: datetime) -> None:
    house.source.put(a_raw("ahead", start=now + 400 * DAY, status="RUNNING"))
    house.mirror.run(now=now + MIN)
    house.source.put(a_raw("after", start=now + 2 * MIN))
    house.mirror.run(now=now + 60 * MIN)
    assert house.runs.get("after") is not None
    assert "ahead of ours" in house.runs.get("ahead").evidence


def test_a_run_that_ended_by_a_clock_hours_ahead_is_read_once_and_in_its_hour(house: House, now: datetime) -> None:
    house.source.put(a_raw("ahead", start=now + 5 * H, took=MIN))
    house.mirror.run(now=now + 3 * H)
    assert house.runs.get("ahead").effective is Effective.FINISHED
    house.source.change("ahead", tags={"ops.pipeline": "churn", "ops.data_rows": "77"})
    assert house.mirror.run(now=now + 4 * H).startswith("0 runs read")
    house.mirror.run(now=now + 4 * H + 2 * MIN)
    assert house.runs.get("ahead").data_rows == 77


def test_an_unreachable_mlflow_leaves_the_mirror_with_its_age_and_nothing_is_lost(house: House, now: datetime) -> None:
    house.source.put(a_raw("open", start=now + MIN, status="RUNNING",
                           tags={"ops.pipeline": "churn", "ops.heartbeat": str(ms(now + MIN))}))
    house.mirror.run(now=now + 2 * MIN)
    house.source.down = True
    house.source.put(a_raw("missed", start=now + 10 * MIN))
    for minute in range(3, 64, 10):
        with pytest.raises(SourceUnavailable, match="http://mlflow:5000"):
            house.mirror.run(now=now + minute * MIN)
        house.training.run(now=now + minute * MIN)
    state = house.sources.get(SOURCE)
    assert (state.as_of, state.ok) == (now + 2 * MIN, False)
    assert house.runs.get("open").effective is Effective.RUNNING  # nobody could ask: that is no sign of death
    assert house.runs.count() == 21
    house.source.down = False
    house.mirror.run(now=now + 65 * MIN)
    house.training.run(now=now + 65 * MIN)
    assert house.runs.get("missed") is not None
    assert house.runs.get("open").effective is Effective.SUSPECTED_DEAD
    assert house.sources.get(SOURCE).ok


def test_deleted_and_restored_runs_are_kept_and_marked(house: House, now: datetime) -> None:
    house.source.change("r05", deleted=True)
    house.mirror.run(now=now + DAY + MIN)
    assert house.runs.get("r05").deleted
    assert house.runs.count() == 19
    assert house.runs.count(RunFilter(deleted=True)) == 20
    house.source.change("r05", deleted=False)
    house.mirror.run(now=now + 2 * DAY + 2 * MIN)
    assert not house.runs.get("r05").deleted


def test_a_run_gone_for_good_is_marked_at_the_nightly_comparison(house: House, now: datetime) -> None:
    del house.source.runs["r07"]
    assert "1 gone" in house.mirror.run(now=now + DAY + MIN)
    assert house.runs.get("r07").deleted


@pytest.mark.parametrize("gone", ["r07", "open"])
def test_a_run_that_was_gone_and_is_back_as_it_was_counts_again(house: House, now: datetime, gone: str) -> None:
    house.source.put(a_raw("open", start=now - H, status="RUNNING"))
    house.mirror.run(now=now + MIN)
    kept = house.source.runs.pop(gone)  # a permission that was taken away, a backup that was played back
    house.mirror.run(now=now + DAY + MIN)
    assert house.runs.get(gone).deleted
    house.source.runs[gone] = kept
    house.mirror.run(now=now + 2 * DAY + 2 * MIN)
    assert not house.runs.get(gone).deleted


def test_an_open_run_that_disappears_is_marked_at_once(house: House, now: datetime) -> None:
    house.source.put(a_raw("gone", start=now, status="RUNNING"))
    house.mirror.run(now=now + MIN)
    del house.source.runs["gone"]
    house.mirror.run(now=now + 2 * MIN)
    assert house.runs.get("gone").deleted


def test_a_renamed_experiment_takes_its_unattributed_runs_along(house: House, now: datetime) -> None:
    house.source.put(a_raw("plain", start=now, tags={}))
    house.mirror.run(now=now + MIN)
    house.source.names["1"] = "churn **2**"
    house.mirror.run(now=now + 2 * MIN)
    assert (house.runs.get("plain").pipeline, house.runs.get("r01").pipeline) == ("churn **2**", "churn")
    assert house.runs.get("r01").experiment == "churn **2**"


def test_experiments_that_kept_their_names_cost_one_question(house: House, now: datetime) -> None:
    house.source.names |= {str(i): f"other {i}" for i in range(2, 90)}
    asked: list[str] = []
    event.listen(house.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    house.mirror.run(now=now + MIN)
    assert len([statement for statement in asked if "runs.experiment" in statement]) < 5


def test_one_value_of_many_runs_is_found_by_its_kind_and_name(house: House, now: datetime) -> None:
    house.source.put(a_raw("one", start=now, params={"epochs": "3", 'odd "%_ name': "9"}))
    house.source.put(a_raw("two", start=now, params={"epochs_max": "8"}, tags={"epochs": "many"}))
    house.mirror.run(now=now + MIN)
    assert {k: v.number for k, v in house.runs.values_of(["one", "two"], kind="param", key="epochs").items()} == {
        "one": 3.0}
    assert house.runs.values_of(["one", "two"], kind="param", key='odd "%_ name')["one"].text == "9"


def test_a_pass_that_is_repeated_changes_nothing(house: House, now: datetime) -> None:
    before = house.runs.find(limit=100)
    said = house.mirror.run(now=now + MIN)
    assert " 0 changed" in said
    assert [replace(r, as_of=None) for r in house.runs.find(limit=100)] == [replace(r, as_of=None) for r in before]


def test_versions_and_aliases_are_mirrored_and_an_alias_keeps_since_when_it_stands(house: House, now: datetime) -> None:
    house.source.versions = [RegisteredVersion(model="m", version=v, run_id="r01", created_at=now, status="READY",
                                               source="s", tags={"k": "v"}) for v in ("9", "10")]
    house.source.aliases = {("m", "champion"): "9"}
    house.mirror.run(now=now + MIN)
    house.mirror.run(now=now + 2 * MIN)
    assert [v.version for v in house.registry.versions("m")] == ["10", "9"]
    assert house.registry.champion("m").aliases == ("champion",)
    assert house.registry.aliases("m")[0].since == now + MIN
    house.source.aliases = {("m", "champion"): "10"}
    house.mirror.run(now=now + 3 * MIN)
    assert (house.registry.champion("m").version, house.registry.aliases("m")[0].since) == ("10", now + 3 * MIN)
    assert [v.version for v in house.registry.of_run("r01")] == ["9", "10"]


def test_a_failure_is_explained_from_the_texts_the_job_left(house: House, now: datetime) -> None:
    house.source.artifacts["bad"] = {"ops/log_tail.txt": "epoch 3 loss=0.2\nRuntimeError: CUDA out of memory."}
    house.source.put(a_raw("bad", start=now - H, status="FAILED",
                           tags={"ops.pipeline": "churn", "ops.fail.type": "RuntimeError",
                                 "ops.fail.evidence": "ops/failure.json"}))
    house.mirror.run(now=now + MIN)
    failure = house.runs.get("bad").failure
    assert (failure.cls, failure.owner, failure.retryable) == ("cuda_oom", "code", False)
    assert failure.line == "RuntimeError: CUDA out of memory."
    assert house.runs.artifacts("bad")["ops/log_tail.txt"].startswith("epoch 3")
    asked = list(house.source.asked)
    house.mirror.run(now=now + 2 * MIN)
    assert "texts bad" not in house.source.asked[len(asked):]  # once is enough


def test_data_and_training_pipelines_are_measured_alike(house: House, now: datetime) -> None:
    for i in range(14):
        house.source.put(a_raw(f"d{i:02}", start=now - (15 - i) * H, took=(4 if i < 13 else 5) * MIN,
                               status="FAILED" if i == 13 else "FINISHED",
                               tags={"ops.pipeline": "ingest", "ops.pipeline_kind": "data"}))
    house.mirror.run(now=now + DAY)
    house.training.run(now=now + DAY)
    failures, time = house.verdict("training_failures", "ingest"), house.verdict("training_time", "ingest")
    assert (failures.pipeline, failures.verdict, failures.n) == ("data", Verdict.FAIL, 14)
    assert failures.reason.startswith("1 of 14 runs failed in 7 d (7%, 95% interval 1% to 31%)")
    assert (time.verdict, time.value) == (Verdict.PASS, 240.0)
    assert house.verdict("training_failures").verdict is Verdict.PASS
    assert house.verdict("training_objective").reason == "all 20 runs met the objective 1 h"


def test_a_slower_pipeline_is_dated_to_the_run_and_its_commit(db: OpsDb, now: datetime) -> None:
    wobble = (0, 20, -15, 8, -22, 13, -5, 17, -11, 3)
    source = ListedSource([
        a_raw(f"r{i:02}", start=now - (30 - i) * H,
              took=(30 if i < 22 else 40) * MIN + timedelta(seconds=wobble[i % 10]),
              tags={"ops.pipeline": "churn", "mlflow.source.git.commit": ("a" if i < 22 else "b") * 40})
        for i in range(30)
    ])
    house = House(db, source)
    house.mirror.run(now=now)
    house.training.run(now=now)
    found = house.verdict("training_time")
    assert found.verdict is Verdict.WARN
    assert found.detail["since_run"] == "r22"
    assert "33% longer since" in found.reason
    assert found.reason.endswith("with it: commit aaaaaaaa to bbbbbbbb")


def test_a_hung_run_fails_its_pipeline_and_says_what_it_holds(house: House, now: datetime) -> None:
    house.source.put(a_raw("hung", start=now - 3 * H, status="RUNNING", name="nightly",
                           tags={"ops.pipeline": "churn", "ops.heartbeat": str(ms(now - H)), "ops.req.gpu": "4"}))
    house.mirror.run(now=now + MIN)
    house.training.run(now=now + MIN)
    found = house.verdict("hung_runs")
    assert (found.verdict, found.value) == (Verdict.FAIL, 1.0)
    assert found.reason == ("nightly is suspected dead: no heartbeat for 1 h 1 min (limit 5 min), no end recorded; "
                            "8.0 h held")


def test_a_run_past_its_pipelines_objective_is_overdue(house: House, now: datetime) -> None:
    house.source.put(a_raw("long", start=now - 2 * H, status="RUNNING",
                           tags={"ops.pipeline": "churn", "ops.heartbeat": str(ms(now))}))
    house.mirror.run(now=now + MIN)
    house.training.run(now=now + MIN)
    assert house.runs.get("long").effective is Effective.OVERDUE
    assert house.runs.get("long").evidence == "running for 2 h 1 min, longer than its objective (1 h)"


def paced(db: OpsDb, runs: list, *, now: datetime, schedule: str = "") -> dict[str, Measurement]:
    """Return what is measured of a pipeline `retrain` with these runs."""
    house = House(db, ListedSource(runs))
    house.training = TrainingStep(house.runs, house.measurements, mirror_as_of=lambda: now,
                                  objectives={"retrain": Objective(seconds=3600.0, schedule=schedule)})
    house.mirror.run(now=now)
    house.training.run(now=now)
    return {m.name: m for m, _ in house.measurements.newest(subject="retrain")}


def retrained(days: list[int], *, now: datetime) -> list:
    return [a_raw(f"t{back}", start=now - back * DAY, tags={"ops.pipeline": "retrain"}) for back in days]


def test_a_pipeline_that_runs_every_three_weeks_is_judged_over_nine(db: OpsDb, now: datetime) -> None:
    found = paced(db, retrained([50, 29, 8], now=now), now=now)
    assert (found["training_failures"].verdict, found["training_failures"].n) == (Verdict.PASS, 3)
    assert found["training_failures"].reason == "none of 3 runs failed in 63 d"
    assert found["training_objective"].verdict is Verdict.PASS
    assert "training_time" not in found, "twelve such runs take most of a year"


def test_what_ran_once_long_ago_is_not_asked_for(db: OpsDb, now: datetime) -> None:
    assert set(paced(db, retrained([8], now=now), now=now)) == {"hung_runs"}


def test_a_pipeline_of_two_runs_that_stopped_is_missed(db: OpsDb, now: datetime) -> None:
    failures = paced(db, retrained([90, 80], now=now), now=now)["training_failures"]
    assert (failures.verdict, failures.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)
    assert failures.reason.startswith("no run ended in the last 30 d; the last one began on ")


def test_a_scheduled_run_is_late_only_once_it_is_due(db: OpsDb, now: datetime) -> None:
    due = (now - 20 * DAY).replace(hour=7, minute=0, second=0, microsecond=0)
    monthly = f"0 7 {due.day} * *"
    runs = [a_raw("then", start=due, tags={"ops.pipeline": "retrain"})]
    assert paced(db, runs, now=now, schedule=monthly)["training_failures"].verdict is Verdict.PASS
    later = due + timedelta(days=32)
    later = later.replace(day=due.day) + timedelta(hours=2)
    late = paced(db, runs, now=later, schedule=monthly)["training_failures"]
    assert (late.verdict, late.why) == (Verdict.INCONCLUSIVE, Why.LATE)
    assert "did not begin; the last one began on" in late.reason


def test_a_question_that_nobody_asks_any_more_leaves_the_first_screen(db: OpsDb, now: datetime) -> None:
    runs = retrained([8], now=now)
    assert "training_failures" in paced(db, runs, now=now - 7 * DAY)
    assert "training_failures" not in paced(db, runs, now=now)
