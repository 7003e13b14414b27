"""What was asked of a model in one hour, and how much is usual at that hour of the week.

Shadow answers are kept apart: users never got them, so they count neither as volume nor as latency or outage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.core.window import HOUR, WEEK, TimeWindow, floor_to
from services.serving.latency import Latency

WEEKS: Final = 4
HISTORY: Final = WEEKS * WEEK + 2 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One hour of one version's answers to one environment. `errors` maps the error's class to its number.

    `busiest_second` and `busiest_minute` are of the whole environment: requests that users sent to all its versions in
    the hour's busiest one. None where they were not counted, or where the log's times are whole minutes.
    """

    model: str
    environment: str
    version: str
    variant: str
    hour: datetime
    rows: int
    failed: int = 0
    timeouts: int = 0
    duplicates: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    latency: Latency = field(default_factory=Latency.empty)
    busiest_second: int | None = None
    busiest_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Busiest:
    """How many requests arrived in the busiest hour, minute and second of several hours of one environment.

    Second and minute are None where no hour was counted by the second; `counted` of `hours` were.
    """

    hour: int
    minute: int | None
    second: int | None
    hours: int
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Several hours together."""

    rows: int
    failed: int
    timeouts: int
    duplicates: int
    errors: Mapping[str, int]
    last: datetime | None
    latency: Latency


def total(hours: Iterable[Traffic]) -> Volume:
    """Return the sum of any hours; of none, nothing at all."""
    rows = failed = timeouts = duplicates = 0
    errors: dict[str, int] = {}
    last: datetime | None = None
    latency = Latency.empty()
    for hour in hours:
        rows, failed = rows + hour.rows, failed + hour.failed
        timeouts, duplicates = timeouts + hour.timeouts, duplicates + hour.duplicates
        for kind, number in hour.errors.items():
            errors[kind] = errors.get(kind, 0) + number
        if hour.last is not None:
            last = hour.last if last is None else max(last, hour.last)
        latency = latency.merge(hour.latency)
    return Volume(rows=rows, failed=failed, timeouts=timeouts, duplicates=duplicates, errors=errors, last=last,
                  latency=latency)


def busiest(hours: Iterable[Traffic]) -> Busiest:
    """Return the busiest hour, minute and second of any hours of one environment; of none, nothing at all."""
    rows: dict[datetime, int] = {}
    seconds: dict[datetime, int] = {}
    minutes: list[int] = []
    for hour in hours:
        rows[hour.hour] = rows.get(hour.hour, 0) + hour.rows
        if hour.busiest_second is not None:
            seconds[hour.hour] = max(seconds.get(hour.hour, 0), hour.busiest_second)
        if hour.busiest_minute is not None:
            minutes.append(hour.busiest_minute)
    return Busiest(hour=max(rows.values(), default=0), minute=max(minutes, default=None),
                   second=max(seconds.values(), default=None), hours=len(rows), counted=len(seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How many predictions each past hour had, to say how many a span should have."""

    rows: Mapping[datetime, int]  # hour -> predictions, shadow left out
    since: datetime | None  # the first hour with a prediction; None: there never was one

    def expected(self, span: TimeWindow) -> float | None:
        """Return how many predictions are usual in a span: the mean of the same hours of the last four weeks.

        An hour without a row counts as zero, but only from the first prediction on. None where no week is known.
        Ragged ends count by their share of the hour.
        """
        if self.since is None or self.since > span.start - WEEK:
            return None
        whole = 0.0
        for hour in span.buckets(HOUR):
            inside = min(span.end, hour.end) - max(span.start, hour.start)
            weeks = [hour.start - k * WEEK for k in range(1, WEEKS + 1) if hour.start - k * WEEK >= self.since]
            if weeks:
                whole += sum(self.rows.get(week, 0) for week in weeks) / len(weeks) * (inside / HOUR)
        return whole

    def count(self, span: TimeWindow) -> int:
        """Return how many predictions a span of whole hours had."""
        return sum(self.rows.get(hour.start, 0) for hour in span.buckets(HOUR))


def usual(hours: Iterable[Traffic]) -> Usual:
    """Return the volume per hour of what users got."""
    rows: dict[datetime, int] = {}
    for hour in hours:
        rows[hour.hour] = rows.get(hour.hour, 0) + hour.rows
    there = [hour for hour, number in rows.items() if number]
    return Usual(rows=rows, since=min(there) if there else None)


def closed(now: datetime, span: timedelta) -> TimeWindow:
    """Return the window of `span` up to the last hour that has ended."""
    return TimeWindow.last(span, now=floor_to(now, HOUR))
