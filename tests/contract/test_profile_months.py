"""Months of counts: what a year is read from, and never staler than the days they are sums of."""

from datetime import UTC, datetime

import numpy as np
import pytest

from services.adapters.ops_db import OpsDb
from services.adapters.profile_table import ProfileTable
from services.core.window import DAY, HOUR, TimeWindow
from services.profiles.ports import Counted, Place
from services.profiles.profile import Layout, merged
from tests.unit.drift.conftest import amount_layout, profile, rows

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)
DAYS = [TimeWindow(START + k * DAY, START + (k + 1) * DAY) for k in range((NOW - START) // DAY)]
RNG = np.random.default_rng(2)
LAYOUT = amount_layout(RNG.normal(size=500))
PART = profile(LAYOUT, rows(RNG, 40))


def counted(bucket: TimeWindow, version: str = "1", slice_: str = "") -> Counted:
    place = Place(model="fares", version=version, environment="production", variant="champion", slice=slice_)
    return Counted(place=place, bucket=bucket, profile=PART)


@pytest.fixture
def table(any_db: OpsDb) -> ProfileTable:
    table = ProfileTable(any_db)
    table.replace_days(LAYOUT, "fares", DAYS, [counted(d, v, s) for d in DAYS for v, s in (("1", ""), ("1", "city=ams"),
                                                                                          ("2", ""))])
    return table


def read(table: ProfileTable, window: TimeWindow, layout: Layout = LAYOUT) -> list[Counted]:
    return table.cover(layout, window, model="fares", environment="production")


def test_a_span_of_months_is_read_from_their_sums_and_is_the_same_sum(table: ProfileTable) -> None:
    span = TimeWindow(START + 10 * DAY, NOW.replace(hour=0))
    by_days = merged(LAYOUT, (item.profile for item in read(table, span)))
    assert table.sum_months(LAYOUT, "fares", before=NOW) == 3
    found = read(table, span)
    # Of each version: 21 days of January, February, March, 9 days of April.
    assert len(found) == 2 * (21 + 2 + 9)
    assert sum(item.profile.rows for item in found) == by_days.rows == 2 * 40 * (len(DAYS) - 10)
    assert merged(LAYOUT, (item.profile for item in found)).counts.tolist() == by_days.counts.tolist()
    [month] = {item.bucket for item in found if item.bucket.length > 30 * DAY}
    assert month == TimeWindow(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def test_a_month_is_summed_once(table: ProfileTable) -> None:
    assert table.sum_months(LAYOUT, "fares", before=NOW) == 3
    assert table.sum_months(LAYOUT, "fares", before=NOW) == 0
    assert len(read(table, TimeWindow(START, START + 31 * DAY))) == 2


def test_a_late_hour_takes_the_sum_of_its_month_away_until_that_is_made_again(table: ProfileTable) -> None:
    table.sum_months(LAYOUT, "fares", before=NOW)
    january, february = (TimeWindow(datetime(2026, m, 1, tzinfo=UTC), datetime(2026, m + 1, 1, tzinfo=UTC))
                         for m in (1, 2))
    late = TimeWindow(START + 5 * DAY, START + 5 * DAY + HOUR)
    table.replace_hours(LAYOUT, "fares", [late], [counted(late), counted(late, "2")])
    assert len(read(table, january)) == 2 * 31
    assert len(read(table, february)) == 2
    before = sum(item.profile.rows for item in read(table, january))
    assert table.sum_months(LAYOUT, "fares", before=NOW) == 1
    assert [item.bucket for item in read(table, january)] == [january, january]
    assert sum(item.profile.rows for item in read(table, january)) == before


def test_a_slice_has_months_too(table: ProfileTable) -> None:
    table.sum_months(LAYOUT, "fares", before=NOW)
    found = table.cover(LAYOUT, TimeWindow(START, NOW.replace(hour=0)), model="fares", environment="production",
                        slice_="city=ams")
    assert len(found) == 3 + 9
    assert sum(item.profile.rows for item in found) == 40 * len(DAYS)
