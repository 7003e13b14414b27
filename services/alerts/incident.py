"""What an incident is, and which questions belong to the same one.

An incident gathers every firing question about one thing and one family of causes: forty features moved by one
upstream feed are one incident, and its title names the feed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.alerts.rule import Severity
from services.core.measurement import Measurement, Pipeline


class State(StrEnum):
    """Where an incident is. Silence is not a state: a silenced incident goes on being open."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class EventKind(StrEnum):
    """What happened to an incident; names are past events."""

    OPENED = "opened"
    WORSENED = "worsened"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGEMENT_ENDED = "acknowledgement ended"
    SILENCED = "silenced"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MARKED = "marked"
    STEP_DONE = "runbook step done"
    NOTED = "noted"


# Which family a measurement belongs to, and how near to the cause it is: the lowest number names the incident.
# A null feed moves the drift of its own column, of the prediction and the quality; the feed comes first.
FAMILY: Final[dict[str, tuple[str, int]]] = {
    "missing_rate": ("inputs", 0),
    "wrong_type_rate": ("inputs", 1),
    "schema": ("inputs", 1),
    "duplicate_keys": ("inputs", 2),
    "unseen_rate": ("inputs", 3),
    "out_of_range_rate": ("inputs", 3),
    "skew": ("inputs", 5),
    "drift": ("inputs", 5),
    "drift_seasonal": ("inputs", 5),
    "prediction_skew": ("inputs", 7),
    "prediction_drift": ("inputs", 7),
    "prediction_drift_seasonal": ("inputs", 7),
    "worst_slice": ("inputs", 6),
    "estimated_quality": ("inputs", 8),
    "quality": ("inputs", 9),
    "outage": ("delivery", 0),
    "volume": ("delivery", 1),
    "error_share": ("delivery", 2),
    "latency_p95_ms": ("delivery", 3),
    "log_freshness": ("delivery", 4),
    "monitor_stopped": ("pulse", 0),
    "monitor_pause": ("pulse", 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One firing question inside an incident."""

    key: str
    name: str
    column: str
    slice: str
    reason: str
    rule: str
    since: datetime
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something is wrong with one thing. `revision` grows with every change; saving is compare-and-set on it."""

    id: int
    group: str
    subject: str
    environment: str
    pipeline: Pipeline
    severity: Severity
    state: State
    title: str
    opened_at: datetime
    changed_at: datetime
    members: tuple[Member, ...]
    owner: str = ""
    runbook: str = ""
    acknowledged_by: str = ""
    acknowledged_until: datetime | None = None
    silenced_until: datetime | None = None
    silence_reason: str = ""
    resolved_at: datetime | None = None
    useful: bool | None = None
    revision: int = 0

    def silenced(self, now: datetime) -> bool:
        """Tell whether nobody is to be told at this time."""
        return self.silenced_until is not None and now < self.silenced_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an incident's history."""

    kind: EventKind
    at: datetime
    by: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


def group_of(m: Measurement) -> str:
    """Return the name of the incident that a firing measurement belongs to."""
    family = FAMILY.get(m.name, (m.name, 0))[0]
    return "|".join((str(m.pipeline if family == m.name else ""), m.subject, m.environment, family))


def title_of(subject: str, members: Sequence[Member]) -> str:
    """Say what is wrong in one line: the member nearest to the cause, and how many questions fire with it."""
    first = ranked(members)[0]
    others = {m.column for m in members if m.column and m.column != first.column}
    tail = f"; {len(others)} more column{'s' if len(others) != 1 else ''} with it" if others else ""
    return f"{subject}: {first.reason}{tail}"


def urgent_first(incidents: Iterable[Incident], *, now: datetime) -> list[Incident]:
    """Return incidents in the order in which they want somebody: open pages that nobody has taken, newest first."""
    return sorted(incidents, key=lambda i: (i.state is State.RESOLVED, i.silenced(now), i.severity is not Severity.PAGE,
                                            i.state is State.ACKNOWLEDGED, -i.opened_at.timestamp()))


def what(incident: Incident) -> str:
    """Return what is wrong, for a place where the thing itself is named already."""
    lead = f"{incident.subject}: "
    said = incident.title.removeprefix(lead)
    return said.removeprefix(lead)


def ranked(members: Iterable[Member]) -> list[Member]:
    """Return the members, nearest to the cause first; of equals the one that began first, then the largest."""
    return sorted(members, key=lambda m: (FAMILY.get(m.name, (m.name, 0))[1], m.since, -(m.value or 0.0), m.column))
