"""Gather what every pipeline needs of a pool: as measured where it ran, else as declared, and say which.

A scheduled pipeline's length is the P90 of its runs, else its objective. A pipeline that nobody declared but that uses
the pool counts as it was measured, hour of the week by hour of the week.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.core.window import HOUR, TimeWindow, floor_to
from services.quota.estimate import quantile
from services.quota.fit import UNKNOWN_LENGTH, Load
from services.quota.history import OTHER
from services.quota.pool import Pool
from services.quota.ports import QuotaHistory, Total

LOOK_BACK: Final = timedelta(days=28)
_NAMED: Final = 8  # that nobody declared; a chart and a person tell no more apart
_WEEK: Final = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the settings say of a pipeline."""

    name: str
    kind: str
    pool: str
    schedule: str = ""
    objective: timedelta | None = None
    request: float | None = None


def loads(
    pool: Pool, planned: Sequence[Planned], store: QuotaHistory, lengths: Mapping[str, timedelta], *, now: datetime,
) -> list[Load]:
    """Return what every pipeline needs of a pool.

    Args:
        pool: the pool.
        planned: the settings' pipelines, of every pool.
        store: where use was measured.
        lengths: P90 of how long each pipeline's runs take.
        now: the end of the four weeks that are looked at.
    """
    hour = floor_to(now, HOUR)
    window = TimeWindow(hour - LOOK_BACK, hour)
    seen: dict[str, list[Total]] = defaultdict(list)
    for total in store.totals(pool.name, window, grain="hour"):
        seen[total.pipeline].append(total)
    named = {p.name: p for p in planned}
    own = [p for p in planned if p.pool == pool.name or p.name in seen]
    others = [name for name in seen if name not in named][:_NAMED]
    wanted = [p.name for p in own if not p.schedule and p.name in seen]
    hours = store.stacked(pool.name, window, grain="hour", pipelines=[*wanted, *others])
    rolls = store.history(pool.name, window, grain="hour")
    ticks = [roll.start for roll in rolls]
    found = []
    for p in own:
        top = max((t.used_max for t in seen.get(p.name, [])), default=0.0)
        declared = p.request if p.pool == pool.name else None
        if not top and declared is None:
            continue
        source = "measured" if top else "declared"
        if p.schedule:
            length = lengths.get(p.name) or p.objective or UNKNOWN_LENGTH
            found.append(Load(pipeline=p.name, kind=p.kind, peak=top or declared or 0.0, schedule=p.schedule,
                              length=length, source=source))
        else:
            found.append(_always(p.name, p.kind, hours.get(p.name, {}), ticks, declared or 0.0, source))
    found += [_always(name, seen[name][0].kind, hours.get(name, {}), ticks, 0.0, "measured") for name in others]
    if len(seen) > len({*named} & {*seen}) + len(others):
        scheduled = [p.name for p in own if p.schedule and p.name in seen]
        known = [*hours.values(), *store.stacked(pool.name, window, grain="hour", pipelines=scheduled).values()]
        # The many small ones together, by what the pool's pipelines used beyond those that were named.
        rest = {roll.start: max(0.0, roll.attributed_hours - sum(own.get(roll.start, 0.0) for own in known))
                for roll in rolls}
        found.append(_always(OTHER, "", rest, ticks, 0.0, "measured"))
    return [load for load in found if load.peak > 0]


def _always(
    name: str, kind: str, used: Mapping[datetime, float], ticks: Sequence[datetime], declared: float, source: str,
) -> Load:
    """Return an unscheduled pipeline by hour of the week: P95 of what it used there, at least what it declared."""
    places: dict[int, list[float]] = defaultdict(list)
    for at in ticks:
        places[at.weekday() * 24 + at.hour].append(used.get(at, 0.0))
    everything = sorted(used.values())
    usual = quantile(everything, 0.95) if everything else 0.0
    # An hour of the week that was never sampled is taken at the pipeline's own P95, not as free.
    by_hour = tuple(max(declared, quantile(sorted(places[i]), 0.95) if places[i] else usual) for i in range(_WEEK))
    return Load(pipeline=name, kind=kind, peak=max(by_hour), by_hour=by_hour, source=source)
