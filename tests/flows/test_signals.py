"""From logs on the disk to verdicts: serving, checks and quality through the real steps and a real store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.signal_steps import signal_logs
from services.adapters.table_log import TableLog
from services.core.access import Actor, Grant, Role
from services.core.measurement import Verdict, Why
from services.core.window import DAY, HOUR, TimeWindow
from services.errors import NotAllowed, SourceMalformed, SourceUnavailable
from services.predictions.ledger import FileState
from services.quality.binary import bin_of
from services.quality.multiclass import ClassScores
from tests.conftest import NOW
from tests.signals_fixtures import MODEL, SignalHouse, answers, labels_of

AUTHOR = Actor(subject="ada", issuer="demo", method="demo", grants=(Grant(role=Role.AUTHOR),))
VIEWER = Actor(subject="vic", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))


@pytest.fixture
def house(tmp_path: Path) -> SignalHouse:
    return SignalHouse(tmp_path)


def month(house: SignalHouse, n: int = 480) -> None:
    for back in range(29, 0, -1):
        house.day(back, n)


def test_a_steady_month_is_fine_in_every_signal(house: SignalHouse):
    month(house)
    house.run()
    for name in ("outage", "latency_p95_ms", "error_share", "request_rate", "log_freshness", "volume", "schema",
                 "duplicate_keys", "quality", "label_coverage"):
        assert house.newest(name).verdict is Verdict.PASS, house.newest(name).reason
    assert house.newest("latency_p95_ms").value == pytest.approx(11.8, rel=0.06)


def test_shadow_answers_are_neither_volume_nor_latency_nor_delivery(house: SignalHouse):
    month(house)
    n = 480
    house.log(answers(house.rng, NOW - DAY, n, variant=["shadow"] * n, latency_ms=np.full(n, 9_000.0)))
    house.run()
    assert house.newest("latency_p95_ms").verdict is Verdict.PASS
    assert house.newest("volume").value == 480
    shadow = house.services.traffic.hours(MODEL, TimeWindow(NOW - DAY, NOW), shadow=True)
    assert sum(hour.rows for hour in shadow) == n


def test_the_busiest_second_and_minute_of_an_hour_are_counted_over_all_versions(house: SignalHouse):
    start = NOW - 3 * HOUR  # at 120 in a minute, 3 of them in one second
    later = [0, 10, 10, 10, *[20 + k for k in range(20)], *[70 + 100 * k for k in range(30)]]
    ts = pa.array([start + timedelta(seconds=s) for s in later], pa.timestamp("us", "UTC"))
    n = len(later)
    house.log(answers(house.rng, start, n, ts=ts, model_version=["1", "2"] * (n // 2)))
    house.log(answers(house.rng, start, 50, timedelta(seconds=1), variant=["shadow"] * 50))
    house.log(answers(house.rng, NOW - 2 * HOUR, 6, timedelta(minutes=6)))  # a log of whole minutes knows no second
    house.run(only=("baselines", "profiles", "traffic"))
    hours = house.services.traffic.hours(MODEL, TimeWindow(start, NOW))
    assert {(h.hour, h.version, h.busiest_second, h.busiest_minute) for h in hours} == {
        (start, "1", 3, 24), (start, "2", 3, 24), (NOW - 2 * HOUR, "1", None, None)}


def test_a_slow_and_failing_day_is_seen_in_latency_and_errors(house: SignalHouse):
    for back in range(29, 1, -1):
        house.day(back)
    n = 480
    status = ["error" if i % 10 == 0 else "ok" for i in range(n)]
    kind = ["TimeoutError" if s == "error" else "" for s in status]
    house.log(answers(house.rng, NOW - DAY, n, latency_ms=np.full(n, 60.0), status=status, error_type=kind))
    house.run()
    assert house.newest("latency_p95_ms").verdict is Verdict.FAIL
    errors = house.newest("error_share")
    assert errors.verdict is Verdict.FAIL
    assert "48 timed out, mostly TimeoutError" in errors.reason


def failing(house: SignalHouse, n: int = 480) -> None:
    """Log a month, and a last day in which every tenth request timed out and one raised."""
    for back in range(29, 1, -1):
        house.day(back)
    status = ["error" if i % 10 == 0 or i == 7 else "ok" for i in range(n)]
    kind = ["TimeoutError" if i % 10 == 0 else "MODEL_ERROR" if i == 7 else "" for i in range(n)]
    said = ["the model raised ValueError: thirteen\n  line 13" if i == 7 else "" for i in range(n)]
    house.log(answers(house.rng, NOW - DAY, n, status=status, error_type=kind, error=said))


def test_a_few_failed_requests_of_each_class_are_kept_with_what_was_said_and_asked(house: SignalHouse):
    failing(house)
    house.run()
    kept = house.services.samples.get(MODEL, "production", "error_share", "")
    assert [(k["error_type"], k["of"]) for k in kept] == [("TimeoutError", 48)] * 3 + [("MODEL_ERROR", 1)]
    assert kept[3]["error"] == "the model raised ValueError: thirteen\n  line 13"
    assert set(kept[3]["features"]) == {"amount", "city"}
    assert kept[0]["ts"] > kept[1]["ts"] > kept[2]["ts"]


def test_a_model_with_a_sensitive_column_keeps_neither_its_values_nor_the_words_of_an_exception(tmp_path: Path):
    house = SignalHouse(tmp_path, sensitive=["city"], slices=[])
    failing(house)
    house.run()
    kept = house.services.samples.get(MODEL, "production", "error_share", "")
    assert {k["error"] for k in kept} == {""}
    assert {name for k in kept for name in k["features"]} == {"amount"}


def test_failed_requests_are_looked_up_again_only_when_there_are_others(house: SignalHouse):
    failing(house)
    house.run()
    step = next(s for s in house.steps if s.name == "serving")
    asked: list[str] = []

    class Rows:
        """The port, which notes that it was asked."""

        def failed(self, window: TimeWindow, *, environment: str, sensitive: object) -> list[dict[str, object]]:
            asked.append(f"{environment} {sensitive} {window.length}")
            return []

    step.failures.rows[MODEL] = Rows()
    step.run(now=NOW + timedelta(seconds=30))
    assert asked == []
    house.log(answers(house.rng, NOW, 2, timedelta(seconds=20), status=["error"] * 2, error_type=["OSError"] * 2))
    house.run(now=NOW + timedelta(minutes=1), only=("profiles", "traffic", "serving"))
    assert len(asked) == 1


def test_a_log_without_words_for_its_errors_keeps_the_requests_all_the_same(house: SignalHouse):
    house.log(answers(house.rng, NOW - HOUR, 100, HOUR, status=["error"] * 100, error_type=["OSError"] * 100))
    house.run()
    kept = house.services.samples.get(MODEL, "production", "error_share", "")
    assert [(k["error_type"], k["error"]) for k in kept] == [("OSError", "")] * 3


def test_silence_is_an_outage_once_it_speaks_and_resolves_when_answers_come_back(house: SignalHouse):
    month(house)
    house.run()
    later = NOW + timedelta(minutes=40)  # 13 expected
    house.log(answers(house.rng, NOW + 30 * HOUR, 1, HOUR))  # a row of a clock that is ahead hides nothing
    house.run(now=later)
    assert house.newest("outage").verdict is Verdict.FAIL
    house.log(answers(house.rng, later - timedelta(minutes=2), 2, timedelta(minutes=2)))
    house.run(now=later + timedelta(seconds=30))
    assert house.newest("outage").verdict is Verdict.PASS


def test_a_row_dated_ahead_within_the_hour_is_no_sign_of_life_before_its_time(house: SignalHouse):
    month(house)
    house.run()
    later, ahead = NOW + timedelta(minutes=40), NOW + timedelta(minutes=55)
    house.log(answers(house.rng, ahead, 1, HOUR))
    house.run(now=later)
    assert house.newest("outage").verdict is Verdict.FAIL
    # A writer whose clock is a quarter of an hour ahead delivers all the same: from its time on the row is believed.
    said = house.run(now=ahead, only=("profiles", "traffic", "serving"))
    assert said["traffic"] == f"{MODEL}: 1 hours counted from 0 changed files"
    assert house.newest("outage").verdict is Verdict.PASS
    assert house.run(now=ahead + timedelta(minutes=1), only=("traffic",))["traffic"] == f"{MODEL}: nothing new"


def test_only_the_hours_and_days_that_new_files_touch_are_counted_again(house: SignalHouse):
    month(house)
    house.run()
    assert house.run(only=("traffic", "labels"))["traffic"] == f"{MODEL}: nothing new"
    house.log(answers(house.rng, NOW - timedelta(minutes=30), 10, timedelta(minutes=20)))
    said = house.run(now=NOW + timedelta(seconds=30), only=("profiles", "traffic", "labels"))
    assert said["traffic"] == f"{MODEL}: 1 hours counted from 1 changed files"
    assert said["labels"].startswith(f"{MODEL}: 1 days counted")


def test_labels_that_arrive_restate_history_and_only_their_days(house: SignalHouse):
    found = [house.day(back, labelled=False) for back in range(10, 0, -1)]
    house.run()
    assert house.newest("label_coverage").verdict is Verdict.FAIL
    assert house.newest("quality").verdict is Verdict.INCONCLUSIVE
    for rows in found[:8]:
        house.label(labels_of(house.rng, rows))
    later = NOW + timedelta(minutes=10)
    said = house.run(now=later)
    assert said["labels"].startswith(f"{MODEL}: 9 days counted"), said["labels"]  # days begin at 15:00, so 8 touch 9
    assert house.newest("label_coverage").detail["labelled"] > 3_000
    again = house.run(now=later + timedelta(minutes=10))
    assert again["labels"] == f"{MODEL}: nothing new"


@pytest.mark.parametrize("state", [FileState.NEW, FileState.OK])
def test_a_label_file_known_with_an_impossible_time_is_looked_at_again_and_its_labels_count_once(
    house: SignalHouse, state: FileState,
):
    steps, log = ("profiles", "traffic", "labels"), f"labels:{MODEL}"
    rows = house.day(3)
    house.run(only=steps)
    path, known = next(iter(house.services.log_ledger.files(log).items()))
    endless = replace(known, state=state, last=datetime.max.replace(tzinfo=UTC))
    house.services.log_ledger.save(log, [endless], now=NOW)
    assert "new label files" in house.run(only=steps)["labels"]
    assert house.services.log_ledger.files(log)[path] == known
    days = house.services.scores.days(MODEL, TimeWindow(NOW - 5 * DAY, NOW))
    assert sum(day.coverage.labelled for day in days) == len(rows)
    assert house.run(only=steps)["labels"] == f"{MODEL}: nothing new"


def test_absent_labels_are_not_late_ones(house: SignalHouse):
    for back in range(10, 0, -1):
        rows = house.day(back, labelled=False)
        labels = labels_of(house.rng, rows)
        gone = np.arange(rows.num_rows) % 2 == 0
        house.label(labels.set_column(1, "label", pa.array(labels["label"].to_numpy(), mask=gone))
                    .set_column(3, "absent_reason", pa.array(["cancelled" if g else "" for g in gone])))
    house.run()
    coverage = house.newest("label_coverage")
    assert coverage.verdict is Verdict.PASS, coverage.reason
    assert coverage.value == 1.0
    assert coverage.detail["absent"] == {"cancelled": coverage.n // 2}


def test_bad_labels_are_counted_by_kind_and_never_used(house: SignalHouse):
    for back in range(10, 0, -1):
        rows = house.day(back, labelled=False)
        labels = labels_of(house.rng, rows)
        house.label(labels)
        house.label(labels.slice(0, 20).set_column(1, "label", pa.array(1 - labels["label"].to_numpy()[:20])))
        early = labels_of(house.rng, rows, after=-HOUR)
        house.label(early.slice(30, 10))  # known before the prediction, and equal or not to the other
    house.label(pa.table({"request_id": ["nobody-1", "nobody-2"], "label": [1.0, 0.0], "absent_reason": ["", ""],
                          "label_ts": pa.array([NOW - DAY] * 2, pa.timestamp("us", "UTC"))}))
    house.run()
    found = house.newest("label_coverage")
    assert found.verdict is Verdict.WARN
    assert found.detail["contradicting"] >= 7 * 20
    assert found.detail["early"] > 0
    assert found.detail["unknown"] == 2
    assert "2 labels belong to no logged request" in found.reason
    # What an estimate learns from leaves the same labels out.
    learned = signal_logs(house.settings, house.services.log_ledger)[MODEL].labelled_rows(
        TimeWindow(NOW - 11 * DAY, NOW), ["amount"], environment="production", rows=9_999, labelled=True)
    assert learned is not None
    assert learned.num_rows == 10 * (480 - 20 - 10)


def test_answers_that_cannot_be_scored_are_counted_and_do_not_spoil_the_rest(house: SignalHouse):
    for back in range(29, 0, -1):
        rows = answers(house.rng, NOW - back * DAY, 480)
        score = rows["score"].to_numpy().copy()
        said = rows["prediction"].to_numpy().copy()
        score[:3], said[3] = [1.7, -0.2, np.nan], np.nan
        rows = rows.set_column(rows.schema.get_field_index("score"), "score", pa.array(score))
        rows = rows.set_column(rows.schema.get_field_index("prediction"), "prediction", pa.array(said))
        house.log(rows)
        house.label(labels_of(house.rng, rows.set_column(
            rows.schema.get_field_index("score"), "score", pa.array(np.clip(score, 0, 1)))))
    house.run()
    assert house.newest("quality").verdict is Verdict.PASS, house.newest("quality").reason
    assert house.newest("label_coverage").detail["invalid"] == 7 * 4


def test_turned_labels_of_one_slice_fail_there(house: SignalHouse):
    month(house)
    for back in range(9, 0, -1):
        n = 900
        rows = house.log(answers(house.rng, NOW - back * DAY + timedelta(seconds=7), n, city=["ber"] * n,
                                 request_id=[f"ber-{back}-{i}" for i in range(n)]))
        house.label(labels_of(house.rng, rows, flip=0.5))
    house.run()
    assert house.newest("quality", slice_="city=ber").verdict is Verdict.FAIL
    assert house.newest("quality", slice_="city=ams").verdict is not Verdict.FAIL


def test_a_label_file_without_its_columns_is_quarantined_by_name(house: SignalHouse):
    house.day(2)
    folder = house.folder / "labels" / "date=2026-03-01"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"request_id": ["a"], "label_ts": pa.array([NOW], pa.timestamp("us", "UTC"))}),
                   folder / "odd.parquet")
    house.run()
    bad = house.services.log_ledger.quarantined(f"labels:{MODEL}")
    assert [(file.path.split("/")[-1], "has no column label" in file.reason) for _, file in bad] == [
        ("odd.parquet", True)]
    assert house.newest("label_coverage").n > 0


def test_repeated_requests_count_once_and_are_told(house: SignalHouse):
    month(house)
    again = answers(np.random.default_rng(3), NOW - DAY, 480)
    house.log(again)
    house.run()
    assert house.newest("volume").value == 480
    assert house.newest("duplicate_keys").verdict is Verdict.FAIL
    assert house.newest("duplicate_keys").detail["k"] == 480


def test_an_unseen_value_fails_until_somebody_accepts_it_and_is_sampled(house: SignalHouse):
    month(house)
    n = 240
    house.log(answers(house.rng, NOW - 20 * HOUR, n, 18 * HOUR, city=["lhr"] * n,
                      request_id=[f"new-{i}" for i in range(n)]))
    house.run()
    found = house.newest("unseen_rate", column="city")
    assert found.verdict is Verdict.FAIL
    sample = house.services.samples.get(MODEL, "production", "unseen_rate", "city")
    assert sample[0]["values"] == [{"value": "lhr", "rows": n}]
    assert len(sample[0]["rows"]) == 5
    with pytest.raises(NotAllowed):
        house.services.schemas.accept(MODEL, found.version, "city", "lhr", actor=VIEWER, reason="new city", op_id="a",
                                      now=NOW)
    first = house.services.schemas.accept(MODEL, found.version, "city", "lhr", actor=AUTHOR, reason="new city",
                                          op_id="b", now=NOW)
    repeat = house.services.schemas.accept(MODEL, found.version, "city", "lhr", actor=AUTHOR, reason="new city",
                                           op_id="b", now=NOW)
    assert (first["revision"], repeat["already"]) == (2, True)
    house.run(now=NOW + timedelta(seconds=30))
    after = house.newest("unseen_rate", column="city")
    assert after.verdict is Verdict.PASS, after.reason
    assert "240 of accepted values are left out" in after.reason


def test_a_sensitive_column_is_judged_and_never_shown(tmp_path: Path):
    house = SignalHouse(tmp_path, sensitive=["city"], slices=[])
    month(house)
    house.log(answers(house.rng, NOW - 20 * HOUR, 240, 18 * HOUR, city=["secret"] * 240,
                      request_id=[f"new-{i}" for i in range(240)]))
    house.run()
    assert house.newest("unseen_rate", column="city").verdict is Verdict.FAIL
    sample = house.services.samples.get(MODEL, "production", "unseen_rate", "city")
    assert sample == [{"values": [], "rows": []}]


def test_a_changed_task_is_told_in_one_line(house: SignalHouse):
    house.day(2)
    house.run()
    from services.adapters.signal_table import ScoreTable

    wrong = ScoreTable(house.services.db, {MODEL: "regression"})
    with pytest.raises(SourceMalformed, match="Its task changed"):
        wrong.days(MODEL, TimeWindow(NOW - 5 * DAY, NOW))


@pytest.mark.parametrize("also", [[], ["declared_and_never_logged"]])
def test_a_regression_has_its_errors_and_their_estimate(tmp_path: Path, also: list[str]):
    house = SignalHouse(tmp_path, task="regression", features=["amount", "city", *also])
    for back in range(36, 0, -1):
        n = 200
        amount = house.rng.normal(0, 1, n)
        rows = house.log(answers(house.rng, NOW - back * DAY, n, amount=amount, prediction=10 + amount,
                                 score=np.full(n, np.nan)))
        truth = 10 + amount + house.rng.normal(0, np.where(amount > 0, 2.0, 0.5))
        house.label(pa.table({"request_id": rows["request_id"], "label": truth, "absent_reason": [""] * n,
                              "label_ts": pa.array([t + HOUR for t in rows["ts"].to_pylist()],
                                                   pa.timestamp("us", "UTC"))}))
    house.run()
    real, guess = house.newest("quality"), house.newest("estimated_quality")
    assert real.unit == "mae"
    assert real.value == pytest.approx(1.0, abs=0.15)
    assert guess.value == pytest.approx(1.0, abs=0.15)
    assert guess.detail["error"] is not None
    assert {"mae", "rmse", "bias", "quantile_loss_90"} <= set(real.detail["metrics"])


def test_classes_are_scored_by_class(tmp_path: Path):
    house = SignalHouse(tmp_path, task="multiclass")
    for back in range(10, 0, -1):
        n = 200
        said = house.rng.integers(0, 3, n).astype(float)
        sure = np.concatenate((np.full(n - 2, 0.8), [1.7, np.nan]))
        rows = house.log(answers(house.rng, NOW - back * DAY, n, prediction=said, score=sure))
        truth = np.where(house.rng.random(n) < 0.8, said, (said + 1) % 3)
        house.label(pa.table({"request_id": rows["request_id"], "label": truth, "absent_reason": [""] * n,
                              "label_ts": pa.array([t + HOUR for t in rows["ts"].to_pylist()],
                                                   pa.timestamp("us", "UTC"))}))
    house.run()
    assert house.newest("quality").value == pytest.approx(0.8, abs=0.04)
    [day] = house.services.scores.days(MODEL, TimeWindow(NOW - 3 * DAY, NOW - 2 * DAY + HOUR))[:1]
    assert day.coverage.invalid > 0, "a score of 1.7 cannot be"
    counted = day.scores
    assert isinstance(counted, ClassScores)
    assert {place for _, place in counted.asked} == {bin_of(0.8)}
    assert counted.asked == counted.known
    right = sum(n for (label, said), n in counted.table.items() if label == said)
    assert right - sum(counted.right.values()) <= 1, "NaN is no score; the answer counts all the same"
    assert house.newest("estimated_quality").why is Why.NO_DATA


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis calls DuckDB by a former name
def test_a_table_has_profiles_and_checks_and_what_is_not_read_from_it_is_said(tmp_path: Path):
    house = SignalHouse(tmp_path, format="table", log="served")
    url = f"duckdb://{tmp_path / 'warehouse.duckdb'}"
    rows = answers(house.rng, NOW - DAY, 480)  # by name in the query
    with duckdb.connect(url.removeprefix("duckdb://")) as connection:
        connection.execute("CREATE TABLE served AS SELECT * FROM rows")
    step = next(s for s in house.steps if s.name == "profiles")
    step.logs[MODEL] = TableLog(MODEL, url, house.settings.models[MODEL])
    house.label(labels_of(house.rng, rows))
    said = house.run()
    assert said["profiles"] == f"{MODEL}: 24 buckets counted from 24 changed files"
    assert said["traffic"] == (
        f"{MODEL}: its log is a table, from which outage, latency, volume and quality are not read")
    assert house.newest("missing_rate", column="amount").verdict is Verdict.PASS
    assert house.newest("schema").verdict is Verdict.INCONCLUSIVE
    step.logs[MODEL].close()


def test_a_model_without_labels_or_rows_is_unsure_and_nothing_breaks(house: SignalHouse):
    said = house.run()
    assert said["traffic"] == f"{MODEL}: nothing new"
    house.day(1, labelled=False)
    house.run(now=NOW + timedelta(minutes=6))
    assert house.newest("quality").verdict is Verdict.INCONCLUSIVE
    assert house.newest("estimated_quality").why is Why.NO_DATA


class Without:
    """A store or log behind which one model cannot be read."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any, **more: Any) -> Any:
            if "broken" in (*args, *more.values()):
                raise SourceUnavailable("the log of broken cannot be read")
            return getattr(self.real, name)(*args, **more)

        return ask


def test_a_model_whose_log_cannot_be_read_leaves_the_others_checked_and_their_quality_measured(house: SignalHouse):
    month(house)
    house.run(only=("baselines", "profiles", "traffic", "labels"))
    checks, quality = (next(step for step in house.steps if step.name == name) for name in ("checks", "quality"))
    watched = {"broken": quality.models[MODEL], **quality.models}
    for step in (replace(checks, models=["broken", MODEL], profiles=Without(checks.profiles)),
                 replace(quality, models=watched, logs={"broken": quality.logs[MODEL], **quality.logs},
                         store=Without(quality.store))):
        with pytest.raises(SourceUnavailable, match="the log of broken"):
            step.run(now=NOW)
    assert house.newest("schema").verdict is Verdict.PASS
    assert house.newest("quality").verdict is Verdict.PASS
