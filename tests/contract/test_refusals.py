"""Denied commands are kept: counted, carried into the chain, measured, and an incident when somebody goes on asking."""

import logging
import threading
from datetime import timedelta

import pytest

from services.adapters.audit_table import AuditTable
from services.adapters.incident_table import IncidentTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.refusal_table import RefusalTable
from services.alerts.defaults import SHIPPED
from services.core.access import Action, Actor, Grant, Role, require
from services.core.measurement import Verdict
from services.errors import NotAllowed
from services.monitor.steps.denials import LIMIT, DenialsStep, judge
from tests.contract.test_incidents import step
from tests.unit.alerts.alert_builders import MINUTE, NOW

VIEWER = Actor(subject="viewer", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))
OTHER = Actor(subject="other", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))


def deny(db, times=1, *, actor=VIEWER, action=Action.APPROVE, model="flight-delay", at=NOW):
    table = RefusalTable(db)
    for _ in range(times):
        with pytest.raises(NotAllowed) as caught:
            require(actor, action, model=model, environment="production")
        table.record(caught.value, actor=actor, now=at)


def chain(db):
    return [(row.actor, row.action, row.detail["count_this_hour"]) for row in AuditTable(db).all()]


def test_a_denied_command_is_kept_with_who_asked_for_what_and_in_the_chain(any_db):
    deny(any_db)
    (kept,) = RefusalTable(any_db).since(NOW)
    assert (kept.actor, kept.action, kept.count, kept.place) == (
        "demo:viewer", "approve", 1, "flight-delay production")
    assert "to approve takes approver" in kept.words
    assert chain(any_db) == [("demo:viewer", "denied: approve", 1)]
    assert AuditTable(any_db).verify() == []


def test_a_flood_grows_a_number_and_neither_the_table_nor_the_chain(db):
    deny(db, 120)
    (kept,) = RefusalTable(db).since(NOW)
    assert kept.count == 120
    assert [count for _, _, count in chain(db)] == [1, 10, 100]


def test_names_that_the_asker_made_up_do_not_make_rows(db):
    for number in range(30):
        deny(db, model=f"made-up-{number}")
    (kept,) = RefusalTable(db).since(NOW)
    assert (kept.count, kept.place) == (30, "made-up-29 production")


def test_people_actions_and_hours_are_counted_apart(any_db):
    deny(any_db)
    deny(any_db, actor=OTHER)
    deny(any_db, action=Action.EDIT_RULES)
    deny(any_db, at=NOW + timedelta(hours=1))
    found = RefusalTable(any_db).since(NOW)
    assert len(found) == 4
    assert {r.count for r in found} == {1}


def test_racers_are_all_counted(any_db):
    threads = [threading.Thread(target=deny, args=(any_db, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = RefusalTable(any_db).since(NOW)
    assert kept.count == 20
    assert [count for _, _, count in chain(any_db)] == [1, 10]


def test_a_store_that_is_away_hides_no_refusal(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        deny(OpsDb(f"sqlite:///{tmp_path}/never-set-up.db"))
    assert "was not recorded" in caplog.text


def measure(db, now):
    DenialsStep(refusals=RefusalTable(db), save=MeasurementTable(db).save).run(now=now)
    return step(db, *SHIPPED).run(now=now)


def test_wrong_clicks_are_nobodys_alarm_and_going_on_is_an_incident_that_ends(any_db):
    deny(any_db, LIMIT)
    assert measure(any_db, NOW).startswith("0 open")
    deny(any_db, at=NOW + MINUTE)
    assert measure(any_db, NOW + MINUTE).startswith("1 open, 1 changed")
    incident, _ = IncidentTable(any_db).get(1)
    assert incident.title == ("access: demo:viewer was denied 6 commands since 15:00 UTC (approve 6), limit 5 an hour")
    assert (incident.runbook, incident.severity) == ("denied-commands", "ticket")
    assert measure(any_db, NOW + timedelta(hours=2)).startswith("0 open, 1 changed")


def test_nobody_denied_is_said_in_words():
    quiet = judge([], now=NOW)
    assert (quiet.verdict, quiet.value, quiet.reason) == (
        Verdict.PASS, 0.0, "nobody was denied a command in the last hour")


def test_the_worst_person_speaks_and_others_are_counted(db):
    deny(db, 3)
    deny(db, 4, action=Action.PROMOTE)
    deny(db, 2, actor=OTHER)
    found = judge(RefusalTable(db).since(NOW), now=NOW)
    assert (found.verdict, found.value, found.n) == (Verdict.FAIL, 7.0, 9)
    assert found.reason == ("demo:viewer was denied 7 commands since 15:00 UTC (promote 4, approve 3), limit 5 an "
                            "hour; 1 other too")
