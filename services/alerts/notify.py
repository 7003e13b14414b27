"""Decide whether an incident's people are told now, and why; sending is in adapters/notifier.py.

What was told is data (`Told`), so a restart never tells twice, and an interruption never forgets.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.alerts.incident import EventKind, Incident, State
from services.alerts.rule import Severity


class Reason(StrEnum):
    """Why somebody is told."""

    OPENED = "opened"
    WORSENED = "worsened"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    REPEATED = "still open"
    ESCALATED = "nobody acknowledged"
    REPORT = "quota report"  # of no incident: a month's report that goes to its readers
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    CLOSED = "closed by hand"


# What a person did to an incident: news for the team's own addresses, and no reason to wake anybody.
DEEDS: Final = frozenset({Reason.ACKNOWLEDGED, Reason.SILENCED, Reason.CLOSED})
OVER: Final = frozenset({Reason.RESOLVED, Reason.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told last about an incident: why, when, at which of its revisions, and how far it was escalated."""

    reason: Reason
    at: datetime
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell. `level` counts escalations: 0 goes to who is on call, 1 to the next, and so on."""

    reason: Reason
    level: int


_OF_DEED = {
    EventKind.ACKNOWLEDGED: Reason.ACKNOWLEDGED,
    EventKind.SILENCED: Reason.SILENCED,
    EventKind.RESOLVED: Reason.CLOSED,
}
_OF_EVENT = {
    EventKind.OPENED: Reason.OPENED,
    EventKind.WORSENED: Reason.WORSENED,
    EventKind.REOPENED: Reason.REOPENED,
    EventKind.RESOLVED: Reason.RESOLVED,
}


def on_event(incident: Incident, kind: EventKind, *, told_before: bool, now: datetime) -> Message | None:
    """Return what a change of state is worth telling, or None.

    A silenced incident tells nothing while the silence lasts. A resolution is told only to those who were told of
    the fault. What people did themselves is `of_deed`'s.
    """
    reason = _OF_EVENT.get(kind)
    if reason is None or incident.silenced(now):
        return None
    if reason is Reason.RESOLVED and not told_before:
        return None
    # Whoever acknowledged watches the page; more of the same does not wake them again, but worse does.
    if reason is Reason.WORSENED and incident.state is State.ACKNOWLEDGED and incident.severity is Severity.TICKET:
        return None
    return Message(reason=reason, level=0)


def of_deed(kind: EventKind) -> Reason | None:
    """Return under which reason the team hears of what a person did, or None where it is no change of state.

    The person on call is not written to: who acknowledged knows, and the others need not be woken.
    """
    return _OF_DEED.get(kind)


def on_time(
    incident: Incident, last: Told | None, *, repeat: timedelta, escalate: timedelta, levels: int, now: datetime
) -> Message | None:
    """Return what the passing of time is worth telling: an escalation, a repeat, or None.

    `levels` is how many people there are to escalate to beyond the first.
    """
    if incident.state is not State.OPEN or incident.silenced(now):
        return None
    if last is None:
        # Nobody was told yet: a silence has just ended over an incident that is still open.
        return Message(reason=Reason.REPEATED, level=0)
    if incident.severity is Severity.PAGE and last.level < levels and now - last.at >= escalate:
        return Message(reason=Reason.ESCALATED, level=last.level + 1)
    if now - last.at >= repeat:
        return Message(reason=Reason.REPEATED, level=last.level)
    return None
