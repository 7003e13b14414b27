"""New parts of data sets and test sets, through the real step: what changed is told, what cannot be read is named."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.dataset_rows import DatasetRows
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.schema_table import SchemaTable
from services.checks.edit import Edit
from services.core.access import Actor, Grant, Role
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.errors import OpsError
from services.monitor.steps.datasets import DatasetsStep
from services.profiles.ports import Counted, Place, Scope
from services.settings.sections import Dataset
from tests.conftest import NOW


def rows(rng: np.random.Generator, n: int, *, shift: float = 0.0, city: str = "") -> pa.Table:
    amount = rng.normal(shift, 1, n)
    return pa.table({"amount": amount, "city": [city] * n if city else rng.choice(["ams", "ber"], n),
                     "late": (amount > shift).astype(float)})

AUTHOR = Actor(subject="ada", issuer="demo", method="demo", grants=(Grant(role=Role.AUTHOR),))


class Sets:
    """One model with a data feed and a test set."""

    def __init__(self, folder: Path, db: OpsDb) -> None:
        self.folder, self.rng = folder, np.random.default_rng(2)
        self.measurements = MeasurementTable(db)
        baselines = BaselineTable(db)
        fitted = fit_baseline(rows(self.rng, 12_000), features=["amount", "city"], label="late")
        baselines.save(fitted.of_version("fares", "1"), now=NOW)
        self.step = DatasetsStep(
            datasets=[DatasetRows("feed", folder / "feed", Dataset(path="", role="data", model="fares",
                                                                   partition="date", label="late")),
                      DatasetRows("exam", folder / "exam.parquet", Dataset(path="", role="test", model="fares",
                                                                           label="late"))],
            champion_of=lambda _model: "1", baselines=baselines, profiles=ProfileTable(db),
            schemas=SchemaTable(db), measurements=self.measurements)

    def part(self, back: int, n: int = 2_000, **more: object) -> Path:
        folder = self.folder / "feed" / f"date={NOW - back * DAY:%Y-%m-%d}"
        folder.mkdir(parents=True)
        pq.write_table(rows(self.rng, n, **more), folder / "part.parquet")  # type: ignore[arg-type]
        return folder / "part.parquet"

    def newest(self, subject: str, name: str, column: str = "") -> Measurement:
        return next(m for m, _ in self.measurements.newest(subject=subject, name=name) if m.column == column)


@pytest.fixture
def sets(tmp_path: Path, db: OpsDb) -> Sets:
    return Sets(tmp_path, db)


def test_a_steady_feed_and_its_test_set_are_fine(sets: Sets):
    for back in range(9, 0, -1):
        sets.part(back)
    pq.write_table(rows(sets.rng, 4_000), sets.folder / "exam.parquet")
    sets.step.run(now=NOW)
    for name, column in (("volume", ""), ("schema", ""), ("missing_rate", "amount"), ("skew", "amount"),
                         ("label_drift", "label")):
        found = sets.newest("feed", name, column)
        assert (found.verdict, found.pipeline) == (Verdict.PASS, Pipeline.DATA), found.reason
    skew = sets.newest("fares", "test_set_skew", "amount")
    assert (skew.verdict, skew.pipeline) == (Verdict.PASS, Pipeline.VALIDATION), skew.reason
    assert sets.newest("fares", "test_set_drift", "amount").verdict is Verdict.INCONCLUSIVE  # nothing is served


def test_a_moved_test_set_fails_and_names_the_column(sets: Sets):
    pq.write_table(rows(sets.rng, 4_000, shift=0.6), sets.folder / "exam.parquet")
    sets.step.run(now=NOW)
    found = sets.newest("fares", "test_set_skew", "amount")
    assert found.verdict is Verdict.FAIL
    assert "amount moved" in found.reason
    assert sets.newest("fares", "test_set_skew", "city").verdict is Verdict.PASS


@pytest.fixture
def served(sets: Sets) -> Sets:
    """Live traffic of version 1, and a version 2 that is trained, fitted to other bins, and serves nothing."""
    other = fit_baseline(rows(sets.rng, 12_000, shift=0.1), features=["amount", "city"], label="late")
    sets.step.baselines.save(other.of_version("fares", "2"), now=NOW)
    baseline = sets.step.baselines.get("fares", "1")
    assert baseline is not None
    live = rows(sets.rng, 3_000)
    pq.write_table(live, sets.folder / "live.parquet")
    data = DatasetRows("live", sets.folder / "live.parquet", Dataset(path="", role="data"))
    hour = floor_to(NOW, HOUR) - HOUR
    counted = Counted(place=Place(model="fares", environment="production", version="1", variant="champion"),
                      bucket=TimeWindow(hour, hour + HOUR), profile=data.profile(data.parts(), baseline.layout))
    sets.step.profiles.replace_hours(baseline.layout, "fares", [counted.bucket], [counted],
                                     scope=Scope.WHOLE)
    return sets


def test_a_test_set_is_compared_with_live_traffic_in_the_bins_of_the_version_that_serves(served: Sets):
    pq.write_table(rows(served.rng, 4_000), served.folder / "exam.parquet")
    served.step.run(now=NOW)
    drift = served.newest("fares", "test_set_drift", "amount")
    assert (drift.verdict, drift.version, drift.n) == (Verdict.PASS, "1", 3_000), drift.reason
    assert served.newest("fares", "test_set_skew", "amount").version == "2"


def test_live_traffic_that_left_the_test_set_behind_fails_and_names_the_column(served: Sets):
    pq.write_table(rows(served.rng, 4_000, shift=0.8), served.folder / "exam.parquet")
    served.step.run(now=NOW)
    drift = served.newest("fares", "test_set_drift", "amount")
    assert drift.verdict is Verdict.FAIL
    assert "amount moved" in drift.reason
    assert "in the test set" in drift.reason
    assert served.newest("fares", "test_set_drift", "city").verdict is Verdict.PASS


def test_a_small_and_strange_new_part_fails_by_volume_values_and_label(sets: Sets):
    for back in range(9, 1, -1):
        sets.part(back)
    sets.part(1, n=300, city="lhr")
    sets.step.run(now=NOW)
    assert sets.newest("feed", "volume").verdict is Verdict.FAIL
    assert sets.newest("feed", "unseen_rate", "city").verdict is Verdict.FAIL


def test_what_somebody_accepts_or_expects_no_more_holds_for_data_sets_too(sets: Sets):
    for back in range(9, 1, -1):
        sets.part(back)
    sets.part(1, city="lhr")
    sets.step.run(now=NOW)
    assert sets.newest("feed", "unseen_rate", "city").verdict is Verdict.FAIL
    how = {"actor": AUTHOR, "reason": "a new city", "now": NOW}
    sets.step.schemas.accept("fares", "1", "city", "lhr", op_id="a", **how)
    sets.step.schemas.edit("fares", "1", Edit(column="amount", low=0.0), op_id="b", **how)
    sets.step.run(now=NOW)
    accepted, narrowed = (sets.newest("feed", name, column) for name, column in (
        ("unseen_rate", "city"), ("out_of_range_rate", "amount")))
    assert accepted.verdict is Verdict.PASS, accepted.reason
    assert narrowed.verdict is Verdict.FAIL, "half of the amounts are below 0"
    assert narrowed.value == pytest.approx(0.5, abs=0.05)


def test_an_unchanged_data_set_is_not_counted_again(sets: Sets):
    sets.part(1)
    first = sets.step.run(now=NOW)
    again = sets.step.run(now=NOW + timedelta(minutes=1))
    assert first != again
    assert again.startswith("1 measured")  # freshness alone moves with the clock


def test_a_data_set_that_cannot_be_read_is_named_and_the_others_are_measured(sets: Sets):
    sets.part(1).write_bytes(b"no parquet")
    pq.write_table(rows(sets.rng, 4_000), sets.folder / "exam.parquet")
    with pytest.raises(OpsError, match="feed"):
        sets.step.run(now=NOW)
    assert sets.newest("fares", "test_set_skew", "amount").verdict is Verdict.PASS


def test_a_file_that_goes_away_while_it_is_looked_at_is_named_and_the_others_are_measured(sets: Sets):
    gone = sets.part(1)
    pq.write_table(rows(sets.rng, 4_000), sets.folder / "exam.parquet")

    class Vanishing(DatasetRows):
        def parts(self):
            found = super().parts()
            gone.unlink()
            return found

    feed = Vanishing("feed", sets.folder / "feed", Dataset(path="", role="data", model="fares", partition="date"))
    with pytest.raises(OpsError, match=r"feed: .*part\.parquet is gone again"):
        replace(sets.step, datasets=[feed, *sets.step.datasets[1:]]).run(now=NOW)
    assert sets.newest("fares", "test_set_skew", "amount").verdict is Verdict.PASS


def test_a_path_that_is_no_pattern_and_a_name_that_is_no_text_are_named_and_the_others_are_measured(sets: Sets):
    odd = sets.folder / "odd"
    odd.mkdir()
    (odd / os.fsdecode(b"\xff.parquet")).touch()
    pq.write_table(rows(sets.rng, 4_000), sets.folder / "exam.parquet")
    bad = [DatasetRows(name, sets.folder / path, Dataset(path="", role="data", model="fares"))
           for name, path in (("stars", "a**b.parquet"), ("bytes", "odd"))]
    with pytest.raises(OpsError, match=r"stars cannot be listed: .* Check datasets\.stars\.path .*\(and 1 more"):
        replace(sets.step, datasets=[*bad, *sets.step.datasets]).run(now=NOW)
    assert sets.newest("fares", "test_set_skew", "amount").verdict is Verdict.PASS


def test_a_test_set_without_a_feature_shows_it_as_missing_and_not_as_fine(sets: Sets):
    pq.write_table(rows(sets.rng, 4_000).drop_columns(["city"]), sets.folder / "exam.parquet")
    sets.step.run(now=NOW)
    assert sets.newest("fares", "test_set_skew", "city").verdict is Verdict.FAIL


def test_nothing_written_yet_is_unsure(sets: Sets):
    replace(sets.step, seen={}).run(now=NOW)
    assert sets.newest("feed", "freshness").verdict is Verdict.INCONCLUSIVE
