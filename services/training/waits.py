"""How long runs waited for their machine, from submission to start, by pool and team."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.training.run import Run
from services.training.statistics import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long the runs of one pool and team waited to start, of those that say so; seconds."""

    pool: str
    team: str
    n: int
    median_s: float | None
    p95_s: float | None


def waits(runs: Sequence[Run]) -> list[Wait]:
    """Return how long runs waited, by pool and team, longest first."""
    told: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        if (wait := run.queue_wait_s) is not None:
            told.setdefault((run.pool, run.team), []).append(wait)
    found = [Wait(pool=pool, team=team, n=len(some), median_s=percentile(some, 50), p95_s=percentile(some, 95))
             for (pool, team), some in told.items()]
    return sorted(found, key=lambda q: (-(q.p95_s or 0.0), q.pool, q.team))
