"""What was changed about a model shortly before: decisions on it, versions of it, and pools that ran out."""

from datetime import timedelta

from sqlalchemy import insert

from services.adapters.change_source import ChangeTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_tables.releases import served
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.measurement import Pipeline, Verdict
from services.core.window import TimeWindow
from tests.contract.test_incidents import step
from tests.unit.alerts.alert_builders import NOW, measured, rule

AUTHOR = Actor(subject="ann", issuer="demo", method="demo", label="Author")
AROUND = TimeWindow(NOW - timedelta(hours=24), NOW + timedelta(minutes=5))


def decide(db, action, model, at):
    detail = {"model": model, "version": "12"}
    entry = AuditEntry(at=at, actor=AUTHOR, action=action, subject="release:r-1", detail=detail)
    db.command(f"{action}-{model}", actor=AUTHOR, command=action, subject="x", now=at, work=lambda _c: ({}, [entry]))


def test_decisions_on_the_model_are_changes_and_those_on_another_are_not(any_db):
    decide(any_db, "promote", "flight-delay", NOW)
    decide(any_db, "promote", "air-time", NOW)
    decide(any_db, "acknowledge", "flight-delay", NOW)
    found = ChangeTable(any_db).changes("flight-delay", AROUND)
    assert [c.text for c in found] == ["Author did promote on flight-delay version 12"]


def test_a_pool_that_ran_out_is_a_suspect_for_everybody(any_db):
    MeasurementTable(any_db).save([measured(Verdict.FAIL, name="pool_used_pct", pipeline=Pipeline.QUOTA, subject="gpu",
                                            environment="", reason="gpu is 97% used")])
    step(any_db, rule(measurement="pool_used_pct")).run(now=NOW)
    found = ChangeTable(any_db).changes("flight-delay", AROUND)
    assert [(c.kind, c.text) for c in found] == [("quota", "quota: gpu: gpu is 97% used")]


def test_what_happened_outside_the_window_is_left_out(any_db):
    decide(any_db, "promote", "flight-delay", NOW - timedelta(days=3))
    assert ChangeTable(any_db).changes("flight-delay", AROUND) == []


def test_the_papers_of_a_release_and_denied_commands_change_nothing(any_db):
    for action in ("propose", "approve", "record evidence", "complete", "denied: promote"):
        decide(any_db, action, "flight-delay", NOW)
    assert ChangeTable(any_db).changes("flight-delay", AROUND) == []


def split(db, minutes, weights, *, model="flight-delay", environment="production"):
    with db.write() as connection:
        connection.execute(insert(served).values(
            model=model, environment=environment, at=NOW - timedelta(minutes=minutes), weights=weights,
            generation=1, release_id="r-0001"))


def test_a_version_that_took_more_traffic_is_a_change_and_one_that_lost_some_is_not(any_db):
    split(any_db, 60 * 30, {"11": 100.0})
    split(any_db, 6, {"11": 75.0, "12": 25.0})
    split(any_db, 5, {"3": 100.0}, model="air-time")
    split(any_db, 2, {"11": 100.0})
    found = ChangeTable(any_db).changes("flight-delay", AROUND)
    assert [(c.kind, c.text) for c in found] == [
        ("traffic", "version 12 took 25% of production"), ("traffic", "version 11 took 100% of production")]


def test_a_pool_is_no_suspect_in_its_own_case(any_db):
    MeasurementTable(any_db).save([measured(Verdict.FAIL, name="pool_used_pct", pipeline=Pipeline.QUOTA, subject="gpu",
                                            environment="", reason="gpu is 97% used")])
    step(any_db, rule(measurement="pool_used_pct")).run(now=NOW)
    assert ChangeTable(any_db).changes("gpu", AROUND) == []


def test_a_schema_edit_is_a_suspect_for_its_model_alone(any_db):
    entry = AuditEntry(at=NOW, actor=AUTHOR, action="edit schema", subject="schema:flight-delay/12",
                       detail={"column": "carrier", "on": False, "revision": 2})
    any_db.command("s", actor=AUTHOR, command="edit schema", subject="x", now=NOW, work=lambda _c: ({}, [entry]))
    assert [c.text for c in ChangeTable(any_db).changes("flight-delay", AROUND)] == [
        "Author did edit schema on schema:flight-delay/12"]
    assert ChangeTable(any_db).changes("air-time", AROUND) == []
