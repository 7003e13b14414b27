"""Incidents in the store: an evaluation and its letters stand or fall together."""

from datetime import timedelta
from functools import partial

import pytest

from services.adapters.house_tables import SourceState, SourceTable
from services.adapters.incident_table import IncidentTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.notification_table import NotificationTable
from services.adapters.ops_db import rows_in
from services.adapters.ops_tables import alerts, house
from services.alerts import actions
from services.alerts.defaults import SHIPPED
from services.alerts.incident import State
from services.alerts.on_call import Person, rotation
from services.alerts.rule import Severity
from services.alerts.telling import of_what_was_done
from services.core.access import Actor, Grant, Role
from services.core.measurement import Verdict
from services.errors import NotAllowed, NotFound, Refused
from services.monitor.pulse import PauseStep, Watch
from services.monitor.steps.alerts import AlertsStep
from tests.unit.alerts.alert_builders import MINUTE, NOW, measured, rule

ENGINEER = Actor(subject="on-call", issuer="demo", method="demo", label="On-call", grants=(Grant(role=Role.ON_CALL),))
VIEWER = Actor(subject="viewer", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))
ROTATION = rotation(people=[Person(name="ann", reach=("json://127.0.0.1:1/ann",)), Person(name="bob")],
                    handover="Mon 09:00", start="2026-01-05", shift_days=7, time_zone="UTC")


def step(db, *rules) -> AlertsStep:
    return AlertsStep(
        measured=MeasurementTable(db), incidents=IncidentTable(db), outbox=NotificationTable(db),
        rules=rules or (rule(severity=Severity.PAGE),), rotation=lambda _now: ROTATION, urls=["json://127.0.0.1:1/team"],
        link="https://console.example", repeat=timedelta(hours=4), escalate=15 * MINUTE,
    )


def look(db, verdict, now, **changes):
    MeasurementTable(db).save([measured(verdict, at=now, **changes)])
    return step(db).run(now=now)


def letters(db):
    with db.read() as connection:
        return connection.execute(alerts.notifications.select().order_by(alerts.notifications.c.created_at)).all()


def test_a_failure_becomes_one_incident_and_one_letter_to_each_address(any_db):
    assert look(any_db, Verdict.FAIL, NOW) == "1 open, 1 changed, 0 reminders"
    assert look(any_db, Verdict.FAIL, NOW + MINUTE) == "1 open, 0 changed, 0 reminders"
    told = letters(any_db)
    assert sorted((x.address, x.person, x.reason) for x in told) == [
        ("json://127.0.0.1:1/ann", "ann", "opened"), ("json://127.0.0.1:1/team", "ann", "opened")]
    assert "https://console.example/incidents?incident=1" in told[0].body


def test_a_recovery_is_told_to_the_same_and_closes_the_incident(any_db):
    look(any_db, Verdict.FAIL, NOW)
    assert look(any_db, Verdict.PASS, NOW + MINUTE).startswith("0 open")
    assert [x.reason for x in letters(any_db)] == ["opened", "opened", "resolved", "resolved"]
    incident, events = IncidentTable(any_db).get(1)
    assert (incident.state, [e.kind for e in events]) == (State.RESOLVED, ["opened", "resolved"])


def test_nobody_acknowledging_brings_the_next_and_acknowledging_brings_peace(any_db):
    look(any_db, Verdict.FAIL, NOW)
    look(any_db, Verdict.FAIL, NOW + 16 * MINUTE)
    assert [(x.reason, x.person) for x in letters(any_db)][2:] == [("nobody acknowledged", "bob")]
    actions.acknowledge(IncidentTable(any_db), 1, actor=ENGINEER, hold=timedelta(hours=1), op_id="a", now=NOW)
    look(any_db, Verdict.FAIL, NOW + 50 * MINUTE)
    assert len(letters(any_db)) == 3


def test_an_acknowledgement_that_runs_out_is_recorded(any_db):
    look(any_db, Verdict.FAIL, NOW)
    actions.acknowledge(IncidentTable(any_db), 1, actor=ENGINEER, hold=timedelta(hours=1), op_id="a", now=NOW)
    look(any_db, Verdict.FAIL, NOW + timedelta(hours=1))
    incident, events = IncidentTable(any_db).get(1)
    assert (incident.state, events[-1].kind) == (State.OPEN, "acknowledgement ended")


def test_a_repeated_click_acknowledges_once_and_is_audited_once(any_db):
    look(any_db, Verdict.FAIL, NOW)
    once, again = (
        actions.acknowledge(IncidentTable(any_db), 1, actor=ENGINEER, hold=timedelta(hours=1), op_id="a", now=NOW)
        for _ in range(2)
    )
    assert (once["already"], again["already"], again["state"]) == (False, True, "acknowledged")
    with any_db.read() as connection:
        assert rows_in(connection, house.audit) == 1


def test_a_viewer_changes_nothing(any_db):
    look(any_db, Verdict.FAIL, NOW)
    store = IncidentTable(any_db)
    hour = timedelta(hours=1)
    for attempt in (
        lambda: actions.acknowledge(store, 1, actor=VIEWER, hold=hour, op_id="a", now=NOW),
        lambda: actions.silence(store, 1, actor=VIEWER, hold=hour, reason="x", op_id="b", now=NOW),
        lambda: actions.resolve(store, 1, actor=VIEWER, reason="x", op_id="c", now=NOW),
        lambda: actions.mark(store, 1, actor=VIEWER, useful=True, op_id="d", now=NOW),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert store.get(1)[0].state is State.OPEN


def test_a_silence_needs_a_reason_and_an_end(any_db):
    look(any_db, Verdict.FAIL, NOW)
    store = IncidentTable(any_db)
    with pytest.raises(Refused, match="reason"):
        actions.silence(store, 1, actor=ENGINEER, hold=timedelta(hours=1), reason=" ", op_id="a", now=NOW)
    with pytest.raises(Refused, match="14 d"):
        actions.silence(store, 1, actor=ENGINEER, hold=timedelta(days=90), reason="x", op_id="b", now=NOW)
    actions.silence(store, 1, actor=ENGINEER, hold=timedelta(hours=1), reason="known", op_id="c", now=NOW)
    look(any_db, Verdict.FAIL, NOW + 20 * MINUTE)
    assert len(letters(any_db)) == 2


def test_an_incident_that_does_not_exist_is_named(any_db):
    with pytest.raises(NotFound, match="incident 7"):
        IncidentTable(any_db).get(7)


def test_what_a_person_resolved_but_still_fires_opens_again(any_db):
    look(any_db, Verdict.FAIL, NOW)
    actions.resolve(IncidentTable(any_db), 1, actor=ENGINEER, reason="fixed", op_id="a", now=NOW + MINUTE)
    look(any_db, Verdict.FAIL, NOW + 2 * MINUTE)
    incident, events = IncidentTable(any_db).get(1)
    assert (incident.state, events[-1].kind) == (State.OPEN, "reopened")


def test_a_pass_that_dies_while_storing_leaves_neither_incident_nor_letter(any_db):
    MeasurementTable(any_db).save([measured(Verdict.FAIL, at=NOW)])
    dying = step(any_db)

    def die(*_args):
        raise KeyboardInterrupt

    dying._news = die
    with pytest.raises(KeyboardInterrupt):
        dying.run(now=NOW)
    assert IncidentTable(any_db).history() == []
    assert look(any_db, Verdict.FAIL, NOW + MINUTE).startswith("1 open, 1 changed")
    assert [x.reason for x in letters(any_db)] == ["opened", "opened"]


def test_an_edited_rule_takes_the_place_of_the_shipped_one(any_db):
    admin = Actor(subject="admin", issuer="demo", method="demo", grants=(Grant(role=Role.ADMIN),))
    table = IncidentTable(any_db)
    table.save_rule(rule(enabled=False), actor=admin, reason="too loud", op_id="a", now=NOW)
    assert look(any_db, Verdict.FAIL, NOW).startswith("0 open")
    table.save_rule(rule(fail_above=400, for_=MINUTE), actor=admin, reason="again", op_id="b", now=NOW)
    assert table.rules() == [rule(fail_above=400, for_=MINUTE)]


def test_each_change_of_state_by_a_person_is_told_to_the_team_once_and_never_to_who_is_on_call(any_db):
    look(any_db, Verdict.FAIL, NOW)
    before = len(letters(any_db))
    store = IncidentTable(any_db, tell=partial(of_what_was_done, urls=["json://team"], link=""))
    hour = timedelta(hours=1)
    for _ in range(2):  # a repeated click tells nothing twice
        actions.acknowledge(store, 1, actor=ENGINEER, hold=hour, op_id="a", now=NOW, reason="on it")
        actions.silence(store, 1, actor=ENGINEER, hold=hour, op_id="b", now=NOW + MINUTE, reason="known")
        actions.resolve(store, 1, actor=ENGINEER, op_id="c", now=NOW + 2 * MINUTE, reason="feed is back")
        actions.mark(store, 1, actor=ENGINEER, useful=True, op_id="d", now=NOW + 3 * MINUTE)
    told = letters(any_db)[before:]
    assert [(x.address, x.reason) for x in told] == [
        ("json://team", "acknowledged"), ("json://team", "silenced"), ("json://team", "closed by hand")]
    assert "demo:on-call: closed by hand, feed is back" in told[-1].body


def test_a_deed_that_is_refused_is_told_to_nobody(any_db):
    look(any_db, Verdict.FAIL, NOW)
    before = len(letters(any_db))
    store = IncidentTable(any_db, tell=partial(of_what_was_done, urls=["json://team"], link=""))
    with pytest.raises(NotAllowed):
        actions.resolve(store, 1, actor=VIEWER, op_id="c", now=NOW, reason="mine")
    assert len(letters(any_db)) == before


def test_the_news_of_an_acknowledgement_does_not_start_the_escalation_anew(any_db):
    look(any_db, Verdict.FAIL, NOW)
    store = IncidentTable(any_db, tell=partial(of_what_was_done, urls=["json://team"], link=""))
    actions.acknowledge(store, 1, actor=ENGINEER, hold=MINUTE, op_id="a", now=NOW + 14 * MINUTE)
    look(any_db, Verdict.FAIL, NOW + 16 * MINUTE)
    assert letters(any_db)[-1].reason == "nobody acknowledged"


def test_a_monitor_that_stopped_is_one_incident_told_beside_the_passes_and_over_when_they_are_made_again(any_db):
    def passed(now):
        sources.save(SourceState(name="step:alerts", as_of=now, tried_at=now, ok=True, message="", took_s=0.0))

    sources, measured_, turn = SourceTable(any_db), MeasurementTable(any_db), timedelta(seconds=30)
    alerts_ = step(any_db, *SHIPPED)
    watch = Watch(states=sources, save=measured_.save, alert=lambda now: alerts_.run(now=now), every=turn, began=NOW)
    passed(NOW)
    # The passes hang: no step of theirs runs, nobody but the notifier's process is there.
    for minute in range(1, 18):
        watch.look(now=NOW + minute * MINUTE)
    incident, events = IncidentTable(any_db).get(1)
    assert incident.title.startswith("monitor: no pass was finished since 15:00 UTC (16 min)")
    assert (incident.severity, incident.runbook, [e.kind for e in events]) == ("page", "monitor", ["opened"])
    assert sorted(x.person for x in letters(any_db)) == ["ann", "ann"]
    # The monitor is started anew: its first pass says how long it was gone, in the same incident.
    for minute in (20, 21, 40):
        now = NOW + minute * MINUTE
        PauseStep(states=sources, save=measured_.save, every=turn).run(now=now)
        alerts_.run(now=now)
        passed(now)
        watch.look(now=now)
        passed(now + 18 * MINUTE)
    incident, events = IncidentTable(any_db).get(1)
    assert (incident.state, events[0].kind, events[-1].kind) == (State.RESOLVED, "opened", "resolved")
    assert len(IncidentTable(any_db).history()) == 1


def test_a_break_of_the_whole_monitor_is_an_incident_of_the_first_pass_after_it_and_wakes_nobody(any_db):
    sources, turn = SourceTable(any_db), timedelta(seconds=30)
    sources.save(SourceState(name="step:alerts", as_of=NOW, tried_at=NOW, ok=True, message="", took_s=0.0))
    later = NOW + timedelta(hours=3)
    PauseStep(states=sources, save=MeasurementTable(any_db).save, every=turn).run(now=later)
    step(any_db, *SHIPPED).run(now=later)
    incident, _ = IncidentTable(any_db).get(1)
    assert incident.title.startswith("monitor: stopped from 15:00 to 18:00 UTC (3 h)")
    assert (incident.severity, incident.runbook) == ("ticket", "monitor")
    assert {x.reason for x in letters(any_db)} == {"opened"}
