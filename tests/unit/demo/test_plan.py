"""The timetable of the seeded past has no gap, no overlap and nothing in the future."""

# ruff: noqa: DTZ001 -- New York's wall clock is naive, and it is the subject here

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.demo.plan import SERVED_FAST, timetable
from services.demo.shift import to_2013, weeks_to

NOWS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


@given(NOWS, st.booleans())
def test_one_version_follows_another_without_a_gap(now: datetime, fast: bool) -> None:
    served = [v for v in timetable(now, weeks=weeks_to(now), fast=fast).versions if v.serves]
    assert [a.until for a in served[:-1]] == [b.since for b in served[1:]]
    assert served[-1].until is None
    assert len(served) >= 2


@given(NOWS, st.booleans())
def test_nothing_is_trained_in_the_future(now: datetime, fast: bool) -> None:
    table = timetable(now, weeks=weeks_to(now), fast=fast)
    moments = [*(v.cut for v in table.versions), *table.refreshes, *table.ingests, table.serving_from]
    assert max(moments) < now


@given(NOWS)
def test_fast_serves_the_last_six_weeks_from_its_first_version(now: datetime) -> None:
    table = timetable(now, weeks=weeks_to(now), fast=True)
    assert timedelta(days=40) < now - table.serving_from <= SERVED_FAST
    assert table.serving_from >= table.versions[0].since


@given(NOWS, st.booleans())
def test_a_version_serves_only_after_it_was_trained(now: datetime, fast: bool) -> None:
    assert all(v.cut < v.since for v in timetable(now, weeks=weeks_to(now), fast=fast).versions if v.serves)


def test_the_full_demo_serves_from_february() -> None:
    now = datetime(2026, 3, 4, 15, tzinfo=UTC)
    table = timetable(now, weeks=weeks_to(now), fast=False)
    assert to_2013(table.serving_from, weeks=table.weeks) == datetime(2013, 2, 1, 10)
    assert len(table.versions) == 11


@pytest.mark.parametrize("fast", [True, False])
def test_the_candidate_never_served(fast: bool) -> None:
    table = timetable(datetime(2026, 3, 4, 15, tzinfo=UTC), weeks=639, fast=fast)
    assert table.candidate.cut > table.champion.cut
    assert not table.candidate.serves
