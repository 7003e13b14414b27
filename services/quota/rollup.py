"""Roll samples up by hour and by day, so that a page never reads samples.

A moment at which the pool was sampled is a *tick*; a pipeline absent at a tick used nothing then. So the means of the
pipelines add up to the mean of the pool exactly, whatever the sampling interval. Hours without a tick are not zero:
they are missing, and `hours` counts those that are there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.core.window import DAY, HOUR, floor_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One sample inside one pool; series 0 is the pool itself as measured."""

    ts: datetime
    series: int
    used: float
    requested: float | None
    pending: float | None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRoll:
    """One series over one hour or day. `used_hours` is in unit-hours."""

    start: datetime
    series: int
    n: int
    used_hours: float
    used_max: float
    used_p95: float
    requested_hours: float | None
    requested_max: float | None
    pending_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRoll:
    """A whole pool over one hour or day. Unattributed is `used_hours - attributed_hours`, never below zero."""

    start: datetime
    ticks: int
    hours: float
    used_hours: float
    used_max: float
    used_p95: float
    requested_hours: float | None
    requested_max: float | None
    pending_max: float | None
    attributed_hours: float
    over_ticks: int
    origin: str


def by_hour(start: datetime, points: Sequence[Point]) -> tuple[PoolRoll, list[SeriesRoll]]:
    """Return the roll-up of one pool's hour; `points` is not empty.

    P95 is over the samples in which a series is present; of the pool, over all ticks.
    """
    ticks: dict[datetime, list[Point]] = defaultdict(list)
    series: dict[int, list[Point]] = defaultdict(list)
    for point in points:
        ticks[point.ts].append(point)
        if point.series:
            series[point.series].append(point)
    count = len(ticks)
    rolls = []
    for number, own in sorted(series.items()):
        used = [p.used for p in own]
        requested = [p.requested for p in own if p.requested is not None]
        rolls.append(SeriesRoll(
            start=start, series=number, n=len(own), used_hours=sum(used) / count, used_max=max(used),
            used_p95=_p95(used),
            requested_hours=sum(requested) / count if requested else None, requested_max=_max(requested),
            pending_max=_max([p.pending for p in own if p.pending is not None]),
        ))
    totals = [_tick(at) for at in ticks.values()]
    used = [t.used for t in totals]
    requested = [t.requested for t in totals if t.requested is not None]
    return PoolRoll(
        start=start, ticks=count, hours=1.0, used_hours=sum(used) / count, used_max=max(used), used_p95=_p95(used),
        requested_hours=sum(requested) / len(requested) if requested else None, requested_max=_max(requested),
        pending_max=_max([t.pending for t in totals if t.pending is not None]),
        attributed_hours=sum(t.attributed for t in totals) / count,
        # A thousandth of slack: two meters of one machine never agree to the last digit.
        over_ticks=sum(t.attributed > t.measured * 1.001 + 1e-9 for t in totals if t.measured is not None),
        origin=_one_origin({p.origin for p in points}),
    ), rolls


def by_day(
    start: datetime, pools: Sequence[PoolRoll], series: Sequence[SeriesRoll],
) -> tuple[PoolRoll, list[SeriesRoll]]:
    """Return the roll-up of a day from its hours.

    Unit-hours add, maxima are maxima; the day's P95 is that of its hours' maxima, an upper estimate that says how high
    a pipeline reaches without keeping a year of samples.
    """
    own: dict[int, list[SeriesRoll]] = defaultdict(list)
    for roll in series:
        own[roll.series].append(roll)
    rolls = [
        SeriesRoll(
            start=start, series=number, n=sum(h.n for h in hours), used_hours=sum(h.used_hours for h in hours),
            used_max=max(h.used_max for h in hours), used_p95=_p95([h.used_max for h in hours]),
            requested_hours=_sum([h.requested_hours for h in hours if h.requested_hours is not None]),
            requested_max=_max([h.requested_max for h in hours if h.requested_max is not None]),
            pending_max=_max([h.pending_max for h in hours if h.pending_max is not None]),
        )
        for number, hours in sorted(own.items())
    ]
    return PoolRoll(
        start=start, ticks=sum(h.ticks for h in pools), hours=sum(h.hours for h in pools),
        used_hours=sum(h.used_hours for h in pools), used_max=max(h.used_max for h in pools),
        used_p95=_p95([h.used_max for h in pools]),
        requested_hours=_sum([h.requested_hours for h in pools if h.requested_hours is not None]),
        requested_max=_max([h.requested_max for h in pools if h.requested_max is not None]),
        pending_max=_max([h.pending_max for h in pools if h.pending_max is not None]),
        attributed_hours=sum(h.attributed_hours for h in pools), over_ticks=sum(h.over_ticks for h in pools),
        origin=_one_origin({h.origin for h in pools}),
    ), rolls


def hour_of(moment: datetime) -> datetime:
    """Return the start of the UTC hour."""
    return floor_to(moment, HOUR)


def day_of(moment: datetime) -> datetime:
    """Return the start of the UTC day."""
    return floor_to(moment, DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tick:
    used: float
    attributed: float
    measured: float | None
    requested: float | None
    pending: float | None


def _tick(points: Sequence[Point]) -> _Tick:
    """Return a moment's totals: what the pool's own meter says, else what its pipelines add up to."""
    own = next((p for p in points if not p.series), None)
    members = [p for p in points if p.series]
    attributed = sum(p.used for p in members)
    # A meter that says less than its parts cannot be the whole: the parts count, and the moment is marked as over.
    used = max(own.used, attributed) if own else attributed
    requested = [p.requested for p in members if p.requested is not None]
    pending = [p.pending for p in members if p.pending is not None]
    return _Tick(
        used=used, attributed=attributed, measured=own.used if own else None,
        requested=own.requested if own and own.requested is not None else _sum(requested),
        pending=own.pending if own and own.pending is not None else _sum(pending),
    )


def _p95(values: Sequence[float]) -> float:
    """Return the 95th percentile, interpolated as numpy does; plain Python, because a call holds a dozen values."""
    ordered = sorted(values)
    place = 0.95 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _max(values: Sequence[float]) -> float | None:
    return max(values) if values else None


def _sum(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


def _one_origin(origins: set[str]) -> str:
    return origins.pop() if len(origins) == 1 else "mixed"
