"""Told once, again when nobody comes, never while silenced."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.alerts.evaluate import evaluate
from services.alerts.incident import EventKind, State
from services.alerts.notify import Message, Reason, Told, on_event, on_time
from services.alerts.rule import Severity
from tests.unit.alerts.alert_builders import MINUTE, NOW, measured, rule

(opened,) = evaluate([rule(severity=Severity.PAGE)], [measured()], {}, [], now=NOW).transitions
INCIDENT = opened.incident
EVERY = {"repeat": timedelta(hours=4), "escalate": 15 * MINUTE, "levels": 2}


def test_opening_is_told_at_once():
    assert on_event(INCIDENT, EventKind.OPENED, told_before=False, now=NOW) == Message(reason=Reason.OPENED, level=0)


def test_a_resolution_is_told_only_to_those_who_knew():
    assert on_event(INCIDENT, EventKind.RESOLVED, told_before=False, now=NOW) is None
    assert on_event(INCIDENT, EventKind.RESOLVED, told_before=True, now=NOW).reason is Reason.RESOLVED


@pytest.mark.parametrize("kind", [EventKind.ACKNOWLEDGED, EventKind.SILENCED, EventKind.MARKED, EventKind.NOTED])
def test_what_people_did_themselves_is_not_told_to_them(kind):
    assert on_event(INCIDENT, kind, told_before=True, now=NOW) is None


def test_a_silenced_incident_tells_nobody_until_the_silence_ends():
    silent = replace(INCIDENT, silenced_until=NOW + MINUTE)
    assert on_event(silent, EventKind.WORSENED, told_before=True, now=NOW) is None
    assert on_time(silent, None, now=NOW, **EVERY) is None
    assert on_time(silent, None, now=NOW + MINUTE, **EVERY).reason is Reason.REPEATED


def test_a_page_that_nobody_acknowledges_goes_to_the_next_and_then_the_next():
    last = Told(reason=Reason.OPENED, at=NOW)
    assert on_time(INCIDENT, last, now=NOW + 14 * MINUTE, **EVERY) is None
    first = on_time(INCIDENT, last, now=NOW + 15 * MINUTE, **EVERY)
    assert first == Message(reason=Reason.ESCALATED, level=1)
    at_the_end = Told(reason=Reason.ESCALATED, at=NOW, level=2)
    assert on_time(INCIDENT, at_the_end, now=NOW + 15 * MINUTE, **EVERY) is None
    assert on_time(INCIDENT, at_the_end, now=NOW + timedelta(hours=4), **EVERY).reason is Reason.REPEATED


def test_a_ticket_is_repeated_but_never_escalated():
    ticket = replace(INCIDENT, severity=Severity.TICKET)
    last = Told(reason=Reason.OPENED, at=NOW)
    assert on_time(ticket, last, now=NOW + timedelta(hours=3), **EVERY) is None
    assert on_time(ticket, last, now=NOW + timedelta(hours=4), **EVERY).level == 0


def test_whoever_acknowledged_is_left_in_peace():
    held = replace(INCIDENT, state=State.ACKNOWLEDGED)
    assert on_time(held, Told(reason=Reason.OPENED, at=NOW), now=NOW + timedelta(days=1), **EVERY) is None
