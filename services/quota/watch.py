"""Judge a pool: how full it is, how full its requests are, and how fast its use grows.

A level is held for 15 minutes before it counts and is left 5 points lower, so that a pool that breathes around 90%
is said once. Errant pipelines are in errant.py, dates in forecast.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import HOUR, TimeWindow, span_text
from services.quota.attribution import Standing
from services.quota.pool import Pool
from services.quota.ports import Tick

LEVELS: Final = (75.0, 90.0, 100.0)  # notice, warning, critical
HOLD: Final = timedelta(minutes=15)
CLEAR_POINTS: Final = 5.0
FRESH: Final = timedelta(minutes=15)
LOOK_BACK: Final = timedelta(hours=6)
_STEEP_HOURS: Final = 1.0


def level(points: Sequence[tuple[datetime, float]], *, hold: timedelta = HOLD) -> float:
    """Return the highest of 75, 90, 100 that stands at the last point, or 0.

    Args:
        points: time and percentage, oldest first.
        hold: how long a level must have been reached at every point before it counts.

    Replaying the points gives the same answer after a restart as without one. A stretch counts from its first point:
    a pool first seen at 95% is at no level until it has been watched for `hold`.
    """
    standing = 0.0
    reached: dict[float, datetime] = {}
    for at, pct in points:
        for line in LEVELS:
            if pct >= line:
                reached.setdefault(line, at)
            else:
                reached.pop(line, None)
        held = max((line for line, since in reached.items() if at - since >= hold), default=0.0)
        if held > standing:
            standing = held
        elif pct < standing - CLEAR_POINTS:
            standing = max((line for line in LEVELS if line < standing and pct >= line - CLEAR_POINTS), default=0.0)
    return standing


def measure(now_held: Standing | None, ticks: Sequence[Tick], *, pool: Pool, limit: float,
            now: datetime) -> list[Measurement]:
    """Return `pool_used_pct`, `pool_requested_pct` (where anything is requested) and `usage_rate` of one pool."""
    window = TimeWindow.last(LOOK_BACK, now=now)
    if now_held is None or not ticks:
        reason = f"no sample of {pool.name} in the last {span_text(FRESH)}: see its source on the System page"
        return [Measurement(name=name, pipeline=Pipeline.QUOTA, subject=pool.name, window=window, at=now,
                            verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA if not ticks else Why.LATE, reason=reason)
                for name in ("pool_used_pct", "usage_rate")]
    found = [_used(now_held, ticks, limit=limit, window=window, now=now)]
    if now_held.requested is not None:
        found.append(_requested(now_held, ticks, limit=limit, window=window, now=now))
    return [*found, rate(now_held, ticks, limit=limit, window=window, now=now)]


def amount(value: float, unit: str) -> str:
    """Return an amount as people read it, such as `12 GPUs`, `1 GPU` or `3.4 GiB`."""
    text = f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"


def _used(held: Standing, ticks: Sequence[Tick], *, limit: float, window: TimeWindow, now: datetime) -> Measurement:
    standing = level([(t.ts, 100 * t.used / limit) for t in ticks])
    most = held.shares[0] if held.shares and held.shares[0].used else None
    top = f"; most by {most.pipeline} ({amount(most.used, held.pool.unit)})" if most else ""
    reason = (f"{held.pool.name} has {amount(held.used, held.pool.unit)} of {amount(limit, held.pool.unit)} in use "
              f"({held.used_pct:.0f}%){_said(standing, held.used_pct)}{top}")
    if held.used > limit:
        reason += "; the limit lies below what is in use"
    if held.over_attributed:
        reason += (f"; its pipelines add up to {amount(held.over_attributed, held.pool.unit)} more than its own meter: "
                   "one is counted twice or in another unit")
    verdict = Verdict.WARN if held.over_attributed and standing < LEVELS[2] else _verdict(standing)
    return Measurement(
        name="pool_used_pct", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now, verdict=verdict,
        reason=reason, value=held.used_pct, unit="%", n=len(ticks),
        detail={"limit": limit, "used": held.used, "unattributed": held.unattributed, "level": standing,
                "unit": held.pool.unit, "origin": held.origin, "unallocated": held.unallocated},
    )


def _requested(
    held: Standing, ticks: Sequence[Tick], *, limit: float, window: TimeWindow, now: datetime,
) -> Measurement:
    requested = held.requested or 0.0
    standing = level([(t.ts, 100 * t.requested / limit) for t in ticks if t.requested is not None])
    reason = (f"{held.pool.name} has {amount(requested, held.pool.unit)} of {amount(limit, held.pool.unit)} requested "
              f"({100 * requested / limit:.0f}%){_said(standing, 100 * requested / limit)}, "
              f"{amount(held.held_idle, held.pool.unit)} of it idle")
    if requested > limit:
        reason += "; requests overcommit the pool"
    return Measurement(
        name="pool_requested_pct", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
        # A scheduler refuses on requests, yet nothing is refused while nothing waits: full of requests is a warning.
        verdict=Verdict.FAIL if standing >= LEVELS[2] and held.pending else min_warn(standing), reason=reason,
        value=100 * requested / limit, unit="%", n=len(ticks),
        detail={"limit": limit, "requested": requested, "pending": held.pending, "level": standing},
    )


def rate(held: Standing, ticks: Sequence[Tick], *, limit: float, window: TimeWindow, now: datetime) -> Measurement:
    """Return how fast a pool's use grows: the mean of the last hour against the hour before, per hour.

    It warns when the pool is at 75% or more and would be full within an hour at this pace: a slope alone is no news.
    """
    last = [t.used for t in ticks if t.ts > now - HOUR]
    before = [t.used for t in ticks if now - 2 * HOUR < t.ts <= now - HOUR]
    if len(last) < 3 or len(before) < 3:
        return Measurement(
            name="usage_rate", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
            verdict=Verdict.INCONCLUSIVE, why=Why.TOO_FEW, n=len(last) + len(before),
            reason=f"no rate yet: {len(last)} samples in the last hour, {len(before)} before, 3 needed in each")
    slope = sum(last) / len(last) - sum(before) / len(before)
    unit = held.pool.unit
    left = (limit - held.used) / slope if slope > 0 else float("inf")
    steep = held.used_pct >= LEVELS[0] and left <= _STEEP_HOURS
    word = f"up {amount(slope, unit)}" if slope >= 0 else f"down {amount(-slope, unit)}"
    reason = f"use of {held.pool.name} is {word} on the hour before, at {held.used_pct:.0f}% of its limit"
    if steep:
        reason += f": full in {span_text(HOUR * max(0.0, left))} at this pace"
    return Measurement(
        name="usage_rate", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
        verdict=Verdict.WARN if steep else Verdict.PASS, reason=reason, value=slope, unit=f"{unit}/h",
        n=len(last) + len(before), detail={"limit": limit, "used": held.used},
    )


def pipeline_rate(
    pipeline: str, hours: Sequence[float], *, pool: Pool, limit: float, now: datetime, environment: str = "",
) -> Measurement:
    """Return how much of a pool a data pipeline used in the last whole hour against its usual hour.

    Args:
        pipeline: its name, which becomes the measurement's column.
        hours: its mean use per hour, oldest first, the last one being judged; zeros where it was absent.
        pool: the pool, for its unit.
        limit: the pool's limit, against which an excess must matter.
        now: when it is asked.
        environment: where it runs.
    """
    usual = [h for h in hours[:-1] if h > 0]
    window = TimeWindow(now - HOUR * max(1, len(hours)), now)
    last = hours[-1] if hours else 0.0
    unit = f"{pool.unit_hours} per hour"
    found = Measurement(
        name="usage_rate", pipeline=Pipeline.DATA, subject=pool.name, column=pipeline, environment=environment,
        window=window, at=now, n=len(usual), value=last, unit=unit, verdict=Verdict.INCONCLUSIVE, why=Why.TOO_FEW,
        reason=f"{pipeline} ran in {len(usual)} earlier hours: its usual rate needs 12")
    if len(usual) < 12:
        return found
    middle, high = median(usual), sorted(usual)[int(0.95 * (len(usual) - 1))]
    fast = last > 1.5 * high and last - high > 0.05 * limit
    return replace(
        found, verdict=Verdict.WARN if fast else Verdict.PASS, why=Why.NONE,
        reason=f"{pipeline} used {last:.3g} {unit}, usually {middle:.3g} (95% of its hours below {high:.3g})")


def min_warn(standing: float) -> Verdict:
    """Return a warning for any level that stands."""
    return Verdict.WARN if standing else Verdict.PASS


def _verdict(standing: float) -> Verdict:
    return Verdict.FAIL if standing >= LEVELS[2] else min_warn(standing)


def _said(standing: float, pct: float) -> str:
    if standing:
        return f", at or over {standing:.0f}% for {span_text(HOLD)}"
    return f", over {LEVELS[0]:.0f}% for less than {span_text(HOLD)}" if pct >= LEVELS[0] else ""
