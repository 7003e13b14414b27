"""What every pipeline needs of a pool: by name where it matters, the many small ones together, none lost."""

from datetime import timedelta

import pytest

from services.adapters.quota_table import QuotaTable
from services.core.window import DAY, HOUR
from services.quota.loads import Planned, loads
from services.quota.pool import Pool, Sample

POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs")


def needs(db, now, used, planned=()):
    table = QuotaTable(db)
    table.write(Sample(ts=now - HOUR * back, pool="gpu-a100", pipeline=name, kind="training", used=value)
                for back in range(7 * 24) for name, value in used.items())
    return {x.pipeline: x for x in loads(POOL, planned, table, {"nightly": 2 * HOUR}, now=now + DAY)}


def test_a_measured_pipeline_is_known_by_hour_of_the_week(db, now):
    found = needs(db, now, {"train": 8.0})
    assert (found["train"].peak, found["train"].source, len(found["train"].by_hour)) == (8.0, "measured", 168)


def test_many_small_pipelines_are_one_load_and_none_is_lost(db, now):
    found = needs(db, now, {f"p{i:02}": 20.0 - i for i in range(15)})
    assert len(found) == 9
    assert found["other pipelines"].peak == pytest.approx(sum(20.0 - i for i in range(8, 15)))
    assert sum(x.peak for x in found.values()) == pytest.approx(sum(20.0 - i for i in range(15)))


def test_what_is_scheduled_counts_by_its_schedule_and_not_among_the_others_again(db, now):
    planned = [Planned(name="nightly", kind="training", pool="gpu-a100", schedule="0 2 * * *")]
    found = needs(db, now, {"nightly": 30.0, **{f"p{i:02}": 2.0 for i in range(12)}}, planned)
    assert (found["nightly"].peak, found["nightly"].length) == (30.0, timedelta(hours=2))
    assert found["other pipelines"].peak == pytest.approx(8.0)


def test_what_was_declared_and_never_ran_is_taken_at_its_word(db, now):
    planned = [Planned(name="new", kind="training", pool="gpu-a100", schedule="0 3 * * *", request=16.0)]
    found = needs(db, now, {"train": 1.0}, planned)
    assert (found["new"].peak, found["new"].source) == (16.0, "declared")
