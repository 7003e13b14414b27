"""Decide which buckets of which bins are due to be counted. Counting and storing are the monitor's step.

Hours are kept for HOURS_KEPT, which covers a month's page and four seasonal weeks; older counts are kept by day. The
rows of every version are counted in the bins of each version that serves, from LOOK_BACK before its first row until
LOOK_BACK after its last: so drift can look back over a promotion, in the newest version's bins. A slice keeps its hours
for SLICE_HOURS_KEPT only: there are many slices, and what looks further back at one looks by days.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.predictions.ledger import LogFile

HOURS_KEPT: Final = timedelta(days=36)
SLICE_HOURS_KEPT: Final = timedelta(days=4)
LOOK_BACK: Final = timedelta(days=36)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What to count again in one set of bins: hours that are kept as hours, and whole days that are not.

    `hours` and `sliced_days` are the same time: all rows together by the hour, the slices by the day. `sliced_hours`
    are recent enough that slices are kept by the hour too. `days` are too old for hours, slices or not.
    """

    hours: tuple[TimeWindow, ...]
    days: tuple[TimeWindow, ...]
    sliced_hours: tuple[TimeWindow, ...]
    sliced_days: tuple[TimeWindow, ...]

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return self.buckets > 0

    @property
    def buckets(self) -> int:
        """How many buckets of all rows together there are."""
        return len(self.hours) + len(self.sliced_hours) + len(self.days)


def served(files: Iterable[LogFile]) -> dict[str, TimeWindow]:
    """Return version to the span from its first file to its last, as far as the ledger tells."""
    spans: dict[str, TimeWindow] = {}
    for file in files:
        if file.first is None or file.last is None:
            continue
        for version in file.versions:
            old = spans.get(version)
            spans[version] = TimeWindow(min(file.first, old.start) if old else file.first,
                                        max(file.last, old.end) if old else file.last)
    return spans


def due(
    touched: Iterable[TimeWindow], *, span: TimeWindow, since: datetime | None, log: TimeWindow, now: datetime
) -> Due:
    """Return what to count in the bins of a version that served during `span`.

    Args:
        touched: hours in which rows came or went.
        span: when the versions of these bins served.
        since: from when on these bins are counted already; None when never, then everything is due.
        log: the span of the whole log.
        now: the time of the pass.
    """
    kept = floor_to(now - HOURS_KEPT, DAY)
    reach = TimeWindow(span.start - LOOK_BACK, span.end + LOOK_BACK)
    if since is None:
        if reach.end < now:
            reach = span  # it retired before we first saw it: nobody compares across its promotion any more
        first, last = max(reach.start, log.start), min(reach.end, log.end)
        hours = list(TimeWindow(floor_to(first, HOUR), last + timedelta(microseconds=1)).buckets(HOUR))
    else:
        hours = [hour for hour in touched if hour.start < reach.end and hour.end > reach.start]
    slices_kept = floor_to(now - SLICE_HOURS_KEPT, DAY)
    recent = tuple(hour for hour in hours if hour.start >= kept)
    return Due(
        hours=tuple(hour for hour in recent if hour.start < slices_kept),
        days=_days(hour for hour in hours if hour.start < kept),
        sliced_hours=tuple(hour for hour in recent if hour.start >= slices_kept),
        sliced_days=_days(hour for hour in recent if hour.start < slices_kept),
    )


def _days(hours: Iterable[TimeWindow]) -> tuple[TimeWindow, ...]:
    return tuple(TimeWindow(day, day + DAY) for day in sorted({floor_to(hour.start, DAY) for hour in hours}))


def runs_of(buckets: Iterable[TimeWindow], *, longest: timedelta) -> list[list[TimeWindow]]:
    """Return the buckets gathered into runs without gaps, each at most `longest`: one scan for each run."""
    runs: list[list[TimeWindow]] = []
    for bucket in sorted(buckets, key=lambda b: b.start):
        if runs and runs[-1][-1].end == bucket.start and bucket.end - runs[-1][0].start <= longest:
            runs[-1].append(bucket)
        else:
            runs.append([bucket])
    return runs


def by_edges(versions: Mapping[str, TimeWindow], edges: Mapping[str, str]) -> dict[str, TimeWindow]:
    """Return bins' id to the span in which any version with these bins served; versions without bins are left out."""
    spans: dict[str, TimeWindow] = {}
    for version, span in versions.items():
        if version not in edges:
            continue
        old = spans.get(edges[version])
        spans[edges[version]] = TimeWindow(min(span.start, old.start), max(span.end, old.end)) if old else span
    return spans
