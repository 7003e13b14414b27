"""What a pool, its limit and a sample of its use are. How they add up is in attribution.py.

A pool is one shared resource: this team's A100s, a machine's memory. Limit, requested and used are three different
lines: a scheduler refuses on *requested*, so a full pool may be idle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Final

from services.errors import SourceMalformed


class Origin(StrEnum):
    """Where a sample comes from; shown wherever its numbers are shown."""

    REAL = "real"
    SIMULATED = "simulated"
    IMPORTED = "imported"


class PoolKind(StrEnum):
    """Capacity: so many at once. Budget: so many unit-hours per period."""

    CAPACITY = "capacity"
    BUDGET = "budget"


UNIT_HOURS: Final = {"cpu": "core-hours", "ram": "GiB-hours", "gpu": "GPU-hours", "tpu": "TPU chip-hours"}
UNITS: Final = {"cpu": "cores", "ram": "GiB", "gpu": "GPUs", "tpu": "TPU chips"}

# To the pool's own unit, per resource. GB and GiB differ by 7%: a quota that is 93% used in one is full in the other.
_FACTORS: Final[dict[str, dict[str, float]]] = {
    "cpu": {"cores": 1.0, "cpu": 1.0, "vcpu": 1.0, "millicores": 1e-3, "m": 1e-3},
    "ram": {
        "gib": 1.0, "gi": 1.0, "gb": 1e9 / 2**30, "g": 1e9 / 2**30, "mib": 2.0**-10, "mi": 2.0**-10,
        "mb": 1e6 / 2**30, "m": 1e6 / 2**30, "kib": 2.0**-20, "ki": 2.0**-20, "kb": 1e3 / 2**30, "k": 1e3 / 2**30,
        "tib": 2.0**10, "ti": 2.0**10, "tb": 1e12 / 2**30, "t": 1e12 / 2**30, "bytes": 2.0**-30, "b": 2.0**-30,
    },
    "gpu": {"gpus": 1.0, "gpu": 1.0},
    "tpu": {"tpu chips": 1.0, "chips": 1.0, "tpu": 1.0, "tpus": 1.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a pool offers from a date on."""

    pool: str
    since: datetime
    value: float
    origin: str = "settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One shared resource. `limit` is what holds where no dated limit says otherwise, in `unit`."""

    name: str
    resource: str  # cpu, ram, gpu, tpu
    limit: float
    unit: str
    kind: PoolKind = PoolKind.CAPACITY
    model: str = ""  # of the device, such as A100
    region: str = ""
    period: str = ""  # of a budget, such as 30d or month
    limits: tuple[Limit, ...] = ()

    @property
    def unit_hours(self) -> str:
        """What use adds up to over time, such as `GPU-hours`."""
        return UNIT_HOURS[self.resource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one pipeline held of one pool at one moment, in the pool's unit.

    An empty `pipeline` is the pool itself as its source measured the whole of it; what its pipelines leave over is
    then *unattributed*. `requested` and `pending` are None where the source does not know, which is not zero.
    """

    ts: datetime
    pool: str
    pipeline: str
    used: float
    requested: float | None = None
    pending: float | None = None
    kind: str = ""  # data, training, validation, serving, experiment
    team: str = ""
    environment: str = ""
    origin: Origin = Origin.REAL


def check(sample: Sample, *, row: str = "") -> Sample:
    """Return the sample unchanged when it can be true.

    Args:
        sample: what a source gave.
        row: how to find it, such as `line 17 of usage.csv`.

    Raises:
        SourceMalformed: a negative or infinite amount, a time without a zone or no pool; the row is named.
    """
    where = row or f"sample of {sample.pool or 'no pool'} at {sample.ts}"
    if not sample.pool:
        raise SourceMalformed(f"{where}: pool is empty: name the pool in every row")
    if sample.ts.tzinfo is None:
        raise SourceMalformed(f"{where}: ts has no zone: write UTC, such as 2026-03-04T15:00:00Z")
    for name, value in (("used", sample.used), ("requested", sample.requested), ("pending", sample.pending)):
        if value is not None and (not isfinite(value) or value < 0):
            raise SourceMalformed(f"{where}: {name} = {value:g} is impossible: an amount is zero or more")
    return sample


def in_unit(value: float, unit: str, *, resource: str, row: str = "") -> float:
    """Return an amount in the pool's own unit (cores, GiB, GPUs, TPU chips).

    Raises:
        SourceMalformed: the unit is none of this resource's; it is never guessed.
    """
    factor = _FACTORS[resource].get(unit.strip().lower())
    if factor is None:
        known = ", ".join(sorted(_FACTORS[resource]))
        raise SourceMalformed(f"{row or resource}: unit {unit!r} is not one of {resource}'s: write one of {known}")
    return value * factor


def limit_at(limits: Iterable[Limit], moment: datetime, *, otherwise: float) -> float:
    """Return the limit that holds at a moment: the latest dated one that has begun, else `otherwise`."""
    begun = [limit for limit in limits if limit.since <= moment]
    return max(begun, key=lambda limit: limit.since).value if begun else otherwise


def in_two_pools(
    samples: Iterable[Sample], resources: Mapping[str, str], *, meant: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return pipelines that used two pools of one resource at one moment, with those pools.

    It may be meant (an overflow pool), which `meant` says per pipeline, or the same use counted twice; unless it is
    meant it is shown and not added up silently.
    """
    seen: dict[tuple[str, datetime, str], set[str]] = {}
    for sample in samples:
        if sample.pipeline and sample.used > 0:
            seen.setdefault((sample.pipeline, sample.ts, resources.get(sample.pool, "")), set()).add(sample.pool)
    allowed = meant or {}
    return {pipeline: tuple(sorted(pools)) for (pipeline, _, _), pools in seen.items()
            if len(pools) > 1 and not pools <= allowed.get(pipeline, frozenset())}
