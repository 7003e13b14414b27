"""Moving 2013 to today keeps the hour of the week, by a whole number of weeks."""

# ruff: noqa: DTZ001 -- New York's wall clock is naive, and it is the subject here

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.demo.shift import NEW_YORK, data_ends, to_2013, to_utc, weeks_to

NOWS = st.datetimes(datetime(2014, 1, 1), datetime(2060, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
LOCALS = st.datetimes(datetime(2013, 1, 1), datetime(2013, 12, 30))


@given(NOWS)
def test_now_falls_in_the_week_of_27_november(now: datetime) -> None:
    day = to_2013(now, weeks=weeks_to(now)).date()
    assert date(2013, 11, 27) <= day <= date(2013, 12, 3)


@given(NOWS)
def test_the_day_of_the_week_and_the_clock_of_now_are_kept(now: datetime) -> None:
    local = now.astimezone(NEW_YORK)
    then = to_2013(now, weeks=weeks_to(now))
    assert (then.weekday(), then.time()) == (local.weekday(), local.time())


@given(LOCALS, NOWS)
def test_a_flight_keeps_its_hour_of_the_week_in_new_york(local: datetime, now: datetime) -> None:
    moved = to_utc(local, weeks=weeks_to(now)).astimezone(NEW_YORK)
    skipped = moved.utcoffset() != (moved - timedelta(hours=3)).utcoffset()  # the night of a change of the clock
    assert moved.weekday() == local.weekday()
    assert skipped or (moved.hour, moved.minute) == (local.hour, local.minute)


def test_daylight_saving_in_between_does_not_move_the_wall_clock() -> None:
    # 2 July 2013 was in daylight saving; 25 weeks on it is December.
    moved = to_utc(datetime(2013, 7, 2, 7, 15), weeks=25)
    assert moved == datetime(2013, 12, 24, 12, 15, tzinfo=UTC)


def test_a_known_now_is_moved_by_hand() -> None:
    now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # Monday evening in New York
    assert weeks_to(now) == 677
    assert to_2013(now, weeks=677) == datetime(2013, 12, 2, 21, 0)


@pytest.mark.parametrize("day", range(7))
def test_there_are_four_weeks_of_flights_left(day: int) -> None:
    now = datetime(2026, 3, 4, 15, tzinfo=UTC) + timedelta(days=day)
    left = data_ends(weeks=weeks_to(now)) - now
    assert timedelta(days=27) <= left <= timedelta(days=34)
