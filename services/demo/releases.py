"""Seed two releases through the same services that people use: one completed weeks ago, one that waits for a signature.

Only the clock is injected: every call gets the `now` of the moment it stands for. No gateway ran then, so the completed
one is carried out on the registry's aliases alone.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services import bootstrap
from services.core.access import Actor
from services.demo.features import AIR_TIME, DELAY
from services.errors import OpsError
from services.releases import actions
from services.releases.plan import CANARY, DIRECT
from services.releases.release import State

PRODUCTION: Final = "production"
STAGING: Final = "staging"
_MINUTE: Final = timedelta(minutes=1)
TO_PROMOTION: Final = timedelta(minutes=35)  # from the proposal to the promotion of the completed one

PROPOSED_BEFORE: Final = timedelta(hours=3)  # how long ago the waiting one was proposed

Personas = Mapping[str, Actor]


class Past:
    """The services at moments of the past."""

    def __init__(self, services: bootstrap.Services, personas: Personas) -> None:
        """Decide as the personas, carry out on aliases."""
        self._desk = services.desk
        self._worker = bootstrap.build_outbox(services, targets=bootstrap.alias_targets(services))
        self._personas = personas
        self._done = 0

    def settle(self, now: datetime) -> None:
        """Let the system do what was due at `now`."""
        while self._worker.run_due(fence=0, now=now):
            pass

    def do(self, action: Callable[..., object], who: str, release: str, reason: str, now: datetime) -> None:
        """Have a persona decide, and let the system follow."""
        self._done += 1
        action(self._desk, release, actor=self._personas[who], reason=reason, op_id=f"seed-{release}-{self._done}",
               now=now)
        self.settle(now)

    def propose(self, model: str, version: str, environment: str, reason: str, *, canary: bool, now: datetime) -> str:
        """Have the author propose; return the release's id, with its gates run."""
        self._done += 1
        outcome = actions.propose(
            self._desk, model=model, version=version, environment=environment, plan=CANARY if canary else DIRECT,
            actor=self._personas["author"], reason=reason, op_id=f"seed-propose-{self._done}", now=now)
        self.settle(now)
        return str(outcome["release"])


def complete_one(past: Past, *, version: str, at: datetime) -> str:
    """Seed a release of `flight-delay` that went to production; the champion before it is under its alias."""
    release = past.propose(DELAY, version, PRODUCTION, "monthly retraining: knows the autumn's timetable",
                           canary=False, now=at)
    for minute, who in ((9, "approver-1"), (14, "approver-2")):
        past.do(actions.approve, who, release, "metrics hold on held-out flights", at + minute * _MINUTE)
    past.do(actions.approve, "approver-1", release, "answers as expected, go on", at + 31 * _MINUTE)
    past.do(actions.promote, "approver-2", release, "quiet hour, nothing else under way", at + TO_PROMOTION)
    past.settle(at + timedelta(hours=2))
    return release


def leave_one_waiting(past: Past, *, version: str, at: datetime) -> str:
    """Seed a release of `air-time` to staging that has one signature of two."""
    release = past.propose(AIR_TIME, version, STAGING, "retrained up to last week, before the holiday traffic",
                           canary=True, now=at)
    past.do(actions.approve, "approver-1", release, "read the evidence, the error is as before", at + 25 * _MINUTE)
    return release


def seed(services: bootstrap.Services, personas: Personas, *, versions: Mapping[str, str], at: datetime,
         now: datetime) -> tuple[str, str]:
    """Seed both; return their ids.

    Args:
        services: over a migrated, empty ops store.
        personas: the demo's people by name.
        versions: the version of `flight-delay` that was released at `at`, and the candidate of `air-time`.
        at: when the completed one was proposed.
        now: the time of seeding.

    Raises:
        OpsError: a release did not come to stand where it should; the demo would lie.
    """
    past = Past(services, personas)
    done = complete_one(past, version=versions[DELAY], at=at)
    waiting = leave_one_waiting(past, version=versions[AIR_TIME], at=now - PROPOSED_BEFORE)
    with services.db.read():
        stands = {r.id: r.state for r in services.releases.open()}
    if done in stands or stands.get(waiting) is not State.AWAITING_START:
        raise OpsError(f"the seeded releases stand wrong: {stands}. Start the demo again in an empty folder")
    return done, waiting
