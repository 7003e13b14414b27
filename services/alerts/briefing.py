"""Say in two lines what whoever is woken wants to know first: what changed shortly before, and what to do first."""

from collections.abc import Sequence

from services.alerts.incident import Incident
from services.alerts.ports import Change
from services.alerts.runbook import Runbook
from services.alerts.suspects import suspects


def briefing(incident: Incident, changes: Sequence[Change], book: Runbook | None) -> list[str]:
    """Return the nearest change before the incident and the first step of its runbook, each where there is one.

    A change is named as a coincidence in time; nothing here claims a cause.
    """
    near = suspects(incident.opened_at, changes)[:1]
    return [*(f"It {s.text}." for s in near), *(f"First: {step}" for step in (book.steps[:1] if book else ()))]
