"""Find the pipeline that is eating the pool: far above its own usual, and enough of the pool to matter.

Both conditions are needed. On a month of 16 real teams, z > 3.5 alone says 0.76 episodes per team-week, half or more of
the pool alone misses 96% of surges; together they say 0.2 and miss a few in a hundred
(tests/flows/test_errant_calibration.py measures both, where the trace is there).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import TimeWindow, span_text
from services.quota.attribution import Standing
from services.quota.watch import LEVELS, amount

BASELINE: Final = timedelta(days=7)
HOLD: Final = timedelta(minutes=20)
SAMPLES: Final = 3
Z_LIMIT: Final = 3.5
POOL_SHARE: Final = 0.05
_KNOWN_HOURS: Final = 24
_MAD_TO_SIGMA: Final = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a pipeline usually holds. `source` says from what that is known: its own past, its declaration, or peers."""

    middle: float
    spread: float
    source: str

    def z(self, value: float) -> float:
        """Return how far above usual a value lies, in robust standard deviations of at least one unit."""
        return (value - self.middle) / max(_MAD_TO_SIGMA * self.spread, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """One pipeline far above its usual: by how much, since when, and who suffers."""

    pipeline: str
    team: str
    environment: str
    used: float
    usual: Usual
    excess: float
    since: datetime
    critical: bool
    victims: tuple[str, ...]


def usual(hours: Sequence[float], *, declared: float | None, peers: Sequence[float]) -> Usual:
    """Return what a pipeline usually holds.

    Args:
        hours: its mean use in each of the last 168 hours, zeros where it did not run.
        declared: what the settings say that it may hold.
        peers: the usual of the pool's other pipelines, for one that is new.
    """
    seen = [h for h in hours if h > 0]
    if len(seen) >= _KNOWN_HOURS or (len(hours) >= BASELINE / timedelta(hours=1) and seen):
        middle = median(hours)
        own = Usual(middle=middle, spread=median(abs(h - middle) for h in hours), source="its last 7 days")
    elif peers:
        own = Usual(middle=sorted(peers)[int(0.9 * (len(peers) - 1))], spread=0.0, source="its peers' P90")
    else:
        own = Usual(middle=0.0, spread=0.0, source="nothing yet")
    if declared is not None and declared > own.middle:
        # A large run that was announced is not errant; what lies beyond the announcement is.
        return Usual(middle=declared, spread=0.0, source="its declared request")
    return own


def surging(points: Sequence[tuple[datetime, float]], known: Usual, *, limit: float) -> datetime | None:
    """Return since when a pipeline has been far above its usual, or None.

    Args:
        points: time and use, oldest first, up to now.
        known: its usual.
        limit: the pool's limit: an excess of less than 5% of it harms nobody.
    """
    since, count = None, 0
    for at, value in reversed(points):
        if known.z(value) <= Z_LIMIT or value - known.middle <= POOL_SHARE * limit:
            break
        since, count = at, count + 1
    if since is None or count < SAMPLES or points[-1][0] - since < HOLD:
        return None
    return since


def find(
    held: Standing, recent: Mapping[str, Sequence[tuple[datetime, float]]], hours: Mapping[str, Sequence[float]],
    *, declared: Mapping[str, float],
) -> list[Surge]:
    """Return the pipelines that surge in one pool, largest excess first.

    Args:
        held: who holds the pool now.
        recent: per pipeline its use in the last hours, oldest first.
        hours: per pipeline its mean use per hour of the last 7 days.
        declared: per pipeline what the settings allow it.
    """
    middles = {name: median(own) for name, own in hours.items() if own}
    found = []
    for share in held.shares:
        peers = [m for name, m in middles.items() if name != share.pipeline and m > 0]
        known = usual(hours.get(share.pipeline, []), declared=declared.get(share.pipeline), peers=peers)
        since = surging(recent.get(share.pipeline, []), known, limit=held.limit)
        if since is None:
            continue
        victims = tuple(s.pipeline for s in held.shares if s.pending and s.pipeline != share.pipeline)
        found.append(Surge(
            pipeline=share.pipeline, team=share.team, environment=share.environment, used=share.used, usual=known,
            excess=share.used - known.middle, since=since, victims=victims,
            critical=bool(victims) or held.used_pct >= LEVELS[1]))
    return sorted(found, key=lambda s: -s.excess)


def measure(
    held: Standing, surges: Sequence[Surge], *, was_open: Sequence[str], now: datetime, owners: Mapping[str, str],
) -> list[Measurement]:
    """Return `errant_pipeline` per surge, a pass for each pipeline that was open and is calm, and one for the pool."""
    window = TimeWindow.last(HOLD, now=now)
    unit = held.pool.unit

    def said(column: str, verdict: Verdict, reason: str, value: float | None, **detail: object) -> Measurement:
        return Measurement(name="errant_pipeline", pipeline=Pipeline.QUOTA, subject=held.pool.name, column=column,
                           window=window, at=now, verdict=verdict, reason=reason, value=value, unit=unit,
                           n=len(held.shares), detail=detail)

    found = []
    for surge in surges:
        owner = owners.get(surge.pipeline) or surge.team or "nobody named"
        waits = f"; {len(surge.victims)} pipelines wait: {', '.join(surge.victims[:3])}" if surge.victims else ""
        found.append(said(
            surge.pipeline, Verdict.FAIL if surge.critical else Verdict.WARN,
            f"{surge.pipeline} holds {amount(surge.used, unit)} of {held.pool.name}, +{amount(surge.excess, unit)} "
            f"over its usual {amount(surge.usual.middle, unit)}, for {span_text(now - surge.since)} (owner {owner})"
            f"{waits}", surge.excess, since=surge.since.isoformat(), usual=surge.usual.middle, owner=owner,
            source=surge.usual.source, victims=list(surge.victims)))
    loud = {surge.pipeline for surge in surges}
    found += [said(name, Verdict.PASS, f"{name} is back at its usual use of {held.pool.name}", 0.0)
              for name in was_open if name and name not in loud]
    calm = f"none of {len(held.shares)} pipelines in {held.pool.name} is far above its usual"
    if not surges:
        found.append(said("", Verdict.PASS, calm, 0.0))
    return found
