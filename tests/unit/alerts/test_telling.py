"""Who is written to, in which words: the person on call with cause and next step, the team about people's deeds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.alerts.briefing import briefing
from services.alerts.evaluate import evaluate
from services.alerts.incident import Event, EventKind
from services.alerts.notify import DEEDS, Message, Reason
from services.alerts.on_call import Person, rotation
from services.alerts.ports import Change
from services.alerts.runbook import parse
from services.alerts.telling import letters, of_what_was_done
from tests.unit.alerts.alert_builders import MINUTE, NOW, measured, rule

(OPENED,) = evaluate([rule(runbook="latency")], [measured()], {}, [], now=NOW).transitions
INCIDENT = replace(OPENED.incident, id=7)
TURNS = rotation(people=[Person(name="ann", reach=("mailto://ann",)), Person(name="bob", reach=("mailto://bob",))],
                 handover="Mon 09:00", start="2026-03-02", shift_days=7, time_zone="UTC")
TEAM = ("json://team", "json://other")


def told(reason=Reason.OPENED, level=0, **more):
    return letters(INCIDENT, Message(reason=reason, level=level), rotation=TURNS, urls=TEAM,
                   link="https://console.example/", now=NOW + 6 * MINUTE, **more)


def test_whoever_is_on_call_and_the_team_get_one_letter_each():
    assert [x.address for x in told()] == ["mailto://ann", *TEAM]
    assert {x.person for x in told()} == {"ann"}


def test_an_escalation_goes_to_the_next():
    assert told(Reason.ESCALATED, level=1)[0].address == "mailto://bob"


def test_a_letter_says_the_cause_the_evidence_the_next_step_and_where_to_click():
    lines = ["It began 6 min after version 12 took 25% of production.", "First: Compare p95 by version"]
    body = told(briefing=lines)[0].body
    for part in ("For 6 min, production. On call: ann.", "- p95 is 412 ms", *lines, "Runbook: latency",
                 "https://console.example/incidents?incident=7"):
        assert part in body.splitlines()


def test_an_end_needs_no_next_step():
    body = told(Reason.RESOLVED, briefing=["First: something"])[0].body
    assert "Over after 6 min." in body
    assert "First" not in body


def test_equal_news_has_equal_keys_and_repeats_do_not():
    assert [x.key for x in told()] == [x.key for x in told()]
    assert {x.key for x in told()} & {x.key for x in told(nth=1)} == set()


@pytest.mark.parametrize(("kind", "reason"), [
    (EventKind.ACKNOWLEDGED, Reason.ACKNOWLEDGED), (EventKind.SILENCED, Reason.SILENCED),
    (EventKind.RESOLVED, Reason.CLOSED)])
def test_what_a_person_did_is_told_to_the_team_and_wakes_nobody(kind, reason):
    event = Event(kind=kind, at=NOW, by="demo:ann", text="for 1 h: looking")
    found = of_what_was_done(INCIDENT, event, urls=TEAM, link="")
    assert [(x.address, x.reason) for x in found] == [(url, reason) for url in TEAM]
    assert found[0].body.splitlines()[-1] == f"demo:ann: {reason}, for 1 h: looking"
    assert reason in DEEDS


@pytest.mark.parametrize("kind", [EventKind.MARKED, EventKind.STEP_DONE, EventKind.NOTED])
def test_what_changes_no_state_is_told_to_nobody(kind):
    assert of_what_was_done(INCIDENT, Event(kind=kind, at=NOW, by="demo:ann", text="x"), urls=TEAM, link="") == []


def test_the_briefing_names_the_nearest_change_and_the_first_step():
    book = parse("latency", "# Slow\nMeans slow.\n## Steps\n- [ ] Look at p95\n- [ ] Roll back", origin="shipped")
    changes = [Change(at=NOW - timedelta(hours=2), kind="run", text="a run ended"),
               Change(at=NOW - 6 * MINUTE, kind="traffic", text="version 12 took 25% of production")]
    assert briefing(INCIDENT, changes, book) == [
        "It began 6 min after version 12 took 25% of production.", "First: Look at p95"]
    assert briefing(INCIDENT, [], None) == []
