"""Spans of time and the buckets they divide into. All times are aware and in UTC.

Which window a page shows is the page's business; the clock is always the caller's argument.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Self

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(weeks=1)

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_span(text: str) -> timedelta:
    """Return the length that a text such as `15m`, `24h`, `30d` or `1w` names.

    Raises:
        ValueError: the text is not a positive whole number and one of s, m, h, d, w.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([smhdw])\s*", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a length of time: write for example 15m, 24h, 30d or 1w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def span_text(span: timedelta) -> str:
    """Return a length as people read it: `40 s`, `21 min`, `3 h`, `2 d`; at most two units."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    days, hours = divmod(seconds // 3600, 24)
    return f"{days} d {hours} h" if hours and days < 3 else f"{days} d"


def floor_to(moment: datetime, span: timedelta) -> datetime:
    """Return the start of the bucket of length `span`, counted from 1970-01-01 UTC, that holds `moment`.

    Weeks counted so would begin on a Thursday; nothing here buckets by week.
    """
    seconds = int(span.total_seconds())
    stamp = int(moment.timestamp())
    return datetime.fromtimestamp(stamp - stamp % seconds, tz=UTC)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A half-open span [start, end) in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse naive times and windows that end before they begin."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs times with a zone")
        if self.end < self.start:
            raise ValueError(f"a window cannot end ({self.end}) before it begins ({self.start})")

    @classmethod
    def last(cls, span: timedelta, *, now: datetime) -> Self:
        """Return the window of length `span` that ends at `now`."""
        return cls(now - span, now)

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    def __contains__(self, moment: datetime) -> bool:
        """Tell whether `moment` lies in [start, end)."""
        return self.start <= moment < self.end

    def shifted(self, by: timedelta) -> "TimeWindow":
        """Return the window moved by `by`."""
        return TimeWindow(self.start + by, self.end + by)

    def weeks_before(self, weeks: int, zone: tzinfo) -> "TimeWindow":
        """Return the same hours so many weeks before by the clock of `zone`, which may have been changed since."""
        return TimeWindow(*(
            (moment.astimezone(zone).replace(tzinfo=None) - weeks * WEEK).replace(tzinfo=zone).astimezone(UTC)
            for moment in (self.start, self.end)))

    def buckets(self, span: timedelta) -> Iterator["TimeWindow"]:
        """Yield the whole buckets of length `span` that touch the window, oldest first."""
        start = floor_to(self.start, span)
        while start < self.end:
            yield TimeWindow(start, start + span)
            start += span
