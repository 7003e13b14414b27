"""Decide who may do what, from the grants an actor carries.

The one role table of the product: services, pages, the command line and the documents read it. Where grants come
from (demo personas, the operating system's user, OIDC, the roles table) is decided at the edge.
Rules that need the release itself (the proposer never approves) live in services/releases.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.errors import NotAllowed


class Role(StrEnum):
    """What a person is trusted with, per model and environment."""

    VIEWER = "viewer"
    AUTHOR = "author"
    APPROVER = "approver"
    ON_CALL = "on-call"
    MANAGER = "manager"
    ADMIN = "admin"


class Action(StrEnum):
    """Everything a person can ask for that changes something, and the one right to look."""

    VIEW = "view"
    PROPOSE = "propose"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    ROLL_BACK = "roll back"
    RESOLVE_DRIFT = "adopt or revert"
    BREAK_GLASS = "break glass"
    DRILL = "drill"
    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    RESOLVE = "resolve"
    MARK_INCIDENT = "mark useful or noise"
    CORRECT_FAILURE = "correct a failure class"
    ACCEPT_VALUE = "accept a value"
    EDIT_RULES = "edit rules"
    EDIT_SCHEMA = "edit schema"
    RUN_JOB = "run a job"
    RELEASE_QUARANTINE = "release from quarantine"
    ISSUE_REPORT = "issue a report"
    SIGN_REPORT = "sign a report"
    EDIT_ROLES = "edit roles"
    RESEND = "resend a notification"
    MAINTAIN = "back up, restore, prune"


_EVERYONE: Final = frozenset(Role)
_ON_CALL: Final = frozenset({Role.ON_CALL, Role.ADMIN})
_APPROVERS: Final = frozenset({Role.APPROVER})
_AUTHORS: Final = frozenset({Role.AUTHOR, Role.ON_CALL, Role.ADMIN})
_ADMINS: Final = frozenset({Role.ADMIN})

# An admin keeps the house and holds the on-call's tools, but does not approve: approval is a role of its own,
# so that nobody grants themselves a signature in one step.
ALLOWED: Final[dict[Action, frozenset[Role]]] = {
    Action.VIEW: _EVERYONE,
    Action.PROPOSE: frozenset({Role.AUTHOR}),
    Action.CANCEL: frozenset({Role.AUTHOR, Role.ON_CALL, Role.ADMIN}),
    Action.APPROVE: _APPROVERS,
    Action.REJECT: _APPROVERS,
    Action.PROMOTE: frozenset({Role.APPROVER, Role.ON_CALL}),
    Action.PAUSE: frozenset({Role.APPROVER, Role.ON_CALL, Role.ADMIN}),
    Action.RESUME: frozenset({Role.APPROVER, Role.ON_CALL, Role.ADMIN}),
    Action.ROLL_BACK: frozenset({Role.APPROVER, Role.ON_CALL, Role.ADMIN}),
    Action.RESOLVE_DRIFT: _ON_CALL,
    Action.BREAK_GLASS: frozenset({Role.ON_CALL}),
    Action.DRILL: _AUTHORS,
    Action.ACKNOWLEDGE: _ON_CALL,
    Action.SILENCE: _ON_CALL,
    Action.RESOLVE: _ON_CALL,
    Action.MARK_INCIDENT: frozenset({Role.AUTHOR, Role.APPROVER, Role.ON_CALL, Role.ADMIN}),
    Action.CORRECT_FAILURE: _AUTHORS,
    Action.ACCEPT_VALUE: _AUTHORS,
    Action.EDIT_RULES: _ADMINS,
    Action.EDIT_SCHEMA: _AUTHORS,
    Action.RUN_JOB: frozenset({Role.AUTHOR, Role.APPROVER, Role.ON_CALL, Role.MANAGER, Role.ADMIN}),
    Action.RELEASE_QUARANTINE: _ON_CALL,
    Action.ISSUE_REPORT: frozenset({Role.MANAGER, Role.ADMIN}),
    Action.SIGN_REPORT: frozenset({Role.MANAGER}),
    Action.EDIT_ROLES: _ADMINS,
    Action.RESEND: _ON_CALL,
    Action.MAINTAIN: _ADMINS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One role on the models and environments it covers; `*` covers all."""

    role: Role
    model: str = "*"
    environment: str = "*"

    def covers(self, model: str, environment: str) -> bool:
        """Tell whether the grant reaches this model and environment; an empty name asks for house-wide reach."""
        return self.model in ("*", model) and self.environment in ("*", environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks. Two actors are the same person only when issuer and subject are equal."""

    subject: str
    issuer: str
    method: str  # demo, os, oidc, header, system: how we know; recorded with every decision
    grants: tuple[Grant, ...] = ()
    label: str = ""
    ends_at: datetime | None = None  # when the sign-in no longer counts; None where it does not age

    @property
    def identity(self) -> str:
        """The stable name under which decisions are recorded and compared."""
        return f"{self.issuer}:{self.subject}"

    def roles(self, *, model: str = "", environment: str = "") -> frozenset[Role]:
        """Return the roles held on this model and environment."""
        return frozenset(g.role for g in self.grants if g.covers(model, environment))


def system_actor(part: str) -> Actor:
    """Return the actor under which the monitor records what it did by itself."""
    return Actor(subject=part, issuer="interlock", method="system", label=part)


def may(actor: Actor, action: Action, *, model: str = "", environment: str = "") -> bool:
    """Tell whether the role table permits the action; for hiding a button, never for protecting it."""
    return bool(actor.roles(model=model, environment=environment) & ALLOWED[action])


def require(actor: Actor, action: Action, *, model: str = "", environment: str = "") -> None:
    """Return when permitted.

    Raises:
        NotAllowed: none of the actor's roles permits it; the message names the roles that would.
    """
    if may(actor, action, model=model, environment=environment):
        return
    where = " ".join(part for part in (model, environment) if part) or "this installation"
    needed = " or ".join(sorted(ALLOWED[action]))
    held = ", ".join(sorted(actor.roles(model=model, environment=environment))) or "no role"
    raise NotAllowed(f"{actor.label or actor.subject} holds {held} on {where}: to {action} takes {needed}",
                     action=str(action), place=where)
