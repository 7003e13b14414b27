"""Decide what a command does to a release: one table, and one pure function that reads it.

Who may ask is decided in actions.py, what the system asks for by itself in progress.py, and what a new state means
for traffic and aliases in operations.py.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from services.core.access import Actor
from services.core.audit import AuditEntry
from services.errors import Refused
from services.releases.release import Pause, Release, State

APPROVAL_LIFE: Final = timedelta(hours=72)
REVIEW_WITHIN: Final = timedelta(hours=24)


class Do(StrEnum):
    """Everything that can be asked of a release; people ask for some, the system for the rest."""

    SUBMIT = "propose"
    EDIT = "edit plan"
    RECORD = "record evidence"
    APPROVE = "approve"
    SCHEDULE = "schedule"
    BREAK_GLASS = "break glass"
    REJECT = "reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    VOID = "void approvals"
    DEPLOY = "deploy"
    BEGIN_SHADOW = "begin shadow"
    BEGIN_STEP = "begin step"
    ASK_STEP = "ask for the next step"
    ASK_PROMOTE = "ask for promotion"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    SOAK = "soak"
    COMPLETE = "complete"
    ROLL_BACK = "roll back"
    CONFIRM_ROLLBACK = "confirm rollback"
    GIVE_UP = "give up"
    REVIEW = "review break-glass"


S = State
TRANSITIONS: Final[dict[tuple[State, Do], State]] = {
    (S.DRAFT, Do.SUBMIT): S.GATING,
    (S.DRAFT, Do.CANCEL): S.CANCELLED,
    # A rollback and an adoption skip every step: weights, then alias, at once.
    (S.DRAFT, Do.PROMOTE): S.PROMOTING,
    (S.GATING, Do.RECORD): S.AWAITING_START,
    (S.GATING, Do.REJECT): S.REJECTED,
    (S.GATING, Do.CANCEL): S.CANCELLED,
    # Another plan is another subject: gates are run again, and earlier signatures count for nothing.
    (S.AWAITING_START, Do.EDIT): S.GATING,
    (S.SCHEDULED, Do.EDIT): S.GATING,
    (S.AWAITING_START, Do.APPROVE): S.AWAITING_START,
    (S.AWAITING_START, Do.SCHEDULE): S.SCHEDULED,
    (S.AWAITING_START, Do.BREAK_GLASS): S.SCHEDULED,
    (S.AWAITING_START, Do.VOID): S.AWAITING_START,
    (S.AWAITING_START, Do.REJECT): S.REJECTED,
    (S.AWAITING_START, Do.CANCEL): S.CANCELLED,
    (S.AWAITING_START, Do.EXPIRE): S.EXPIRED,
    (S.SCHEDULED, Do.BREAK_GLASS): S.SCHEDULED,
    (S.SCHEDULED, Do.DEPLOY): S.DEPLOYING,
    (S.SCHEDULED, Do.VOID): S.AWAITING_START,
    (S.SCHEDULED, Do.REJECT): S.REJECTED,
    (S.SCHEDULED, Do.CANCEL): S.CANCELLED,
    (S.SCHEDULED, Do.EXPIRE): S.EXPIRED,
    (S.SCHEDULED, Do.SUPERSEDE): S.SUPERSEDED,
    (S.DEPLOYING, Do.BEGIN_SHADOW): S.SHADOW,
    (S.DEPLOYING, Do.BEGIN_STEP): S.BAKING,
    (S.DEPLOYING, Do.ASK_PROMOTE): S.AWAITING_PROMOTE,
    (S.DEPLOYING, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.SHADOW, Do.BEGIN_STEP): S.BAKING,
    (S.SHADOW, Do.ASK_STEP): S.AWAITING_STEP,
    (S.SHADOW, Do.ASK_PROMOTE): S.AWAITING_PROMOTE,
    (S.SHADOW, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.BAKING, Do.BEGIN_STEP): S.BAKING,
    (S.BAKING, Do.ASK_STEP): S.AWAITING_STEP,
    (S.BAKING, Do.ASK_PROMOTE): S.AWAITING_PROMOTE,
    (S.BAKING, Do.PAUSE): S.PAUSED,
    (S.BAKING, Do.ROLL_BACK): S.ROLLING_BACK,
    # An inconclusive pause is answered by people: they sign for the next stage, keep waiting, or roll back.
    (S.PAUSED, Do.APPROVE): S.PAUSED,
    (S.PAUSED, Do.BEGIN_STEP): S.BAKING,
    (S.PAUSED, Do.ASK_PROMOTE): S.AWAITING_PROMOTE,
    (S.PAUSED, Do.RESUME): S.BAKING,
    (S.PAUSED, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.AWAITING_STEP, Do.APPROVE): S.AWAITING_STEP,
    (S.AWAITING_STEP, Do.BEGIN_STEP): S.BAKING,
    (S.AWAITING_STEP, Do.PAUSE): S.PAUSED,
    (S.AWAITING_STEP, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.AWAITING_PROMOTE, Do.APPROVE): S.AWAITING_PROMOTE,
    (S.AWAITING_PROMOTE, Do.PROMOTE): S.PROMOTING,
    (S.AWAITING_PROMOTE, Do.PAUSE): S.PAUSED,
    (S.AWAITING_PROMOTE, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.PROMOTING, Do.SOAK): S.SOAKING,
    (S.PROMOTING, Do.COMPLETE): S.COMPLETED,
    # Rolling back needs no approval: delay costs more than a needless rollback.
    (S.PROMOTING, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.SOAKING, Do.COMPLETE): S.COMPLETED,
    (S.SOAKING, Do.ROLL_BACK): S.ROLLING_BACK,
    (S.ROLLING_BACK, Do.CONFIRM_ROLLBACK): S.ROLLED_BACK,
    (S.ROLLING_BACK, Do.GIVE_UP): S.NEEDS_ATTENTION,
    (S.PROMOTING, Do.GIVE_UP): S.NEEDS_ATTENTION,
    (S.NEEDS_ATTENTION, Do.ROLL_BACK): S.ROLLING_BACK,
    # What could not be done for a while was done in the end: the operations are retried for as long as it takes.
    (S.NEEDS_ATTENTION, Do.CONFIRM_ROLLBACK): S.ROLLED_BACK,
    (S.NEEDS_ATTENTION, Do.COMPLETE): S.COMPLETED,
    # What began behind a broken glass is reviewed within a day, wherever it stands by then.
    (S.DEPLOYING, Do.REVIEW): S.DEPLOYING,
    (S.SHADOW, Do.REVIEW): S.SHADOW,
    (S.BAKING, Do.REVIEW): S.BAKING,
    (S.PAUSED, Do.REVIEW): S.PAUSED,
    (S.AWAITING_STEP, Do.REVIEW): S.AWAITING_STEP,
    (S.AWAITING_PROMOTE, Do.REVIEW): S.AWAITING_PROMOTE,
    (S.PROMOTING, Do.REVIEW): S.PROMOTING,
    (S.SOAKING, Do.REVIEW): S.SOAKING,
    (S.ROLLING_BACK, Do.REVIEW): S.ROLLING_BACK,
    (S.NEEDS_ATTENTION, Do.REVIEW): S.NEEDS_ATTENTION,
    (S.COMPLETED, Do.REVIEW): S.COMPLETED,
    (S.ROLLED_BACK, Do.REVIEW): S.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One request to the machine. `changes` are the fields of the release that the command sets beside its state."""

    do: Do
    actor: Actor
    reason: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


class TransitionRefused(Refused):
    """The release is not where the command could be carried out."""

    def __init__(self, release: Release, do: Do) -> None:
        can = ", ".join(possible(release.state)) or "nothing, it has ended"
        super().__init__(f"release {release.id} ({release.name}) is {release.state}: cannot {do}. Possible now: {can}")


def possible(state: State) -> list[Do]:
    """Return what can be asked of a release in this state, in the table's order."""
    return [do for (at, do) in TRANSITIONS if at is state]


def apply(release: Release, command: Command, *, now: datetime) -> tuple[Release, AuditEntry]:
    """Return the release after `command`, and the entry that records it.

    Raises:
        TransitionRefused: the table has no such transition.
    """
    try:
        state = TRANSITIONS[release.state, command.do]
    except KeyError:
        raise TransitionRefused(release, command.do) from None
    moved = state is not release.state
    changes: dict[str, Any] = {
        **_consequences(release, command.do, now), **({"since": now} if moved else {}), **command.changes,
    }
    after = replace(release, **{**changes, "state": state, "revision": release.revision + 1})
    entry = AuditEntry(
        at=now, actor=command.actor, action=str(command.do), subject=f"release:{release.id}", reason=command.reason,
        evidence=after.subject_hash,
        detail={
            "model": release.model, "environment": release.environment, "version": release.version,
            "from": str(release.state), "to": str(state), "revision": after.revision, **command.detail,
        },
    )
    return after, entry


def _consequences(release: Release, do: Do, now: datetime) -> dict[str, Any]:  # noqa: PLR0911 -- one per command
    """Return the fields that a command always sets, whoever asks."""
    match do:
        case Do.RECORD | Do.VOID:
            return {"expires_at": now + APPROVAL_LIFE}
        case Do.DEPLOY:
            return {"deadline_at": now + timedelta(seconds=release.plan.deadline_s), "note": ""}
        case Do.BEGIN_SHADOW | Do.RESUME:
            return {"step_since": now, "pause": Pause.NONE, "note": ""}
        case Do.BEGIN_STEP:
            return {"step": release.step + 1, "step_since": now, "pause": Pause.NONE, "note": ""}
        case Do.ASK_PROMOTE | Do.ASK_STEP:
            return {"pause": Pause.NONE}
        case Do.ROLL_BACK:
            return {"back_to": release.champion, "pause": Pause.NONE}
        case Do.BREAK_GLASS:
            return {"break_glass": True, "review_by": now + REVIEW_WITHIN}
        case Do.REVIEW:
            return {"review_by": None}
        case _:
            return {}
