"""Measurements, rules and a small history driver for the tests of alerts."""

from datetime import UTC, datetime, timedelta

from services.alerts.evaluate import evaluate
from services.alerts.incident import Incident, State
from services.alerts.rule import Rule
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def measured(verdict=Verdict.FAIL, *, at=NOW, **changes) -> Measurement:
    return Measurement(**{
        "name": "latency_p95_ms", "pipeline": Pipeline.SERVING, "subject": "flight-delay", "environment": "production",
        "window": TimeWindow(at - HOUR, at), "at": at, "verdict": verdict, "reason": "p95 is 412 ms", "value": 412.0,
        "n": 100, **changes,
    })


def rule(**changes) -> Rule:
    return Rule(**{"name": "latency", "measurement": "latency_p95_ms", **changes})


class History:
    """What the store would hold: standings and incidents, driven pass by pass."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = list(rules)
        self.standings = {}
        self.incidents: dict[int, Incident] = {}
        self.events = []

    def run(self, *measurements: Measurement, now: datetime) -> list[str]:
        done = evaluate(self.rules, measurements, self.standings, list(self.incidents.values()), now=now)
        self.standings = dict(done.standings)
        kinds = []
        for transition in done.transitions:
            incident = transition.incident
            if incident.id == 0:
                incident = _with_id(incident, len(self.incidents) + 1)
            self.incidents[incident.id] = incident
            self.events.append((incident.id, transition.event))
            kinds.append(str(transition.event.kind))
        return kinds

    @property
    def open(self) -> list[Incident]:
        return [i for i in self.incidents.values() if i.state is not State.RESOLVED]


def _with_id(incident: Incident, number: int) -> Incident:
    from dataclasses import replace

    return replace(incident, id=number)
