"""Columns as they come when something is broken: each is visible, and none costs the others their verdict."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.ops_db import OpsDb
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import SLICES, fit_baseline
from services.core.measurement import Verdict
from services.core.window import DAY, TimeWindow
from services.profiles.ports import Ask
from services.profiles.profile import merged
from services.settings.sections import Model
from tests.conftest import NOW
from tests.flows.test_log_to_drift import House, rows

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
    ([1e300] * 1000, "above the baseline's range"), (["text"] * 1000, "missing"),
], ids=["null", "NaN", "constant", "infinite", "minus infinite", "enormous", "text"])
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
    assert house.verdict("out_of_range_rate", "amount") is Verdict.PASS


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
