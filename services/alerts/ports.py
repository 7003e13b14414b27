"""What alerts need from outside: a place to keep incidents, and where changes are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.alerts.evaluate import Standing, Transition
from services.alerts.incident import Event, Incident
from services.alerts.rule import Rule
from services.alerts.telling import Letter
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.window import TimeWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that was changed and may be the cause: a release step, a retrain, a schema edit, a quota event."""

    at: datetime
    kind: str
    text: str
    link: str = ""


class ChangeSource(Protocol):
    """Knows what was changed around a thing."""

    def changes(self, subject: str, window: TimeWindow) -> list[Change]:
        """Return what changed about a subject in a window, oldest first."""
        ...


class IncidentStore(Protocol):
    """Keeps incidents, their history, and what is remembered between evaluations."""

    def standings(self) -> Mapping[str, Standing]:
        """Return where every question stood after the last evaluation."""
        ...

    def current(self, *, resolved_since: datetime) -> list[Incident]:
        """Return the incidents that are open or were resolved since."""
        ...

    def get(self, incident_id: int) -> tuple[Incident, list[Event]]:
        """Return an incident and its history, oldest first; NotFound when there is none."""
        ...

    def apply(
        self, standings: Mapping[str, Standing], transitions: Sequence[Transition], *,
        tell: Callable[[Sequence[Transition]], Sequence[Letter]], now: datetime,
    ) -> list[Transition]:
        """Store an evaluation and the letters that `tell` makes of it in one transaction.

        Returns the transitions that were stored, with the ids that new incidents got.
        """
        ...

    def change(
        self, incident_id: int, *, op_id: str, actor: Actor, command: str, now: datetime,
        work: Callable[[Incident], tuple[Incident, Event, AuditEntry]],
    ) -> dict[str, object]:
        """Load, decide, save once per `op_id`, with its audit entry, in one transaction."""
        ...

    def rules(self) -> list[Rule]:
        """Return the rules edited on the Rules page, newest version of each."""
        ...
