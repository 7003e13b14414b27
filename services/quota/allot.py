"""Allot what active runs request to pools, and lay it over what was measured.

A request is declared (`ops.req.*` tags, or `request` in the settings); use is measured. A pool that nothing measures
is held by its requests: there *used* is what was allocated, as a scheduler counts it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from services.quota.pool import Pool, Sample
from services.quota.ports import Request


def pool_of(request: Request, resource: str, pools: Sequence[Pool]) -> Pool | None:
    """Return the pool that a request's share of a resource belongs to, or None where that cannot be told.

    The pool that the run names, where it is one of this resource; else the only pool of the resource; else of those,
    the only one in the named pool's region. It is never guessed among several.
    """
    of_resource = [pool for pool in pools if pool.resource == resource]
    named = next((pool for pool in pools if pool.name == request.pool), None)
    if named in of_resource:
        return named
    if len(of_resource) == 1:
        return of_resource[0]
    near = [pool for pool in of_resource if named and named.region and pool.region == named.region]
    return near[0] if len(near) == 1 else None


def allot(requests: Iterable[Request], pools: Sequence[Pool], *, now: datetime) -> list[Sample]:
    """Return one sample per pool and pipeline with what its active runs hold (`requested`) and wait for (`pending`)."""
    held: dict[tuple[str, str, str, str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for request in requests:
        for resource, wanted in request.amounts.items():
            pool = pool_of(request, resource, pools)
            if wanted and pool:
                key = (pool.name, request.pipeline, request.kind, request.team, request.environment)
                holds, waits = held[key]
                held[key] = (holds, waits + wanted) if request.waiting else (holds + wanted, waits)
    return [
        Sample(ts=now, pool=pool, pipeline=pipeline, kind=kind, team=team, environment=environment, used=0.0,
               requested=holds, pending=waits)
        for (pool, pipeline, kind, team, environment), (holds, waits) in sorted(held.items())
    ]


def lay_over(measured: Sequence[Sample], requested: Sequence[Sample], *, unmeasured: Iterable[str]) -> list[Sample]:
    """Return one list of samples of one moment: measured use with what was requested laid over it.

    Args:
        measured: what sources measured now; a pipeline's own `requested` there stands.
        requested: what `allot` returned.
        unmeasured: pools that no source measures; their use is what was allocated.
    """
    allocated, found = set(unmeasured), list(measured)
    places = {(s.pool, s.pipeline): i for i, s in enumerate(found)}
    pools = {s.pool for s in found}
    for sample in requested:
        place = places.get((sample.pool, sample.pipeline))
        if sample.pool in allocated:
            found.append(replace(sample, used=sample.requested or 0.0))
        elif place is not None:
            own = found[place]
            found[place] = replace(
                own, requested=_plus(own.requested, sample.requested), pending=_plus(own.pending, sample.pending),
                kind=own.kind or sample.kind, team=own.team or sample.team,
                environment=own.environment or sample.environment)
        elif sample.pool in pools:
            # It holds a request and nobody measured it: its use, if any, stands in unattributed.
            places[sample.pool, sample.pipeline] = len(found)
            found.append(sample)
    return found


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)
