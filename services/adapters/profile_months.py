"""Months of profiles: sums of the days of a month that is over, so that a year is read as a dozen rows.

A month is dropped in the transaction that changes one of its days, and made again later: one that is there is right.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select

from services.adapters.ops_tables.profiles import profiles
from services.core.window import DAY, TimeWindow

MONTH: Final = "month"


def month_of(moment: datetime) -> TimeWindow:
    """Return the calendar month in UTC that holds a moment."""
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return TimeWindow(start, (start + 31 * DAY).replace(day=1))


def drop(connection: Any, model: str, edges: str, days: Iterable[datetime]) -> None:
    """Forget the months of days that change."""
    starts = {month_of(day).start for day in days}
    connection.execute(delete(profiles).where(profiles.c.model == model, profiles.c.edges == edges,
                                              profiles.c.grain == MONTH, profiles.c.bucket.in_(starts)))


def summed(connection: Any, model: str, edges: str, window: TimeWindow) -> set[datetime]:
    """Return the starts of the months in a window whose sums are there."""
    query = select(profiles.c.bucket).distinct().where(
        profiles.c.model == model, profiles.c.edges == edges, profiles.c.grain == MONTH,
        profiles.c.bucket >= window.start, profiles.c.bucket < window.end)
    return set(connection.execute(query).scalars())


def due(connection: Any, model: str, edges: str, *, before: datetime) -> list[TimeWindow]:
    """Return the months that are over, have days, and have no sum yet."""
    query = select(profiles.c.bucket).distinct().where(
        profiles.c.model == model, profiles.c.edges == edges, profiles.c.grain == "day")
    months = {month_of(day) for day in connection.execute(query).scalars()}
    over = sorted((month for month in months if month.end <= before), key=lambda month: month.start)
    if not over:
        return []
    there = summed(connection, model, edges, TimeWindow(over[0].start, over[-1].end))
    return [month for month in over if month.start not in there]


def parts(window: TimeWindow, months: set[datetime]) -> Iterator[tuple[TimeWindow, str]]:
    """Yield what makes up a window of whole days: months whose sums are there, and the days between them."""
    start = at = window.start
    while at < window.end:
        month = month_of(at)
        if at == month.start and month.end <= window.end and at in months:
            if start < at:
                yield TimeWindow(start, at), "day"
            yield month, MONTH
            start = month.end
        at = month.end
    if start < window.end:
        yield TimeWindow(start, window.end), "day"

