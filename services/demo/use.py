"""A made-up history of compute use, labelled *simulated*, which the real use of this machine then goes on from.

A seeded generator draws hourly use per pipeline as shares of this machine, with days and nights, nightly trainings, a
slowly growing share of experiments, and one experiment that ran away three days ago. Nothing is measured here.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.demo.features import DELAY
from services.demo.shift import NEW_YORK
from services.quota.pool import Origin, Sample

HOUR: Final = timedelta(hours=1)
NIGHT: Final = 7  # UTC: the nightly pipelines
_RAN_AWAY: Final = (timedelta(days=3, hours=6), timedelta(days=3, hours=2))  # before now


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One pipeline: who it is, and its shares of all cores and all memory, at rest and at work."""

    pipeline: str
    kind: str
    team: str
    idle: float
    busy: float
    memory: float
    request: float  # of all cores
    when: str  # day, night, office, late


USERS: Final = (
    User(pipeline="gateway", kind="serving", team="platform", idle=0.03, busy=0.16, memory=0.08, request=0.37,
         when="day"),
    User(pipeline="interlock", kind="serving", team="platform", idle=0.04, busy=0.06, memory=0.05, request=0.12,
         when="day"),
    User(pipeline="flights-ingest", kind="data", team="data-platform", idle=0.0, busy=0.10, memory=0.03, request=0.1,
         when="night"),
    User(pipeline=f"{DELAY}-refresh", kind="training", team="punctuality", idle=0.0, busy=0.30, memory=0.06,
         request=0.3, when="night"),
    User(pipeline=f"{DELAY}-longrun", kind="training", team="punctuality", idle=0.09, busy=0.10, memory=0.03,
         request=0.5, when="day"),
    User(pipeline="delay-experiments", kind="experiment", team="punctuality", idle=0.0, busy=0.22, memory=0.08,
         request=0.3, when="office"),
)
_METER: Final = 0.03  # the machine's own work, which no pipeline answers for


def history(now: datetime, *, days: int, cores: float, memory_gib: float, seed: int = 2013) -> Iterator[Sample]:
    """Yield hourly samples of both pools for the days before `now`, oldest first."""
    rng = random.Random(seed)
    last = now.replace(minute=0, second=0, microsecond=0)
    for back in range(days * 24, 0, -1):
        at = last - HOUR * (back - 1)
        if at >= now:
            continue
        grown = 1 - 0.5 * back / (days * 24)  # experiments double over the span
        shares = [(user, _share(user, at, now, grown, rng)) for user in USERS]
        yield from _pool("cores", at, [(u, s * cores, _asked(u, s) * cores) for u, s in shares], _METER * cores, rng)
        yield from _pool("memory", at, [(u, _held(u, s) * memory_gib, None) for u, s in shares],
                         4 * _METER * memory_gib, rng)


def _share(user: User, at: datetime, now: datetime, grown: float, rng: random.Random) -> float:
    """Return the share of all cores that a pipeline used in an hour."""
    local = at.astimezone(NEW_YORK)
    wobble = max(0.2, rng.gauss(1, 0.15))
    if user.when == "night":
        return user.busy * wobble if at.hour == NIGHT else user.idle
    if user.when == "office":
        ran_away = now - _RAN_AWAY[0] <= at < now - _RAN_AWAY[1]
        working = local.weekday() < 5 and 9 <= local.hour < 18
        return 0.55 * wobble if ran_away else user.busy * grown * wobble if working else user.idle
    awake = 5 <= local.hour < 23
    return (user.busy if awake else user.idle) * wobble


def _asked(user: User, share: float) -> float:
    """Return the share of all cores that a pipeline requests: serving always, the others while they work."""
    return user.request if user.kind == "serving" or share > user.idle else 0.0


def _held(user: User, share: float) -> float:
    """Return the share of all memory: what works holds memory, what rests holds little."""
    return user.memory if share > user.idle else user.memory * 0.3


def _pool(
    pool: str, at: datetime, used: Sequence[tuple[User, float, float | None]], own: float, rng: random.Random
) -> Iterator[Sample]:
    total = sum(amount for _, amount, _ in used) + own * max(0.2, rng.gauss(1, 0.3))
    yield Sample(ts=at, pool=pool, pipeline="", used=round(total, 4), origin=Origin.SIMULATED)
    for user, amount, requested in used:
        if amount or requested:
            yield Sample(ts=at, pool=pool, pipeline=user.pipeline, kind=user.kind, team=user.team,
                         environment="production", used=round(amount, 4),
                         requested=None if requested is None else round(requested, 4), origin=Origin.SIMULATED)
