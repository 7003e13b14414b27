"""Columns as they come when something is broken: each is visible, and none costs the others their verdict."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update

from services.adapters.log_ledger import LogLedger
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.profiles import log_files
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import SLICES, fit_baseline
from services.core.measurement import Verdict
from services.core.window import DAY, HOUR, TimeWindow
from services.predictions.ledger import UNSEEN, FileState, LogFile, possible
from services.profiles.ports import Ask
from services.profiles.profile import merged
from services.settings.sections import Model
from tests.conftest import NOW
from tests.flows.test_log_to_drift import House, rows
from tests.signals_fixtures import MODEL, SignalHouse, answers

MILLION = 1_000_000


@pytest.fixture
def house(tmp_path: Path, db: OpsDb) -> House:
    house = House(tmp_path, db)
    house.fill(4)
    house.run()
    return house


def broken(house: House, **more: Any) -> Any:
    """Log a day in which some columns are what `more` says, and measure it."""
    house.log(rows(house.rng, NOW, 1000, DAY, **more))
    house.run(now=NOW + DAY)
    return house.found("skew", "amount")


@pytest.mark.parametrize(("amount", "said"), [
    ([None] * 1000, "missing"), ([float("nan")] * 1000, "missing"), ([0.25] * 1000, "moved"),
    ([float("inf")] * 1000, "above the baseline's range"), ([float("-inf")] * 1000, "below the baseline's range"),
    ([1e300] * 1000, "above the baseline's range"), (["text"] * 1000, "missing"), ([""] * 1000, "missing"),
], ids=["null", "NaN", "constant", "infinite", "minus infinite", "enormous", "text", "empty"])
def test_a_column_gone_bad_fails_with_what_it_is_and_the_others_keep_theirs(
    house: House, amount: list, said: str
) -> None:
    found = broken(house, amount=pa.array(amount, pa.float64()) if amount[0] is None else amount)
    assert found.verdict is Verdict.FAIL
    assert said in found.reason
    assert house.verdict("skew", "city") is Verdict.PASS
    assert house.verdict("prediction_skew", "score") is Verdict.PASS


def test_infinite_values_have_a_rate_of_their_own(house: House) -> None:
    amount = house.rng.normal(0, 1, 1000)
    amount[:50] = np.inf
    assert broken(house, amount=amount).verdict is not Verdict.ERROR
    rate = house.found("out_of_range_rate", "amount")
    assert rate.verdict is Verdict.FAIL
    assert rate.reason.startswith("amount: 50 of 1,000 rows out of range (5.0%")


def test_one_outlier_moves_nothing(house: House) -> None:
    amount = house.rng.normal(0, 1, 1000)
    amount[0] = 1e9
    assert broken(house, amount=amount).verdict is Verdict.PASS
    rate = house.found("out_of_range_rate", "amount")
    assert rate.verdict is Verdict.PASS
    assert rate.reason.startswith("amount: 1 of 1,000 rows out of range"), "it is counted, and said"
    assert house.verdict("skew", "city") is Verdict.PASS


def test_columns_that_training_had_nothing_of_leave_the_others_their_verdict(tmp_path: Path, db: OpsDb) -> None:
    house = House(tmp_path, db)
    base = pq.read_table(house.base)
    n = len(base)
    bad = {"nothing": pa.nulls(n, pa.float64()), "untyped": pa.nulls(n), "same": np.full(n, 7.0),
           "endless": np.where(np.arange(n) % 2, np.inf, 0.5),
           "odd": np.where(np.arange(n) == 5, 1e9, house.rng.normal(0, 1, n))}
    for name, values in bad.items():
        base = base.append_column(name, pa.array(values))
    pq.write_table(base, house.base)
    house.settings = house.settings.model_copy(update={"features": [*house.settings.features, *bad]})
    house.log(rows(house.rng, NOW - DAY, 1000, DAY, nothing=[0.5] * 1000, untyped=[0.5] * 1000, endless=[0.5] * 1000,
                   same=[7.0] * 1000, odd=house.rng.normal(0, 1, 1000)))
    house.run()
    for column in ("amount", "city", "same", "odd"):
        assert house.verdict("skew", column) is Verdict.PASS, house.found("skew", column).reason
    for column in ("nothing", "untyped", "endless"):
        found = house.found("skew", column)
        assert found.verdict is Verdict.FAIL
        assert found.reason.startswith(f"{column} moved: "), found.reason


def test_what_is_odd_about_a_log_is_named_and_the_other_columns_keep_their_verdict(tmp_path: Path) -> None:
    """Mixed types, a new column, repeated requests, times to come and rows without a time, all in one day."""
    house = SignalHouse(tmp_path)
    for back in (5, 4, 3):
        house.day(back)
    amount = ["broken" if i % 4 == 0 else "0.5" for i in range(1000)]
    day = answers(house.rng, NOW - DAY, 1000, amount=amount, extra=["x"] * 1000)
    house.log(day)
    house.log(day.slice(0, 100))
    house.log(answers(house.rng, NOW + 3 * HOUR, 20, HOUR))
    stamps = pa.array([None, *day["ts"].to_pylist()[1:5]], pa.timestamp("us", "UTC"))
    untimed = day.slice(0, 5).set_column(day.column_names.index("ts"), "ts", stamps)
    untimed = untimed.set_column(0, "request_id", pa.array([f"untimed-{i}" for i in range(5)]))
    pq.write_table(untimed, tmp_path / "log" / "untimed.parquet")
    said = house.run()["profiles"]
    ahead = f"have rows of times to come, up to {NOW + 3 * HOUR:%Y-%m-%d} "
    files = house.newest("quarantined_files")
    assert files.verdict is Verdict.PASS
    for words in (said, files.reason):
        assert ahead in words
        assert "1 rows have no time" in words
    wrong, schema, repeated = (house.newest("wrong_type_rate", column="amount"), house.newest("schema"),
                               house.newest("duplicate_keys"))
    assert (wrong.verdict, wrong.detail["k"]) == (Verdict.FAIL, 251)
    assert "changed type: amount (varchar instead of numeric)" in schema.reason
    assert schema.reason.endswith("; not in the schema: extra")
    assert (repeated.verdict, repeated.detail["k"]) == (Verdict.FAIL, 100)
    for name in ("missing_rate", "skew"):
        assert house.newest(name, column="city").verdict is Verdict.PASS


def test_rows_of_later_days_are_said_and_count_when_their_time_comes(tmp_path: Path) -> None:
    house, steps = SignalHouse(tmp_path), ("baselines", "profiles", "traffic", "labels")
    house.day(1)
    odd = [answers(house.rng, NOW + ahead, n, HOUR) for ahead, n in ((-HOUR, 10), (5 * DAY, 24), (60 * DAY, 1))]
    pq.write_table(pa.concat_tables(odd), tmp_path / "log" / "odd.parquet")
    said = house.run(only=steps)["profiles"]
    assert f"24 rows are more than 2 days ahead, the first of {NOW + 5 * DAY:%Y-%m-%d %H:%M} UTC: they count " in said
    assert "1 rows have no time, or none from 2000 to 36 days after their file was read, and are left out" in said
    assert house.newest("quarantined_files").reason.endswith("they count when their time comes")
    assert "nothing new" in house.run(now=NOW + DAY, only=steps)["profiles"]

    there = house.run(now=NOW + 4 * DAY, only=steps)["profiles"]
    assert f"1 files have rows of times to come, up to {NOW + 5 * DAY:%Y-%m-%d} " in there
    then = NOW + 5 * DAY + 2 * HOUR
    assert house.run(now=then, only=steps)["profiles"].startswith(f"{MODEL}: nothing new, 1 rows have no time")
    window = TimeWindow(NOW + DAY, then)
    [layout] = {b.edges: b.layout for v in house.services.baselines.known()
                if (b := house.services.baselines.get(*v))}.values()
    counted = house.services.profiles.cover(layout, window, model=MODEL, environment="production")
    assert merged(layout, (c.profile for c in counted)).rows == 24
    assert sum(hour.rows for hour in house.services.traffic.hours(MODEL, window)) == 24
    assert sum(day.coverage.rows for day in house.services.scores.days(MODEL, window)) == 24


def test_a_ledger_that_told_later_days_from_no_others_has_their_file_looked_at_again(db: OpsDb) -> None:
    ledger, kept = LogLedger(db), {"path": "odd.parquet", "size": 9, "mtime": NOW, "first": NOW, "last": NOW}
    ledger.save("log", [LogFile(state=FileState.OK, undated=3, **kept)], now=NOW)
    assert possible(ledger.files("log")["odd.parquet"], now=NOW).size == 9
    with db.write() as connection:
        connection.execute(update(log_files).values(detail={"versions": {}, "undated": 3, "lacks": []}))
    assert possible(ledger.files("log")["odd.parquet"], now=NOW).size == UNSEEN


def test_times_that_cannot_be_are_left_out_and_said_and_no_hour_up_to_them_is_looked_at(house: House) -> None:
    part = rows(house.rng, NOW, 1000, DAY)
    stamps = [stamp.replace(tzinfo=None) for stamp in part["ts"].to_pylist()]
    stamps[:4] = [datetime(1970, 1, 1), datetime(1, 1, 1), NOW.replace(tzinfo=None) + 400 * DAY,  # noqa: DTZ001
                  datetime(9999, 12, 31, 23, 59)]  # noqa: DTZ001
    pq.write_table(part.set_column(1, "ts", pa.array(stamps, pa.timestamp("us"))), house.root / "some.parquet")
    milliseconds = part["ts"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
    pq.write_table(part.set_column(1, "ts", milliseconds), house.root / "unit.parquet")
    said = house.run(now=NOW + DAY)
    assert said.startswith("fares: 24 buckets counted from 2 changed files, 1004 rows have no time, or none from 2000 ")
    assert "1004 rows have no time" in house.found("quarantined_files", "").reason
    assert house.verdict("skew", "amount") is house.verdict("skew", "city") is Verdict.PASS
    assert house.found("skew", "amount").n == 996


def test_a_file_that_is_still_being_written_is_quarantined_until_it_is_whole(house: House) -> None:
    part = rows(house.rng, NOW, 1000, DAY)
    pq.write_table(part, house.root / "half.parquet")
    whole = (house.root / "half.parquet").read_bytes()
    (house.root / "half.parquet").write_bytes(whole[: len(whole) // 2])
    house.log(rows(house.rng, NOW, 1000, DAY))
    assert "1 files quarantined" in house.run(now=NOW + DAY)
    assert house.verdict("skew", "amount") is house.verdict("skew", "city") is Verdict.PASS
    assert "half.parquet" in house.found("quarantined_files", "").reason
    (house.root / "half.parquet").write_bytes(whole)
    house.run(now=NOW + DAY)
    assert house.verdict("quarantined_files", "") is Verdict.PASS
    assert house.found("skew", "amount").n == 2000


def test_a_renamed_column_is_missing_under_its_old_name(house: House) -> None:
    table = rows(house.rng, NOW, 1000, DAY)
    house.log(table.rename_columns(["fare" if c == "amount" else c for c in table.column_names]))
    assert "declared but not in every file: amount, counted as missing" in house.run(now=NOW + DAY)
    assert "100% of rows missing" in house.found("skew", "amount").reason
    assert house.verdict("skew", "city") is Verdict.PASS


def test_a_baseline_with_a_million_categories_names_none_of_them_new() -> None:
    names = pa.array(np.arange(MILLION)).cast(pa.string())
    baseline = fit_baseline(pa.table({"id": names, "x": pa.array(np.arange(MILLION, dtype=float))}),
                            features=["id", "x"])
    column = baseline.profile.column("id")
    assert (column.bins.open, column.bins.named, column.unseen) == (True, (), 0)
    assert column.rows == MILLION
    assert len(baseline.to_json()) < 50_000


def test_a_log_with_a_million_categories_is_counted_into_a_bounded_number_of_slices(tmp_path: Path) -> None:
    ids = pa.array(np.arange(MILLION)).cast(pa.string())
    seconds = pa.array(np.arange(MILLION) * 80_000 + int((NOW - DAY).timestamp() * 1e6), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"ts": seconds, "id": ids, "x": np.arange(MILLION) / 7}), tmp_path / "rows.parquet")
    known = {"id": [f"id {i % 3}" for i in range(900)], "x": np.arange(900.0)}
    layout = fit_baseline(pa.table(known), features=["id", "x"]).layout
    log = ParquetLog("fares", tmp_path, Model(task="binary", log=str(tmp_path), features=["id", "x"]))
    found, bad = log.count(log.inspect(log.changes({})), Ask(
        layout=layout, window=TimeWindow(NOW - DAY, NOW), grain=DAY, slices=["id", "x"]))
    whole = merged(layout, (item.profile for item in found if not item.place.slice)).column("id")
    assert (bad, whole.rows, whole.unseen) == ([], MILLION, MILLION)
    assert len({item.place.slice for item in found}) <= 1 + 1 + SLICES + 1
