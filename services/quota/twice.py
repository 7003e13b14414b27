"""Say which pipelines hold two pools of one resource at once, whichever sources say so.

It may be meant, as with an overflow pool; or one use is counted twice, and every total is too high. It is never added
up silently: a warning until somebody drops a source, or names the other pool in `also` of the pipeline.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow, span_text
from services.quota.pool import Pool, Sample, in_two_pools
from services.quota.watch import FRESH, amount

NAME: Final = "two_pools"


def measure(
    latest: Mapping[str, Sequence[Sample]], pools: Sequence[Pool], *, meant: Mapping[str, frozenset[str]],
    now: datetime,
) -> list[Measurement]:
    """Return `two_pools` of every pool that has a sibling of its resource.

    Args:
        latest: the newest samples of each pool, not older than 15 minutes; sources sample at moments of their own.
        pools: those that are declared.
        meant: per pipeline the pools that it may hold at once.
        now: when it is asked.
    """
    at_once = [replace(sample, ts=now) for samples in latest.values() for sample in samples]
    found = in_two_pools(at_once, {pool.name: pool.resource for pool in pools}, meant=meant)
    held: dict[tuple[str, str], float] = defaultdict(float)
    for sample in at_once:
        held[sample.pool, sample.pipeline] += sample.used
    resources = [pool.resource for pool in pools]
    units = {pool.name: pool.unit for pool in pools}
    window = TimeWindow.last(FRESH, now=now)

    def said(pipeline: str) -> str:
        parts = [f"{amount(held[pool, pipeline], units[pool])} of {pool}" for pool in found[pipeline]]
        return f"{pipeline} holds {' and '.join(parts)} at once"

    measured = []
    for pool in pools:
        if resources.count(pool.resource) < 2:
            continue
        own = [pipeline for pipeline in sorted(found) if pool.name in found[pipeline]]
        more = f", and {len(own) - 1} more pipelines do alike" if len(own) > 1 else ""
        if own:
            verdict, why = Verdict.WARN, Why.NONE
            reason = (f"{said(own[0])}{more}: if that is one use counted twice, drop one source; if it is meant, name "
                      "the other pool in also of its [[pipelines]]")
        elif latest.get(pool.name):
            verdict, why = Verdict.PASS, Why.NONE
            reason = f"no pipeline of {pool.name} holds another pool of {pool.resource} at the same time"
        else:
            verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
            reason = f"no sample of {pool.name} in the last {span_text(FRESH)}"
        measured.append(Measurement(
            name=NAME, pipeline=Pipeline.QUOTA, subject=pool.name, window=window, at=now, verdict=verdict, why=why,
            reason=reason, n=len(latest.get(pool.name, ())), value=float(len(own)), unit="pipelines",
            detail={"pipelines": {pipeline: list(found[pipeline]) for pipeline in own}}))
    return measured
