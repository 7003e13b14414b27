"""Quota samples, limits and roll-ups, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.quota import quota_pool_rollups, quota_rollups, quota_samples
from services.adapters.quota_table import QuotaTable
from services.errors import SourceMalformed
from services.quota.pool import Limit, Sample

HOUR = datetime(2026, 3, 4, 10, tzinfo=UTC)


def samples(count=12, pipelines=("train", "serve")):
    return [
        Sample(ts=HOUR + timedelta(minutes=5 * i), pool="gpu", pipeline=name, used=float(j + 1), requested=3.0)
        for i in range(count) for j, name in enumerate(pipelines)
    ]


def rows(db: OpsDb, table):
    with db.read() as connection:
        return [dict(row._mapping) for row in connection.execute(table.select())]


def test_writing_the_same_samples_twice_changes_nothing(any_db):
    table = QuotaTable(any_db)
    table.write(samples())
    once = {t.name: rows(any_db, t) for t in (quota_samples, quota_rollups, quota_pool_rollups)}
    table.write(samples())
    assert {t.name: rows(any_db, t) for t in (quota_samples, quota_rollups, quota_pool_rollups)} == once
    assert len(once["quota_samples"]) == 24


def test_a_corrected_sample_reaches_its_hour_and_its_day(any_db):
    table = QuotaTable(any_db)
    given = samples()
    table.write(given)
    table.write([replace(given[0], used=13.0)])
    pools = {row["grain"]: row for row in rows(any_db, quota_pool_rollups)}
    assert pools["hour"]["used_hours"] == pools["day"]["used_hours"] == pytest.approx((12 * 3 + 12) / 12)
    assert pools["hour"]["used_max"] == pools["day"]["used_max"] == 15.0


def test_samples_written_without_their_roll_up_are_rolled_up_by_the_next_call(any_db):
    table = QuotaTable(any_db)
    table.write(samples(), roll_up=False)
    assert rows(any_db, quota_pool_rollups) == []
    assert table.roll_up() == 1
    assert table.roll_up() == 0
    assert len(rows(any_db, quota_pool_rollups)) == 2


def test_an_impossible_sample_is_refused_by_name_and_nothing_of_its_batch_is_written(any_db):
    table = QuotaTable(any_db)
    with pytest.raises(SourceMalformed, match="used = -1 is impossible"):
        table.write([*samples(), replace(samples()[0], used=-1.0)])
    assert rows(any_db, quota_samples) == []


def test_limits_are_kept_by_date(any_db):
    table = QuotaTable(any_db)
    early, late = (Limit(pool="gpu", since=HOUR + timedelta(days=d), value=v) for d, v in ((0, 8.0), (3, 16.0)))
    table.write_limits([late, early])
    table.write_limits([late])
    assert table.limits("gpu") == (early, late)
    assert table.pools() == ("gpu",)


def test_pruned_samples_leave_their_roll_ups(any_db):
    table = QuotaTable(any_db)
    table.write(samples())
    assert table.prune(samples_before=HOUR + timedelta(hours=1)) == 24
    assert len(rows(any_db, quota_pool_rollups)) == 2
