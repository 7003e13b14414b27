"""Roll-ups of random samples reconcile with the samples, by hour and by day."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quota.rollup import Point, by_day, by_hour

HOUR = datetime(2026, 3, 4, 15, tzinfo=UTC)


def point(minute, series, used, requested=None):
    return Point(ts=HOUR + timedelta(minutes=minute), series=series, used=used, requested=requested, pending=None,
                 origin="real")


@given(st.dictionaries(st.tuples(st.integers(0, 59), st.integers(0, 4)), st.floats(0, 1e4), min_size=1))
def test_pipelines_and_unattributed_add_up_to_the_pool(points):
    pool, series = by_hour(HOUR, [point(minute, number, used) for (minute, number), used in points.items()])
    attributed = sum(s.used_hours for s in series)
    assert attributed == pytest.approx(pool.attributed_hours, rel=1e-9, abs=1e-9)
    assert pool.used_hours >= pool.attributed_hours - 1e-9
    day, days = by_day(HOUR.replace(hour=0), [pool, pool], [*series, *series])
    assert day.used_hours == pytest.approx(2 * pool.used_hours)
    assert sum(s.used_hours for s in days) == pytest.approx(2 * attributed)


def test_a_pipeline_absent_at_a_tick_used_nothing_then():
    pool, series = by_hour(HOUR, [point(0, 1, 8.0), point(0, 2, 4.0), point(30, 1, 8.0)])
    assert [s.used_hours for s in series] == [8.0, 2.0]
    assert (pool.ticks, pool.used_hours, pool.used_max) == (2, 10.0, 12.0)


def test_moments_at_which_the_meter_shows_less_than_its_parts_are_counted():
    pool, _ = by_hour(HOUR, [point(0, 0, 5.0), point(0, 1, 8.0), point(5, 0, 9.0), point(5, 1, 8.0)])
    assert pool.over_ticks == 1
    assert pool.used_hours == (8.0 + 9.0) / 2


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60))
def test_p95_is_numpys(values):
    _, series = by_hour(HOUR, [point(i, 1, value) for i, value in enumerate(values)])
    assert series[0].used_p95 == pytest.approx(np.percentile(values, 95), rel=1e-9, abs=1e-9)


def test_an_undeclared_request_is_not_zero():
    pool, series = by_hour(HOUR, [point(0, 1, 1.0), point(0, 2, 1.0, 4.0)])
    assert [s.requested_hours for s in series] == [None, 4.0]
    assert pool.requested_hours == 4.0
