"""From files in a folder to a verdict: the monitor's steps on a real store, a real log, a dataset as the baseline."""

import csv
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from services.adapters.dataset_baseline import DatasetBaselines
from services.adapters.log_ledger import LogLedger
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.parquet_writer import append
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.bootstrap import build, build_steps
from services.core.measurement import Verdict
from services.core.window import DAY, HOUR, TimeWindow
from services.errors import OpsError, SourceUnavailable
from services.monitor.steps.drift import DriftStep
from services.monitor.steps.profiles import BaselinesStep, ProfilesStep
from services.predictions.ledger import FileState
from services.profiles.ports import Ask
from services.profiles.profile import merged
from services.settings import load
from services.settings.sections import Columns, Model
from tests.conftest import NOW
from tests.migrated import migrated

MODEL = "fares"


def rows(rng: np.random.Generator, start: datetime, n: int, span: timedelta, *, mean: float = 0.0,
         nulls: float = 0.0, version: str = "1", **more: Any) -> pa.Table:
    """Return log rows spread evenly over a span; `mean` shifts amount, `nulls` empties it."""
    step = int(span.total_seconds() * 1e6) // n
    amount = rng.normal(mean, 1.0, n)
    columns = {
        "request_id": [f"{start:%m%d%H}-{rng.integers(1 << 60)}-{i}" for i in range(n)],
        "ts": pa.array([start + timedelta(microseconds=step * i) for i in range(n)], pa.timestamp("us", "UTC")),
        "model": [MODEL] * n, "model_version": [version] * n, "variant": ["champion"] * n,
        "environment": ["production"] * n, "status": ["ok"] * n,
        "prediction": (amount > 0).astype(float), "score": 1 / (1 + np.exp(-amount)),
        "amount": pa.array(amount, mask=rng.random(n) < nulls), "city": rng.choice(["ams", "ber", "cdg"], n),
        **more,
    }
    return pa.table(columns)


class House:
    """One model's log, baseline and steps."""

    def __init__(self, tmp_path: Path, db: OpsDb, *, columns: Columns | None = None) -> None:
        self.rng = np.random.default_rng(7)
        self.root = tmp_path / "log"
        self.root.mkdir()
        self.base = tmp_path / "train.parquet"
        pq.write_table(rows(self.rng, NOW - timedelta(days=60), 28_000, timedelta(days=28)), self.base)
        self.settings = Model(task="binary", log="log", features=["amount", "city"], slices=["city"],
                              **({"columns": columns} if columns else {}))
        self.baselines, self.profiles, self.ledger = BaselineTable(db), ProfileTable(db), LogLedger(db)
        self.measurements = MeasurementTable(db)

    def log(self, *parts: pa.Table) -> list[Path]:
        return [path for part in parts for path in append(self.root, part, time_column="ts")]

    def fill(self, days: int = 8, until: datetime = NOW) -> None:
        for k in range(days, 0, -1):
            self.log(rows(self.rng, until - k * DAY, 1000, DAY))

    def run(self, *, now: datetime = NOW) -> str:
        BaselinesStep(sources={MODEL: DatasetBaselines(self.base, self.settings)}, store=self.baselines).run(now=now)
        said = ProfilesStep(
            logs={MODEL: ParquetLog(MODEL, self.root, self.settings)}, slices={MODEL: ["city"]},
            baselines=self.baselines, profiles=self.profiles, ledger=self.ledger, save=self.measurements.save,
        ).run(now=now)
        DriftStep(models={MODEL: ["city"]}, baselines=self.baselines, profiles=self.profiles,
                  save=self.measurements.save).run(now=now)
        return said

    def counts(self, span: timedelta = timedelta(days=10), slice_: str = "") -> Any:
        layout = self.baselines.get(MODEL, "*").layout
        found = self.profiles.cover(layout, TimeWindow(NOW - span, NOW + 2 * DAY), model=MODEL,
                                    environment="production", slice_=slice_)
        return merged(layout, (item.profile for item in found))

    def verdict(self, name: str, column: str) -> Verdict:
        return self.found(name, column).verdict

    def found(self, name: str, column: str) -> Any:
        return next(m for m, _ in self.measurements.newest(subject=MODEL, name=name) if m.column == column)


@pytest.fixture
def house(tmp_path: Path, db: OpsDb) -> House:
    return House(tmp_path, db)


def test_an_unchanged_log_passes_and_a_shifted_one_fails(house: House) -> None:
    house.fill()
    house.run()
    assert house.verdict("skew", "amount") is Verdict.PASS
    assert house.verdict("drift", "amount") is Verdict.PASS
    assert house.verdict("prediction_skew", "score") is Verdict.PASS
    assert house.verdict("out_of_range_rate", "amount") is Verdict.PASS
    assert house.verdict("unseen_rate", "city") is Verdict.PASS

    later = NOW + DAY
    house.log(rows(house.rng, NOW, 1000, DAY, mean=1.0, city=["xyz"] * 1000))
    house.run(now=later)
    assert house.verdict("skew", "amount") is Verdict.FAIL
    assert house.verdict("drift", "amount") is Verdict.FAIL
    assert house.verdict("prediction_drift", "score") is Verdict.FAIL
    assert house.verdict("unseen_rate", "city") is Verdict.FAIL
    assert "amount moved: " in house.found("skew", "amount").reason
    never = "100% of rows at a value never seen before, 0% in the training baseline"
    assert never in house.found("skew", "city").reason


def test_sixty_percent_nulls_with_unchanged_values_is_drift(house: House) -> None:
    house.fill()
    house.log(rows(house.rng, NOW, 1000, DAY, nulls=0.6))
    house.run(now=NOW + DAY)
    assert house.verdict("skew", "amount") is Verdict.FAIL
    assert "missing" in house.found("skew", "amount").reason


def test_a_few_rows_are_inconclusive_and_say_how_many_are_needed(house: House) -> None:
    house.log(rows(house.rng, NOW - DAY, 60, DAY))
    house.run()
    found = house.found("skew", "amount")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason.startswith("amount: 60 rows are too few, ")
    assert found.detail["needed"] > 300


def test_an_empty_folder_is_one_line_and_no_verdict(house: House) -> None:
    assert house.run() == "fares: the log has no files yet"
    assert house.measurements.newest(name="skew") == []
    [(found, _)] = house.measurements.newest(name="quarantined_files")
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_folder_that_was_emptied_is_not_called_fine(house: House) -> None:
    house.fill(3)
    house.run()
    [(before, _)] = house.measurements.newest(name="quarantined_files")
    for file in house.root.rglob("*.parquet"):
        file.unlink()
    house.run()
    [(after, _)] = house.measurements.newest(name="quarantined_files")
    assert (before.verdict, after.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert "no log file is there" in after.reason


def test_a_second_pass_counts_nothing_twice(house: House) -> None:
    house.fill(3)
    assert "72 buckets counted from " in house.run()
    before = house.counts()
    assert house.run() == "fares: nothing new"
    after = house.counts()
    assert before.rows == after.rows == 3000
    assert before.counts.tolist() == after.counts.tolist()


def test_late_rows_recount_only_their_hours(house: House) -> None:
    house.fill(3)
    house.run()
    house.log(rows(house.rng, NOW - 2 * DAY, 10, HOUR))
    assert "1 buckets counted from 1 changed files" in house.run()
    assert house.counts().rows == 3010


def test_a_last_row_on_the_hour_is_counted(house: House) -> None:
    house.fill(1, until=NOW - 3 * HOUR)
    house.run()
    house.log(pa.concat_tables([rows(house.rng, NOW - 2 * HOUR, 20, HOUR), rows(house.rng, NOW - HOUR, 1, HOUR)]))
    house.run()
    assert house.counts().rows == 1021


def test_the_last_file_that_is_deleted_takes_its_counts_with_it(house: House) -> None:
    [path] = house.log(rows(house.rng, NOW - 2 * HOUR, 50, HOUR))
    house.run()
    assert house.counts().rows == 50
    path.unlink()
    house.run()
    assert house.counts().rows == 0
    assert house.counts(slice_="city=ams").rows == 0


def test_a_pass_killed_before_it_settled_counts_the_same_again(house: House) -> None:
    house.fill(2)
    house.run()
    log = ParquetLog(MODEL, house.root, house.settings)
    files = [f for f in house.ledger.files(log.name).values() if f.state is FileState.OK]
    house.ledger.save(log.name, [f.__class__(**{**_fields(f), "state": FileState.NEW}) for f in files], now=NOW)
    house.run()
    assert house.counts().rows == 2000


def test_slices_add_up_to_the_whole(house: House) -> None:
    house.fill(2)
    house.run()
    parts = [house.counts(slice_=f"city={c}") for c in ("ams", "ber", "cdg")]
    assert sum(p.rows for p in parts) == house.counts().rows == 2000


def test_a_corrupt_file_is_quarantined_by_name_and_the_rest_counts(house: House) -> None:
    house.fill(2)
    bad = house.root / "date=2026-03-03" / "broken.parquet"
    bad.write_bytes(b"PAR1 this is no footer")
    assert "1 files quarantined" in house.run()
    assert house.counts().rows == 2000
    found = next(m for m, _ in house.measurements.newest(name="quarantined_files"))
    assert found.verdict is Verdict.FAIL
    assert "date=2026-03-03/broken.parquet" in found.reason
    bad.unlink()
    house.run()
    assert next(m for m, _ in house.measurements.newest(name="quarantined_files")).verdict is Verdict.PASS


def test_a_file_whose_pages_are_damaged_is_found_among_the_good_ones(house: House) -> None:
    house.fill(2)
    [path] = house.log(rows(house.rng, NOW - HOUR, 500, HOUR))
    raw = bytearray(path.read_bytes())
    raw[200:2000] = os.urandom(1800)
    path.write_bytes(raw)
    assert "1 files quarantined" in house.run()
    assert house.counts().rows == 2000


def test_a_file_without_a_time_column_is_named_with_what_to_do(house: House) -> None:
    house.fill(1)
    pq.write_table(rows(house.rng, NOW, 5, HOUR).drop_columns(["ts"]), house.root / "untimed.parquet")
    house.run()
    [(_, file)] = house.ledger.quarantined()
    assert file.reason == "has no column ts: name the time column in models.fares.columns.timestamp"


def test_a_vanished_feature_is_missing_in_every_row_and_named(house: House) -> None:
    house.fill(4)
    house.run()
    house.log(rows(house.rng, NOW, 1000, DAY).drop_columns(["amount"]))
    assert "declared but not in every file: amount, counted as missing" in house.run(now=NOW + DAY)
    assert house.verdict("skew", "amount") is Verdict.FAIL
    assert house.verdict("skew", "city") is Verdict.PASS


def test_an_added_column_changes_nothing(house: House) -> None:
    house.fill(2)
    house.log(rows(house.rng, NOW, 100, HOUR, extra=["x"] * 100))
    house.run(now=NOW + DAY)
    assert house.counts().rows == 2100


def test_a_column_that_turns_into_text_counts_what_is_a_number(house: House) -> None:
    house.fill(2)
    house.log(rows(house.rng, NOW, 100, HOUR, amount=["0.5"] * 60 + ["broken"] * 40))
    house.run(now=NOW + DAY)
    column = house.counts().column("amount")
    assert (column.rows, column.missing, column.corrupt) == (2100, 40, 40)


def test_rows_logged_twice_count_once(house: House) -> None:
    part = rows(house.rng, NOW - 2 * HOUR, 100, HOUR)
    house.log(part, part)
    house.run()
    assert house.counts().rows == 100


def test_times_without_a_zone_are_utc_and_the_future_is_counted_when_it_comes(house: House) -> None:
    start = datetime(2026, 3, 4, 12, tzinfo=UTC)
    naive = rows(house.rng, start, 50, HOUR)
    naive = naive.set_column(1, "ts", naive["ts"].cast(pa.timestamp("us")))
    house.log(naive, rows(house.rng, NOW + 3 * HOUR, 20, HOUR))
    house.run()
    layout = house.baselines.get(MODEL, "*").layout
    [item] = house.profiles.read(layout, TimeWindow(start, start + HOUR), model=MODEL, environment="production",
                                 grain="hour")
    assert item.profile.rows == 50
    assert house.counts().rows == 70
    assert house.found("skew", "amount").n == 50


def test_rows_without_a_time_are_left_out_and_told(house: House) -> None:
    part = rows(house.rng, NOW - HOUR, 100, HOUR)
    stamps = part["ts"].to_pylist()
    house.fill(1)
    broken = part.set_column(1, "ts", pa.array([None, *stamps[1:]], pa.timestamp("us", "UTC")))
    pq.write_table(broken, house.root / "some.parquet")
    assert "1 rows have no time" in house.run()
    assert house.counts().rows == 1099


ENDLESS, BEFORE = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize(("times", "act"), [
    ({"last": ENDLESS}, "left"), ({"last": ENDLESS}, "rewritten"), ({"last": ENDLESS}, "deleted"),
    ({"last": ENDLESS}, "deleted before"), ({"first": BEFORE}, "left"), ({"first": BEFORE}, "deleted"),
    ({"first": BEFORE, "last": BEFORE}, "left"), ({"first": ENDLESS, "last": ENDLESS}, "deleted"),
], ids=["9999", "9999 rewritten", "9999 gone", "9999 deleted before", "1", "1 deleted", "only 1", "only 9999"])
def test_a_ledger_that_took_every_time_for_one_is_mended_by_the_next_pass(
    house: House, times: dict[str, datetime], act: str,
) -> None:
    house.log(rows(house.rng, NOW - 5 * HOUR, 30, HOUR))
    [path] = house.log(rows(house.rng, NOW - 2 * HOUR, 50, HOUR))
    house.run()
    name = f"predictions:{MODEL}"
    [known] = [f for f in house.ledger.files(name).values() if f.rows == 50]
    state = FileState.GONE if act == "deleted before" else FileState.OK
    house.ledger.save(name, [replace(known, state=state, **times)], now=NOW)
    if act == "rewritten":
        pq.write_table(rows(house.rng, NOW - 3 * HOUR, 20, HOUR), path)
    elif act != "left":
        path.unlink()
    house.run()
    after = house.ledger.files(name)
    assert (known.path in after) == path.exists()
    assert all(NOW - 37 * DAY < f.first <= f.last <= NOW for f in after.values() if f.first and f.last)
    if act == "left":
        assert after[known.path] == known
    if len(times) == 1 or act == "left":  # else nobody knows the hours that its rows were counted in
        assert house.counts().rows == 30 + {"left": 50, "rewritten": 20}.get(act, 0)
    assert house.run() == "fares: nothing new"


def test_shadow_answers_are_kept_apart(house: House) -> None:
    house.fill(1)
    house.log(rows(house.rng, NOW - HOUR, 100, HOUR, variant=["shadow"] * 100))
    house.run()
    assert house.counts().rows == 1000


def test_failed_requests_are_not_missing_answers(house: House) -> None:
    house.log(rows(house.rng, NOW - HOUR, 100, HOUR, status=["ok"] * 70 + ["error"] * 30))
    house.run()
    whole = house.counts()
    assert whole.column("amount").rows == 100
    assert whole.column("score").rows == 70


def test_an_explosion_of_categories_is_unseen_and_stops_nothing(house: House) -> None:
    house.fill(4)
    house.run()
    house.log(rows(house.rng, NOW, 5_000, DAY, city=[f"c{i}" for i in range(5_000)]))
    house.run(now=NOW + DAY)
    assert house.verdict("unseen_rate", "city") is Verdict.FAIL
    assert house.verdict("skew", "amount") is Verdict.PASS
    slices = house.profiles.slices(house.baselines.get(MODEL, "*").layout, TimeWindow(NOW, NOW + DAY), model=MODEL,
                                   environment="production")
    assert "city=" in slices, "what the baseline never had is one slice, not five thousand"
    assert len(slices) <= 4


def test_old_history_is_kept_by_day(house: House) -> None:
    for k in (80, 79, 60, 2, 1):
        house.log(rows(house.rng, NOW - k * DAY, 200, DAY))
    house.run()
    layout = house.baselines.get(MODEL, "*").layout
    window = TimeWindow(datetime(2025, 12, 1, tzinfo=UTC), NOW)
    days = house.profiles.read(layout, window, model=MODEL, environment="production", grain="day")
    hours = house.profiles.read(layout, window, model=MODEL, environment="production", grain="hour")
    assert sum(d.profile.rows for d in days) == 1000
    assert sum(h.profile.rows for h in hours) == 400


def test_a_log_with_other_names_is_mapped(tmp_path: Path, db: OpsDb) -> None:
    house = House(tmp_path, db, columns=Columns(timestamp="event_time", version="served_version"))
    part = rows(house.rng, NOW - HOUR, 50, HOUR).drop_columns(["variant", "environment", "status", "request_id"])
    names = {"ts": "event_time", "model_version": "served_version"}
    pq.write_table(part.rename_columns([names.get(n, n) for n in part.column_names]), house.root / "theirs.parquet")
    house.run()
    layout = house.baselines.get(MODEL, "*").layout
    [item] = house.profiles.read(layout, TimeWindow(NOW - HOUR, NOW), model=MODEL, environment="production",
                                 grain="hour")
    assert (item.profile.rows, item.place.version) == (50, "1")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_log_of_text_lines_counts_like_parquet(tmp_path: Path, db: OpsDb, form: str) -> None:
    house = House(tmp_path, db)
    part = rows(house.rng, NOW - 3 * HOUR, 300, HOUR, nulls=0.2)
    house.log(part)
    house.run()
    right = house.counts()

    theirs = tmp_path / form
    theirs.mkdir()
    lines = part.set_column(1, "ts", pc.strftime(part["ts"], format="%Y-%m-%dT%H:%M:%SZ")).to_pylist()
    if form == "json":
        (theirs / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        with (theirs / "a.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    (theirs / f"half.{form}").write_bytes(b'{"ts": "2026-03-04T10:00' if form == "json" else b"ts,amount\n\xff\xfe\x00")
    settings = house.settings.model_copy(update={"format": form})
    files = ParquetLog("other", theirs, settings)
    looked = files.inspect(files.changes({}))
    good = [f for f in looked if f.state is FileState.NEW and f.rows]
    layout = house.baselines.get(MODEL, "*").layout
    window = TimeWindow(NOW - 3 * HOUR, NOW)
    found, bad = files.count(good, Ask(layout=layout, window=window, grain=HOUR))
    assert not bad
    assert merged(layout, (item.profile for item in found)).counts.tolist() == right.counts.tolist()
    assert [f.path for f in looked if f not in good] == [f"half.{form}"]


def test_a_missing_baseline_is_remembered_and_the_log_waits(house: House) -> None:
    house.fill(1)
    house.base.unlink()
    house.run()
    assert "is not there" in house.baselines.known()[MODEL, "*"]
    assert house.measurements.newest(name="skew") == []


def test_a_baseline_that_cannot_be_read_is_an_error_of_its_own(house: House) -> None:
    house.base.write_bytes(b"nothing")
    with pytest.raises(SourceUnavailable, match=r"train.parquet cannot be read"):
        house.run()


def test_a_settings_file_a_log_and_a_data_set_are_all_that_is_needed(house: House, tmp_path: Path) -> None:
    house.fill(4)
    house.log(rows(house.rng, NOW, 1000, DAY, mean=1.0))
    (tmp_path / "interlock.toml").write_text(
        '[models.fares]\ntask = "binary"\nlog = "log"\nbaseline = "train.parquet"\nfeatures = ["amount", "city"]\n')
    services = build(load(str(tmp_path / "interlock.toml")))
    migrated(services.db)
    said = {step.name: step.run(now=NOW + DAY) for step in build_steps(services)}
    assert said["mirror"] == "no MLflow is named: set tracking.uri to see runs and versions"
    found = {(m.name, m.column): m.verdict for m, _ in services.measurements.newest(subject=MODEL)}
    assert found["skew", "amount"] is Verdict.FAIL
    assert found["skew", "city"] is Verdict.PASS
    assert {i.subject for i in services.incidents.history()} == {MODEL}, "that there is no MLflow is no incident"


def test_one_broken_log_does_not_stop_another(house: House, tmp_path: Path) -> None:
    class Broken:
        name = "predictions:broken"

        def changes(self, known: object, *, now: datetime) -> Any:
            raise SourceUnavailable("log folder /nowhere cannot be listed")

        def inspect(self, changes: object, *, now: datetime) -> Any:
            raise AssertionError("there is nothing to look into")

    house.fill(1)
    BaselinesStep(sources={MODEL: DatasetBaselines(house.base, house.settings)}, store=house.baselines).run(now=NOW)
    step = ProfilesStep(
        logs={"broken": Broken(), MODEL: ParquetLog(MODEL, house.root, house.settings)}, slices={},
        baselines=house.baselines, profiles=house.profiles, ledger=house.ledger, save=house.measurements.save)
    with pytest.raises(OpsError, match="/nowhere"):
        step.run(now=NOW)
    assert house.counts().rows == 1000


def _fields(file: Any) -> dict[str, Any]:
    return {name: getattr(file, name) for name in file.__dataclass_fields__}
