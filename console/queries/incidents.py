"""What the incident pages show: the list, one incident with its history, suspects and runbook, and the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from console import session
from services.alerts.evaluate import REOPEN_WITHIN
from services.alerts.from_settings import all_rules
from services.alerts.incident import Event, EventKind, Incident, ranked, urgent_first
from services.alerts.on_call import Duty
from services.alerts.precision import Precision, precision
from services.alerts.rule import Rule, in_force
from services.alerts.rules import Version
from services.alerts.runbook import Runbook
from services.alerts.suspects import LOOK_BACK, Suspect, suspects
from services.core.measurement import Measurement
from services.core.window import TimeWindow
from services.errors import NotFound

_TREND = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One notification about an incident, with every attempt to send it in words."""

    key: str
    at: datetime
    why: str
    whom: str
    state: str
    attempts: int
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One incident and everything that is shown beside it."""

    incident: Incident
    events: list[Event]
    suspects: list[Suspect]
    letters: list[Letter]
    runbook: Runbook | None
    trend: list[Measurement]
    as_of: datetime | None

    @property
    def steps_done(self) -> list[str]:
        """The runbook steps checked off so far."""
        return [e.text for e in self.events if e.kind is EventKind.STEP_DONE]


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def listed(*, resolved: bool) -> tuple[list[Incident], datetime | None]:
    """Return the incidents, most urgent first, and when the rules were last evaluated."""
    services = session.services()
    step = services.sources.get("step:alerts")
    table = services.incidents
    found = table.history() if resolved else table.current(resolved_since=session.now() - REOPEN_WITHIN)
    shown = [i for i in found if resolved or i.state != "resolved"]
    return urgent_first(shown, now=session.now()), step.as_of if step else None


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def detail(number: int) -> Detail:
    """Return one incident.

    Raises:
        NotFound: there is none of that number.
    """
    services = session.services()
    incident, events = services.incidents.get(number)
    opened = incident.opened_at
    around = TimeWindow(opened - LOOK_BACK, opened + timedelta(minutes=5))
    leading = next(iter(ranked(incident.members)), None)
    trend: Sequence[Measurement] = []
    if leading:
        span = TimeWindow(opened - _TREND, max(session.now(), opened))
        trend = services.measurements.history(span, subject=incident.subject, name=leading.name,
                                              environment=incident.environment, column=leading.column)
    step = services.sources.get("step:alerts")
    return Detail(
        incident=incident, events=events, suspects=suspects(opened, services.changes.changes(incident.subject, around)),
        letters=_letters(number), runbook=_runbook(incident.runbook), trend=list(trend),
        as_of=step.as_of if step else incident.changed_at,
    )


def _letters(number: int) -> list[Letter]:
    table = session.services().notifications
    tried = table.attempts(number)
    return [
        Letter(key=row.key, at=row.created_at, why=row.reason, whom=row.person, state=row.state, attempts=row.attempts,
               tried=tuple(f"{at:%H:%M:%S} UTC {error or 'sent'}" for at, error in tried.get(row.key, ())))
        for row in table.of_incident(number)
    ]


def _runbook(name: str) -> Runbook | None:
    try:
        return session.services().runbooks.get(name) if name else None
    except NotFound:
        return None


@st.cache_data(ttl=60, max_entries=2, show_spinner=False)
def runbooks() -> dict[str, Runbook]:
    """Return every runbook by name."""
    return session.services().runbooks.all()


@st.cache_data(ttl=15, max_entries=2, show_spinner=False)
def rules() -> list[Rule]:
    """Return the rules in force."""
    return in_force(all_rules(session.settings()), session.services().incidents.rules())


@st.cache_data(ttl=15, max_entries=2, show_spinner=False)
def rule_versions() -> dict[str, list[Version]]:
    """Return by name every version of a rule that was saved on the page, oldest first."""
    return session.services().incidents.rule_versions()


def origin(name: str) -> Rule | None:
    """Return a rule as it is shipped or as the settings say; None for one that was made on the page."""
    return next((rule for rule in reversed(all_rules(session.settings())) if rule.name == name), None)


@st.cache_data(ttl=60, max_entries=2, show_spinner=False)
def marked() -> dict[str, Precision]:
    """Return per rule how many of its marked incidents were useful."""
    return precision(session.services().incidents.history(limit=1000))


@st.cache_data(ttl=30, max_entries=2, show_spinner=False)
def duty() -> Duty:
    """Return who is on call now, until when, and who is next."""
    now = session.now()
    return session.services().on_call.rotation(now).duty(now)
