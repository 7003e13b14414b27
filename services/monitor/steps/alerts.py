"""Evaluate the rules over the newest measurements, keep the incidents, queue who is to be told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.alerts.evaluate import REOPEN_WITHIN, Transition, evaluate, lapse
from services.alerts.incident import Incident, State
from services.alerts.notify import Message, Told, on_event, on_time
from services.alerts.on_call import Rotation
from services.alerts.ports import IncidentStore
from services.alerts.rule import Rule, in_force
from services.alerts.telling import Letter, letters
from services.core.measurement import Measurement


class Measured(Protocol):
    """Where the newest measurements are."""

    def newest(self) -> list[tuple[Measurement, datetime]]:
        """Return the newest measurement of each question, with since when its verdict holds."""
        ...


class Outbox(Protocol):
    """Where letters wait to be sent."""

    def told(self, incident_ids: Sequence[int]) -> dict[int, tuple[Told, int]]:
        """Return what was told last of each incident, and how often anything was."""
        ...

    def queue(self, letters: Sequence[Letter], *, now: datetime) -> int:
        """Add letters that are not there yet."""
        ...


@dataclass(kw_only=True)
class AlertsStep:
    """The last step of a pass: what was measured becomes incidents and letters."""

    measured: Measured
    incidents: IncidentStore
    outbox: Outbox
    rules: Sequence[Rule]
    rotation: Callable[[datetime], Rotation]
    urls: Sequence[str]
    link: str
    repeat: timedelta
    escalate: timedelta
    brief: Callable[[Incident], Sequence[str]] = lambda _incident: ()
    name: str = "alerts"

    def run(self, *, now: datetime) -> str:
        """Evaluate, store, queue."""
        known = self.incidents.current(resolved_since=now - REOPEN_WITHIN)
        rules = in_force(self.rules, self.incidents.rules())
        done = evaluate(rules, [m for m, _ in self.measured.newest()], self.incidents.standings(), known, now=now)
        changed = {t.incident.id for t in done.transitions}
        lapsed = [t for i in known if i.id not in changed and (t := lapse(i, now=now))]
        told = self.outbox.told([i.id for i in known])
        stored = self.incidents.apply(
            done.standings, [*done.transitions, *lapsed], tell=lambda stored: self._news(stored, told, now), now=now
        )
        reminded = self._remind(now)
        still = self.incidents.current(resolved_since=now)
        return f"{sum(i.state is not State.RESOLVED for i in still)} open, {len(stored)} changed, {reminded} reminders"

    def _news(self, stored: Sequence[Transition], told: Mapping[int, tuple[Told, int]], now: datetime) -> list[Letter]:
        found = []
        for transition in stored:
            incident = transition.incident
            message = on_event(incident, transition.event.kind, told_before=incident.id in told, now=now)
            if message:
                found += self._letters(incident, message, now, nth=incident.revision)
        return found

    def _remind(self, now: datetime) -> int:
        current = [i for i in self.incidents.current(resolved_since=now) if i.state is State.OPEN]
        told = self.outbox.told([i.id for i in current])
        levels = max(0, len(self.rotation(now).people) - 1)
        found = []
        for incident in current:
            last, times = told.get(incident.id, (None, 0))
            message = on_time(incident, last, repeat=self.repeat, escalate=self.escalate, levels=levels, now=now)
            if message:
                found += self._letters(incident, message, now, nth=times)
        return self.outbox.queue(found, now=now)

    def _letters(self, incident: Incident, message: Message, now: datetime, *, nth: int) -> list[Letter]:
        return letters(incident, message, rotation=self.rotation(now), urls=self.urls, link=self.link, now=now, nth=nth,
                       briefing=self.brief(incident))
