"""Ask what would become of a pool if: a pipeline were added, requests grew, hardware changed, a node were lost.

A change turns loads and limit into others; the fit check before and after is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite

from services.errors import Refused
from services.quota.estimate import SCALING
from services.quota.fit import Fit, Load, check
from services.quota.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One or more changes at once; what is left at its default stays as it is."""

    add: tuple[Load, ...] = ()
    remove: tuple[str, ...] = ()
    grow: tuple[tuple[str, float], ...] = ()  # pipeline, factor of its load; `serving` means all of that kind
    faster: float = 1.0  # new hardware: how many times faster one device works
    lose: float = 0.0  # units of the pool
    limit: float | None = None
    scale: tuple[tuple[str, float], ...] = ()  # pipeline, devices: more devices end sooner and cost more


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The pool before and after."""

    before: Fit
    after: Fit


def what_if(pool: Pool, loads: Sequence[Load], change: Change, *, limit: float, now: datetime) -> Answer:
    """Return the fit check before and after a change.

    Raises:
        Refused: the change names a pipeline that is not there, or an impossible number.
    """
    names = {load.pipeline for load in loads}
    for name in (*change.remove, *(n for n, _ in change.grow if n != "serving"), *(n for n, _ in change.scale)):
        if name not in names:
            raise Refused(f"no pipeline {name} uses {pool.name}: choose one of {', '.join(sorted(names)) or 'none'}")
    for what, value, above in (
        ("the factor of new hardware", change.faster, 0.0), ("the loss", change.lose, -1e-12),
        *((f"the growth of {name}", factor, -1e-12) for name, factor in change.grow),
        *((f"the devices of {name}", devices, 0.0) for name, devices in change.scale),
        *((f"what {load.pipeline} needs", load.peak, 0.0) for load in change.add),
        *([("the limit", change.limit, 0.0)] if change.limit is not None else []),
    ):
        if not (isfinite(value) and value > above):
            raise Refused(f"{what} cannot be {value:g}: give a number above zero")
    after_limit = (limit if change.limit is None else change.limit) - change.lose
    if after_limit <= 0:
        raise Refused(f"nothing is left of {pool.name}: it offers {limit:g} {pool.unit}")
    # Experiments keep their share of the pool as it is today, so that a smaller pool does not shrink them away.
    before = check(pool, loads, limit=limit, now=now)
    after = check(pool, [_changed(load, change) for load in loads if load.pipeline not in change.remove]
                  + list(change.add), limit=after_limit, now=now, experiments=before.experiments)
    return Answer(before=before, after=after)


def _changed(load: Load, change: Change) -> Load:
    factor = 1.0
    for name, grown in change.grow:
        if name == load.pipeline or (name == "serving" and load.kind == "serving"):
            factor *= grown
    found = replace(load, peak=load.peak * factor, by_hour=tuple(v * factor for v in load.by_hour))
    for name, devices in change.scale:
        if name == load.pipeline and load.peak > 0:
            found = replace(found, peak=devices, length=found.length * (devices / load.peak) ** -SCALING)
    if change.faster != 1.0:
        # Serving holds fewer devices for the same requests; a training run holds as many for a shorter time.
        if load.schedule:
            found = replace(found, length=found.length / change.faster)
        else:
            found = replace(found, peak=found.peak / change.faster,
                            by_hour=tuple(v / change.faster for v in found.by_hour))
    return found
