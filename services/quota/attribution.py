"""Say who holds a pool at one moment, so that it adds up to the pool.

Three identities hold, and a property test asserts them:
used = pipelines + unattributed; limit + over = used + held idle + unallocated; nothing is below zero.
What a pipeline should be told about it is in watch.py and errant.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.quota.pool import Pool, Sample

_METER_SLACK = 1.001  # two meters of one machine never agree to the last digit


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one pipeline holds. `requested` is None where nobody declared it."""

    pipeline: str
    kind: str
    team: str
    environment: str
    used: float
    requested: float | None
    pending: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pool at one moment, in its own unit.

    `unattributed` is use that no pipeline answers for; `held_idle` is requested and not used; `unallocated` is what
    neither a request nor use holds. `over` is what is used or requested beyond the limit. `over_attributed` is by how
    much the pipelines add up to more than the pool's own meter: then one of them is counted twice or in a wrong unit.
    """

    pool: Pool
    at: datetime
    limit: float
    used: float
    requested: float | None
    pending: float
    shares: tuple[Share, ...]  # largest use first
    unattributed: float
    held_idle: float
    unallocated: float
    over: float
    over_attributed: float
    origin: str

    @property
    def used_pct(self) -> float:
        """Use as a percentage of the limit."""
        return 100 * self.used / self.limit

    @property
    def requested_pct(self) -> float | None:
        """Requests as a percentage of the limit; None where nobody requests."""
        return None if self.requested is None else 100 * self.requested / self.limit


def standing(pool: Pool, samples: Iterable[Sample], *, limit: float) -> Standing:
    """Return who holds a pool from the samples of one moment; there is at least one.

    Samples of one pipeline that differ in team or environment stay apart. A sample without a pipeline is the pool's
    own meter, and what it shows beyond its pipelines is unattributed.
    """
    found = list(samples)
    meter = next((s for s in found if not s.pipeline), None)
    shares = _shares([s for s in found if s.pipeline])
    attributed = sum(s.used for s in shares)
    used = max(meter.used, attributed) if meter else attributed
    declared = [s.requested for s in shares if s.requested is not None]
    requested = meter.requested if meter and meter.requested is not None else (sum(declared) if declared else None)
    held = max(used, requested or 0.0)
    return Standing(
        pool=pool, at=found[0].ts, limit=limit, used=used, requested=requested,
        pending=meter.pending if meter and meter.pending is not None else sum(s.pending for s in shares),
        shares=shares, unattributed=used - attributed, held_idle=held - used, unallocated=max(0.0, limit - held),
        over=max(0.0, held - limit),
        over_attributed=max(0.0, attributed - meter.used) if meter and attributed > meter.used * _METER_SLACK else 0.0,
        origin="/".join(sorted({str(s.origin) for s in found})),
    )


def _shares(samples: Sequence[Sample]) -> tuple[Share, ...]:
    groups: dict[tuple[str, str, str, str], list[Sample]] = defaultdict(list)
    for s in samples:
        groups[s.pipeline, s.kind, s.team, s.environment].append(s)
    shares = []
    for (pipeline, kind, team, environment), own in groups.items():
        declared = [s.requested for s in own if s.requested is not None]
        shares.append(Share(
            pipeline=pipeline, kind=kind, team=team, environment=environment, used=sum(s.used for s in own),
            requested=sum(declared) if declared else None, pending=sum(s.pending or 0.0 for s in own)))
    return tuple(sorted(shares, key=lambda s: (-s.used, -(s.requested or 0.0), s.pipeline)))
