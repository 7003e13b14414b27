"""Compose what people are told about an incident: who, on which address, in which words, under which key.

Queuing is done by the caller in the store; sending in adapters/notifier.py. What was changed before the incident and
what to do first come from briefing.py.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.alerts.incident import Event, Incident
from services.alerts.notify import Message, Reason, of_deed
from services.alerts.on_call import Rotation
from services.core.audit import digest
from services.core.window import span_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message to one address. Equal letters have equal keys, so none is queued twice."""

    key: str
    incident_id: int
    reason: Reason
    level: int
    address: str
    person: str
    title: str
    body: str
    attachment: str = ""  # what to draw and send with it, such as `report:3`


def letters(
    incident: Incident, message: Message, *, rotation: Rotation, urls: Sequence[str], link: str, now: datetime,
    nth: int = 0, briefing: Sequence[str] = (),
) -> list[Letter]:
    """Return the letters for one message: to whom the rotation names, and to the team's own addresses.

    `nth` tells repeats of the same news apart; `briefing` says why perhaps, and what to do first.
    """
    person = rotation.at_level(message.level, now)
    name = person.name if person else "nobody is on call"
    reach: Iterable[str] = dict.fromkeys([*(person.reach if person else ()), *urls])
    title = f"[{incident.severity}] {message.reason}: {incident.title}"
    body = _body(incident, message, name, link, now, briefing)
    return [
        Letter(
            key=digest([incident.id, incident.opened_at.isoformat(), str(message.reason), message.level, nth, address]),
            incident_id=incident.id, reason=message.reason, level=message.level, address=address, person=name,
            title=title[:250], body=body,
        )
        for address in reach
    ]


def of_what_was_done(incident: Incident, event: Event, *, urls: Sequence[str], link: str) -> list[Letter]:
    """Return the letters that tell the team's own addresses what a person did; none where it is no change of state."""
    reason = of_deed(event.kind)
    if reason is None:
        return []
    title = f"[{incident.severity}] {reason}: {incident.title}"
    body = "\n".join([incident.title, "", f"{event.by}: {reason}, {event.text}", *_linked(incident, link)])
    return [
        Letter(key=digest([incident.id, incident.opened_at.isoformat(), str(reason), incident.revision, address]),
               incident_id=incident.id, reason=reason, level=0, address=address, person="the team", title=title[:250],
               body=body)
        for address in dict.fromkeys(urls)
    ]


Tell = Callable[[Incident, Event], Sequence[Letter]]


def _linked(incident: Incident, link: str) -> list[str]:
    return ["", f"{link.rstrip('/')}/incidents?incident={incident.id}"] if link else []


def _body(
    incident: Incident, message: Message, person: str, link: str, now: datetime, briefing: Sequence[str]
) -> str:
    lines = [incident.title, ""]
    if message.reason is Reason.RESOLVED:
        lines.append(f"Over after {span_text(now - incident.opened_at)}.")
    else:
        lines.append(f"For {span_text(now - incident.opened_at)}, {incident.environment or 'everywhere'}. "
                     f"On call: {person}.")
    lines += [f"- {m.reason}" for m in incident.members[:8]]
    if len(incident.members) > 8:
        lines.append(f"- and {len(incident.members) - 8} more")
    if message.reason is not Reason.RESOLVED:
        lines += briefing
    if incident.runbook:
        lines.append(f"Runbook: {incident.runbook}")
    return "\n".join([*lines, *_linked(incident, link)])
