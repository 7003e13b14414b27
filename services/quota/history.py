"""Answer the first questions about a pool: who holds it, how much, and how it came to be.

Reads roll-ups only. Which pipelines get a line of their own is decided here, because a chart shows eight colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.quota import watch
from services.quota.attribution import Standing, standing
from services.quota.pool import Limit, Pool, PoolKind, limit_at
from services.quota.ports import QuotaHistory, Total
from services.quota.rollup import PoolRoll
from services.quota.waste import period

UNATTRIBUTED: Final = "unattributed"
OTHER: Final = "other pipelines"
_NAMED: Final = 6
_HOURLY: Final = timedelta(days=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What one pipeline held of a pool in one bucket, on average."""

    at: datetime
    pipeline: str
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A pool's limit, requests and use in one bucket; `used_max` is the peak inside it."""

    at: datetime
    limit: float
    requested: float | None
    used: float
    used_max: float
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A pool over a window. The bars of one bucket add up to `used` of its line."""

    pool: Pool
    window: TimeWindow
    grain: str
    pipelines: tuple[str, ...]  # as stacked, unattributed last
    bars: tuple[Bar, ...]
    lines: tuple[Lines, ...]
    totals: tuple[Total, ...]
    used_hours: float
    unattributed_hours: float
    requested_hours: float | None
    limit_hours: float  # over the hours that have samples
    hours: float
    missing_hours: float

    @property
    def origins(self) -> tuple[str, ...]:
        """Where the samples come from, in the order in which they first appear."""
        return tuple(dict.fromkeys(line.origin for line in self.lines))


def offered(pool: Pool, limits: Sequence[Limit], moment: datetime) -> float:
    """Return what a pool offers at once: its limit, or of a budget the even pace that spends it over its period."""
    value = limit_at(limits, moment, otherwise=pool.limit)
    return value / (period(pool, moment).length / HOUR) if pool.kind is PoolKind.BUDGET else value


def now_held(store: QuotaHistory, pool: Pool, *, now: datetime) -> Standing | None:
    """Return who holds a pool now, or None where no sample is fresh."""
    latest = store.latest(pool.name, within=watch.FRESH, now=now)
    return standing(pool, latest, limit=offered(pool, store.limits(pool.name), now)) if latest else None


def daily_peaks(store: QuotaHistory, pool: Pool, *, now: datetime) -> list[tuple[date, float]]:
    """Return the highest use of each of the last 120 whole days; today is not over and does not count."""
    today = floor_to(now, DAY)
    rolls = store.history(pool.name, TimeWindow(today - 120 * DAY, today), grain="day")
    return [(roll.start.date(), roll.used_max) for roll in rolls]


def history(store: QuotaHistory, pool: Pool, window: TimeWindow) -> History:
    """Return a pool's history: by hour up to eight days, by day beyond."""
    grain = "hour" if window.length <= _HOURLY else "day"
    limits = store.limits(pool.name)
    rolls = store.history(pool.name, window, grain=grain)
    totals = tuple(store.totals(pool.name, window, grain=grain))
    named = _named(totals)
    stacked = store.stacked(pool.name, window, grain=grain, pipelines=named)
    bars: list[Bar] = []
    for roll in rolls:
        # Means are over the hours that have samples: a missing hour is a gap, not a zero.
        own = {name: stacked[name].get(roll.start, 0.0) / roll.hours for name in named}
        rest = roll.attributed_hours / roll.hours - sum(own.values())
        free = (roll.used_hours - roll.attributed_hours) / roll.hours
        bars += [Bar(at=roll.start, pipeline=name, used=used) for name, used in
                 (*own.items(), (OTHER, max(0.0, rest)), (UNATTRIBUTED, max(0.0, free)))]
    others = len({t.pipeline for t in totals}) > len(named)
    shown = (*named, *((OTHER,) if others else ()), UNATTRIBUTED)
    span = HOUR if grain == "hour" else DAY
    # From the first sample on: before it the pool was not watched, which is no gap.
    expected = (window.end - max(window.start, rolls[0].start)) / HOUR if rolls else 0.0
    covered = sum(roll.hours for roll in rolls)
    return History(
        pool=pool, window=window, grain=grain, pipelines=shown,
        bars=tuple(bar for bar in bars if bar.pipeline in shown),
        lines=tuple(_line(roll, limits, pool, span) for roll in rolls), totals=totals,
        used_hours=sum(r.used_hours for r in rolls),
        unattributed_hours=sum(r.used_hours - r.attributed_hours for r in rolls),
        requested_hours=sum(r.requested_hours or 0.0 for r in rolls) if any(r.requested_hours for r in rolls) else None,
        limit_hours=sum(offered(pool, limits, _last(r, span)) * r.hours for r in rolls),
        hours=covered, missing_hours=max(0.0, expected - covered),
    )


def _named(totals: Sequence[Total]) -> tuple[str, ...]:
    """Return the pipelines that took most, most first; the same name in two teams counts once."""
    return tuple(dict.fromkeys(t.pipeline for t in totals))[:_NAMED]


def _last(roll: PoolRoll, span: timedelta) -> datetime:
    """Return the last moment of a bucket: a limit that changed inside it is shown as it ended."""
    return roll.start + span - timedelta.resolution


def _line(roll: PoolRoll, limits: Sequence[Limit], pool: Pool, span: timedelta) -> Lines:
    return Lines(
        at=roll.start, limit=offered(pool, limits, _last(roll, span)),
        requested=None if roll.requested_hours is None else roll.requested_hours / roll.hours,
        used=roll.used_hours / roll.hours, used_max=roll.used_max, origin=roll.origin,
    )
