"""What a person may ask of an incident: acknowledge, silence, resolve, mark, check off a runbook step.

Each loads, decides and saves in one transaction through the store; a repeat with the same `op_id` answers the same.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.alerts.incident import Event, EventKind, Incident, State
from services.alerts.ports import IncidentStore
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry, digest
from services.core.window import span_text
from services.errors import Refused

LONGEST_ACKNOWLEDGEMENT: Final = timedelta(hours=24)
LONGEST_SILENCE: Final = timedelta(days=14)

Decided = tuple[Incident, EventKind, str]


def acknowledge(
    store: IncidentStore, incident_id: int, *, actor: Actor, hold: timedelta, op_id: str, now: datetime,
    reason: str = "",
) -> dict[str, object]:
    """Say that the actor is on it for `hold`; nobody else is told while it lasts."""
    _within(hold, LONGEST_ACKNOWLEDGEMENT, "an acknowledgement")

    def decide(incident: Incident) -> Decided:
        _open(incident)
        until = now + hold
        after = replace(incident, state=State.ACKNOWLEDGED, acknowledged_by=actor.label or actor.subject,
                        acknowledged_until=until)
        return after, EventKind.ACKNOWLEDGED, f"for {span_text(hold)}{_because(reason)}"

    return _do(store, incident_id, Action.ACKNOWLEDGE, decide, actor=actor, op_id=op_id, now=now, reason=reason)


def silence(
    store: IncidentStore, incident_id: int, *, actor: Actor, hold: timedelta, reason: str, op_id: str, now: datetime
) -> dict[str, object]:
    """Tell nobody about it for `hold`. A reason is required: a silence outlives the person's memory of it."""
    _within(hold, LONGEST_SILENCE, "a silence")
    _reasoned(reason, "silence")

    def decide(incident: Incident) -> Decided:
        _open(incident)
        after = replace(incident, silenced_until=now + hold, silence_reason=reason.strip())
        return after, EventKind.SILENCED, f"for {span_text(hold)}{_because(reason)}"

    return _do(store, incident_id, Action.SILENCE, decide, actor=actor, op_id=op_id, now=now, reason=reason)


def resolve(
    store: IncidentStore, incident_id: int, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, object]:
    """Close it by hand, with a reason; what still fires opens it again at the next pass, and says so."""
    _reasoned(reason, "resolve")

    def decide(incident: Incident) -> Decided:
        _open(incident)
        return replace(incident, state=State.RESOLVED, resolved_at=now), EventKind.RESOLVED, reason.strip()

    return _do(store, incident_id, Action.RESOLVE, decide, actor=actor, op_id=op_id, now=now, reason=reason)


def mark(
    store: IncidentStore, incident_id: int, *, actor: Actor, useful: bool, op_id: str, now: datetime
) -> dict[str, object]:
    """Say whether the incident was useful or noise; precision per rule is counted from these."""

    def decide(incident: Incident) -> Decided:
        return replace(incident, useful=useful), EventKind.MARKED, "useful" if useful else "noise"

    return _do(store, incident_id, Action.MARK_INCIDENT, decide, actor=actor, op_id=op_id, now=now)


def check_step(
    store: IncidentStore, incident_id: int, *, actor: Actor, step: str, op_id: str, now: datetime
) -> dict[str, object]:
    """Record that a step of the runbook was done."""

    def decide(incident: Incident) -> Decided:
        return incident, EventKind.STEP_DONE, step

    return _do(store, incident_id, Action.ACKNOWLEDGE, decide, actor=actor, op_id=op_id, now=now)


def _do(
    store: IncidentStore, incident_id: int, action: Action, decide: Callable[[Incident], Decided], *, actor: Actor,
    op_id: str, now: datetime, reason: str = "",
) -> dict[str, object]:
    def work(incident: Incident) -> tuple[Incident, Event, AuditEntry]:
        # Checked on the loaded incident: what it is about decides who may touch it.
        require(actor, action, model=incident.subject, environment=incident.environment)
        after, kind, text = decide(incident)
        event = Event(kind=kind, at=now, by=actor.identity, text=text)
        entry = AuditEntry(at=now, actor=actor, action=str(action), subject=f"incident:{incident_id}", reason=reason,
                           evidence=digest([incident.title, incident.revision]), detail={"text": text})
        return replace(after, changed_at=now, revision=incident.revision + 1), event, entry

    return store.change(incident_id, op_id=op_id, actor=actor, command=str(action), now=now, work=work)


def _open(incident: Incident) -> None:
    if incident.state is State.RESOLVED:
        raise Refused(f"incident {incident.id} is resolved already: nothing to do")


def _reasoned(reason: str, what: str) -> None:
    if not reason.strip():
        raise Refused(f"to {what} takes a reason: say in a few words why")


def _within(hold: timedelta, longest: timedelta, what: str) -> None:
    if not timedelta(0) < hold <= longest:
        raise Refused(f"{what} lasts up to {span_text(longest)}: choose a shorter time")


def _because(reason: str) -> str:
    return f": {reason.strip()}" if reason.strip() else ""
