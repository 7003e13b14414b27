"""Move 2013 to today: the whole number of weeks that makes *now* fall into the week of 27 November 2013.

Arithmetic is on New York wall-clock time and only then in UTC, so that a flight of Monday 07:15 stays a flight of
Monday 07:15 although daylight saving may have begun or ended in between. Nothing here reads the data.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
WEEK_OF_NOW: Final = date(2013, 11, 27)  # a Wednesday; the week runs to Tuesday 3 December
LAST_DAY: Final = date(2013, 12, 30)  # the last day that has weather


def weeks_to(now: datetime) -> int:
    """Return by how many weeks 2013 is moved so that `now` falls on 27 November to 3 December 2013."""
    return (now.astimezone(NEW_YORK).date() - WEEK_OF_NOW).days // 7


def to_utc(local: datetime, *, weeks: int) -> datetime:
    """Return a naive New York time of 2013 as the aware time it is replayed at, keeping day of week and hour.

    An hour that the spring change skips is read as the hour after it, one that autumn repeats as its first pass.
    """
    return (local + timedelta(weeks=weeks)).replace(tzinfo=NEW_YORK).astimezone(UTC)


def to_2013(moment: datetime, *, weeks: int) -> datetime:
    """Return the naive New York time of 2013 that `moment` replays."""
    return moment.astimezone(NEW_YORK).replace(tzinfo=None) - timedelta(weeks=weeks)


def data_ends(*, weeks: int) -> datetime:
    """Return when the replay runs out of flights: the midnight after the last day."""
    return to_utc(datetime.combine(LAST_DAY, datetime.min.time()) + timedelta(days=1), weeks=weeks)
