"""Decide what the system itself asks of a release now: begin, go on, ask people, expire, or turn around.

Pure: the facts are gathered in services/monitor/outbox.py, and what a command does is in machine.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.core.access import Actor, system_actor
from services.releases.machine import Command, Do
from services.releases.plan import Step
from services.releases.release import Kind, Pause, Release, State, Sync

MONITOR: Final = system_actor("monitor")
JUDGE: Final = system_actor("judge")


_SHADOW_PATIENCE: Final = timedelta(hours=1)


class Advice(StrEnum):
    """What the canary judge says of a step: its three outcomes, and that traffic does not arrive as asked."""

    ADVANCE = "advance"
    ROLL_BACK = "roll back"
    INCONCLUSIVE = "inconclusive"
    SAMPLE_RATIO = "sample ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The judge's newest advice, the sentence behind it, and the candidate's requests counted in this step."""

    advice: Advice
    reason: str
    requests: int = 0


NOTHING_SEEN: Final = Ruling(advice=Advice.INCONCLUSIVE, reason="no request was judged yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What else is true now. `asks_increase`, `asks_promote`: how many people the policy asks at those stages."""

    busy: bool = False  # another release owns the traffic there
    frozen: str = ""  # why nothing moves forward now
    newer_approved: str = ""  # id of a later release, approved as well
    unfinished: int = 0  # operations not yet done
    asks_increase: int = 1
    asks_promote: int = 1
    ruling: Ruling = NOTHING_SEEN


def next_command(release: Release, facts: Facts, *, now: datetime) -> Command | None:  # noqa: PLR0911 -- a table
    """Return what the system asks of the release now, or None where it waits."""
    if release.state in {State.AWAITING_START, State.SCHEDULED}:
        return _waiting(release, facts, now)
    # What was decided last must stand before anything follows from it.
    if facts.unfinished or release.sync is not Sync.SYNCED:
        return None
    match release.state:
        case State.PROMOTING:
            if release.kind is Kind.ROLLOUT and release.plan.soak_s > 0:
                return _do(Do.SOAK, "all traffic moved, read back")
            return _do(Do.COMPLETE, "all traffic moved, read back")
        case State.SOAKING if now >= release.since + timedelta(seconds=release.plan.soak_s):
            return _do(Do.COMPLETE, "the soak passed")
        case State.NEEDS_ATTENTION if not release.back_to:
            return _do(Do.COMPLETE, "all traffic moved in the end, read back")
        case State.ROLLING_BACK | State.NEEDS_ATTENTION:
            # The note keeps why it went back.
            return Command(do=Do.CONFIRM_ROLLBACK, actor=MONITOR, reason="traffic and aliases are back, read back")
        case State.DEPLOYING:
            return _begun(release, facts)
        case State.SHADOW | State.BAKING | State.AWAITING_STEP | State.AWAITING_PROMOTE | State.PAUSED:
            return _watched(release, facts, now)
        case _:
            return None


def _waiting(release: Release, facts: Facts, now: datetime) -> Command | None:
    if release.expires_at and now >= release.expires_at:
        return _do(Do.EXPIRE, f"not begun until {release.expires_at:%Y-%m-%d %H:%M} UTC")
    if release.state is State.AWAITING_START:
        return None
    if facts.newer_approved:
        return _do(Do.SUPERSEDE, f"{facts.newer_approved} was approved later")
    if facts.busy or (facts.frozen and not release.break_glass):
        return None
    return _do(Do.DEPLOY, "approved, nothing else under way")


def _begun(release: Release, facts: Facts) -> Command | None:
    if facts.frozen and not release.break_glass:
        return None
    if release.plan.shadow_pct:
        return _do(Do.BEGIN_SHADOW, "the candidate answers")
    if release.plan.steps:
        return _do(Do.BEGIN_STEP, "the candidate answers")
    return _do(Do.ASK_PROMOTE, "the candidate answers")


def _watched(release: Release, facts: Facts, now: datetime) -> Command | None:  # noqa: PLR0911 -- guard clauses
    """Decide for a release whose candidate takes traffic, mirrored or real, or waits for people while it does."""
    ruling = facts.ruling
    if ruling.advice is Advice.ROLL_BACK:
        return _do(Do.ROLL_BACK, ruling.reason, actor=JUDGE)
    if release.deadline_at and now >= release.deadline_at:
        return _do(Do.ROLL_BACK, f"not promoted by its deadline {release.deadline_at:%Y-%m-%d %H:%M} UTC")
    if release.state is State.AWAITING_PROMOTE:
        return _automatic_promotion(release, facts)
    if release.state not in {State.BAKING, State.SHADOW}:
        return None
    if ruling.advice is Advice.SAMPLE_RATIO and release.state is State.BAKING:
        return _pause(Pause.SAMPLE_RATIO, ruling.reason)
    begun = release.step_since or release.since
    if ruling.advice is Advice.ADVANCE and _long_enough(release, ruling, begun, now):
        return _onward(release, facts, ruling.reason)
    if release.state is State.SHADOW and now >= begun + _SHADOW_PATIENCE:
        return _ask(release, f"unsure after {_SHADOW_PATIENCE.total_seconds() / 60:g} min of shadow: {ruling.reason}")
    if release.state is State.BAKING and now >= begun + timedelta(seconds=_step(release).deadline_s):
        return _pause(Pause.INCONCLUSIVE, f"unsure after {_step(release).deadline_s / 60:g} min: {ruling.reason}")
    return None


def _long_enough(release: Release, ruling: Ruling, begun: datetime, now: datetime) -> bool:
    if release.state is State.SHADOW:
        return ruling.requests >= release.plan.shadow_min_requests
    step = _step(release)
    return ruling.requests >= step.min_requests and now >= begun + timedelta(seconds=step.min_time_s)


def _onward(release: Release, facts: Facts, why: str) -> Command | None:
    following = release.step + 1
    if following >= len(release.plan.steps):
        return _do(Do.ASK_PROMOTE, why, actor=JUDGE)
    if release.plan.steps[following].approval and facts.asks_increase:
        return _do(Do.ASK_STEP, why, actor=JUDGE)
    return None if facts.frozen and not release.break_glass else _do(Do.BEGIN_STEP, why, actor=JUDGE)


def _ask(release: Release, why: str) -> Command:
    """Ask people whether a shadow that stays unsure goes on: they see its pairs, and nobody's traffic is at stake."""
    return _do(Do.ASK_STEP if release.plan.steps else Do.ASK_PROMOTE, why, actor=JUDGE)


def _automatic_promotion(release: Release, facts: Facts) -> Command | None:
    allowed = release.plan.auto_promote and not facts.asks_promote
    if not allowed or (facts.frozen and not release.break_glass):
        return None
    return _do(Do.PROMOTE, "the plan promotes by itself, and the policy asks for nobody", actor=JUDGE)


def _step(release: Release) -> Step:
    return release.plan.steps[release.step]


def _pause(why: Pause, reason: str) -> Command:
    return Command(do=Do.PAUSE, actor=JUDGE, reason=reason, changes={"pause": why, "note": reason})


def _do(do: Do, reason: str, *, actor: Actor = MONITOR) -> Command:
    return Command(do=do, actor=actor, reason=reason, changes={"note": reason})
