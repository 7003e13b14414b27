"""Check that all pipelines together fit their pool, hour by hour over the calendar; if not, say where and what to move.

headroom(hour) = limit - serving's P95 at that hour of the week - every scheduled run that overlaps it - experiments.
The worst case, everything at once, is shown beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.core.window import HOUR, floor_to
from services.quota.cron import occurrences
from services.quota.pool import Pool
from services.quota.watch import amount

HORIZON: Final = timedelta(days=14)
EXPERIMENTS: Final = 0.2  # of the limit, until their use has been measured
UNKNOWN_LENGTH: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one pipeline needs of a pool.

    A scheduled one needs `peak` from each occurrence for `length`; one without a schedule needs it always, by hour of
    the week where `by_hour` says so (168 values from Monday 00:00 UTC). `source` says how its peak is known.
    """

    pipeline: str
    kind: str
    peak: float
    schedule: str = ""
    length: timedelta = UNKNOWN_LENGTH
    by_hour: tuple[float, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first hour that does not fit, what it asks for, and the change that would mend the whole calendar."""

    at: datetime
    demand: float
    parts: tuple[tuple[str, float], ...]  # largest first
    move: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How all pipelines together fit one pool over the horizon."""

    pool: Pool
    limit: float
    start: datetime
    hours: tuple[tuple[datetime, float], ...]  # demand
    worst_case: float
    broken: Break | None
    broken_hours: int
    experiments: float
    loads: tuple[Load, ...]

    @property
    def fits(self) -> bool:
        """Whether every hour fits."""
        return self.broken is None

    @property
    def headroom(self) -> float:
        """What is left in the fullest hour; below zero where it does not fit."""
        return self.limit - max((demand for _, demand in self.hours), default=0.0)


def check(
    pool: Pool, loads: Sequence[Load], *, limit: float, now: datetime, experiments: float | None = None,
    horizon: timedelta = HORIZON,
) -> Fit:
    """Return how the loads fit a pool from the next hour on.

    Args:
        pool: the pool.
        loads: every pipeline that uses it.
        limit: what it offers.
        now: when it is asked.
        experiments: what experiments need at the same time; 20% of the limit where it was never measured.
        horizon: how far ahead to look.
    """
    start = floor_to(now, HOUR) + HOUR
    end = start + horizon
    measured = any(load.kind == "experiment" for load in loads)
    spare = experiments if experiments is not None else 0.0 if measured else EXPERIMENTS * limit
    parts = _demand(loads, start, end)
    hours = tuple((at, spare + sum(parts[at].values())) for at in _hours(start, end))
    broken = next(((at, demand) for at, demand in hours if demand > limit), None)
    return Fit(
        pool=pool, limit=limit, start=start, hours=hours, worst_case=spare + sum(load.peak for load in loads),
        broken=_break(loads, parts, broken, limit - spare, start, end) if broken else None,
        broken_hours=sum(demand > limit for _, demand in hours), experiments=spare, loads=tuple(loads),
    )


def in_utc(moment: datetime) -> str:
    """Return an hour where nobody's zone is known: at the command line and in a schedule's own terms."""
    return f"{moment:%a %d %b %H:%M} UTC"


def sentence(found: Fit, *, clock: Callable[[datetime], str] = in_utc) -> str:
    """Return a fit check in words; `clock` says a time as its reader has it."""
    name, unit = found.pool.name, found.pool.unit
    worst = f"everything at once would need {amount(round(found.worst_case, 2), unit)}"
    if found.broken is None:
        return (f"All {len(found.loads)} pipelines fit {name} for {(found.hours[-1][0] - found.start).days + 1} days: "
                f"{amount(round(found.headroom, 2), unit)} are free in the fullest hour; {worst}.")
    b = found.broken
    largest = ", ".join(f"{who} {amount(round(need, 2), unit)}" for who, need in b.parts[:3])
    mend = f" Move {b.move} to {b.to} and every hour fits." if b.move else " No single move mends it: raise the limit."
    return (f"{name} breaks first on {clock(b.at)}: {amount(round(b.demand, 2), unit)} of "
            f"{amount(found.limit, unit)} ({largest}); {found.broken_hours} hours do not fit.{mend} {worst[0].upper()}"
            f"{worst[1:]}.")


def _hours(start: datetime, end: datetime) -> list[datetime]:
    return [start + HOUR * i for i in range(int((end - start) / HOUR))]


def _demand(loads: Sequence[Load], start: datetime, end: datetime) -> dict[datetime, dict[str, float]]:
    """Return per hour what each pipeline needs."""
    demand: dict[datetime, dict[str, float]] = defaultdict(dict)
    for load in loads:
        if not load.schedule:
            for at in _hours(start, end):
                place = at.weekday() * 24 + at.hour
                demand[at][load.pipeline] = load.by_hour[place] if load.by_hour else load.peak
            continue
        # A run that began before the calendar may still hold its share in its first hours.
        for due in occurrences(load.schedule, start=start - load.length, end=end):
            at = floor_to(due, HOUR)
            while at < due + load.length:
                if start <= at < end:
                    demand[at][load.pipeline] = load.peak
                at += HOUR
    return demand


def _break(
    loads: Sequence[Load], parts: Mapping[datetime, Mapping[str, float]], broken: tuple[datetime, float], free: float,
    start: datetime, end: datetime,
) -> Break:
    at, demand = broken
    here = tuple(sorted(parts[at].items(), key=lambda part: -part[1]))
    move, to = _mend(loads, [name for name, _ in here], free, start, end)
    return Break(at=at, demand=demand, parts=here, move=move, to=to)


def _mend(
    loads: Sequence[Load], names: Sequence[str], free: float, start: datetime, end: datetime,
) -> tuple[str, str]:
    """Return the pipeline whose shift by the fewest hours makes every hour fit, and its new time; empty where none."""
    movable = [load for load in loads if load.schedule and load.pipeline in names]
    for shift in range(1, 24):
        for load in movable:
            later = _later(load, shift)
            if later is None:
                continue
            moved = [later if other is load else other for other in loads]
            if all(sum(own.values()) <= free for own in _demand(moved, start, end).values()):
                hour, minute = later.schedule.split()[1], later.schedule.split()[0]
                return load.pipeline, f"{int(hour):02d}:{int(minute):02d} UTC"
    return "", ""


def _later(load: Load, shift: int) -> Load | None:
    """Return the load some hours later in the day; None where its schedule names no single hour."""
    minute, hour, *rest = load.schedule.split()
    if not hour.isdigit() or not minute.isdigit():
        return None
    return replace(load, schedule=" ".join([minute, str((int(hour) + shift) % 24), *rest]))
