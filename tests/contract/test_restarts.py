"""A monitor that is killed and started anew at any point writes the history of one that never stopped."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from services.adapters.incident_table import IncidentTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import alerts, measurements
from services.core.measurement import Verdict
from tests.contract.test_incidents import letters, step
from tests.unit.alerts.alert_builders import MINUTE, NOW, History, measured, rule

LOOKS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(Verdict), st.integers(1, 20), st.booleans()),
    min_size=1, max_size=12,
)
TOLD = {"opened": "opened", "worsened": "worsened", "reopened": "reopened", "resolved": "resolved"}


def die(*_args):
    raise KeyboardInterrupt


def empty(db):
    with db.write() as connection:
        for table in (alerts.incident_events, alerts.incidents, alerts.standings, alerts.notifications,
                      measurements.measurements, measurements.measurements_now):
            connection.execute(delete(table))


def happened(db):
    table = alerts.incident_events
    with db.read() as connection:
        rows = connection.execute(select(table.c.incident_id, table.c.kind, table.c.at, table.c.text)
                                  .order_by(table.c.id)).all()
    first = min((row.incident_id for row in rows), default=1)
    return [(row.incident_id - first + 1, row.kind, row.at, row.text) for row in rows]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@example(looks=[("a", Verdict.FAIL, 1, True), ("b", Verdict.FAIL, 1, True), ("a", Verdict.PASS, 1, False),
                ("b", Verdict.PASS, 20, True), ("a", Verdict.FAIL, 20, True)], wait=0, keep=0)
@given(looks=LOOKS, wait=st.integers(0, 15), keep=st.integers(0, 15))
def test_killed_while_storing_and_started_anew_at_any_pass_it_writes_the_same_history(db, looks, wait, keep):
    empty(db)
    checked = rule(measurement="drift", for_=wait * MINUTE, keep_firing=keep * MINUTE)
    unbroken = History(checked)
    now, newest = NOW, {}
    for column, verdict, minutes, killed in looks:
        now += minutes * MINUTE
        newest[column] = measured(verdict, name="drift", column=column, at=now)
        unbroken.run(*newest.values(), now=now)
        reopened = OpsDb(db.url)  # a process that remembers nothing
        MeasurementTable(reopened).save([newest[column]])
        if killed:
            dying = step(reopened, checked)
            dying._news = die
            with pytest.raises(KeyboardInterrupt):
                dying.run(now=now)
        step(OpsDb(db.url), checked).run(now=now)
    expected = [(number, str(e.kind), e.at, e.text) for number, e in unbroken.events]
    assert happened(db) == expected
    # One letter to each of the two addresses for every change of state that is told, whatever was repeated.
    told = [TOLD[kind] for _, kind, *_ in expected if kind in TOLD]
    changes = [x.reason for x in letters(db) if x.reason in TOLD]
    assert sorted(changes) == sorted(told * 2)
    assert len({x.key for x in letters(db)}) == len(letters(db))
    assert len(IncidentTable(db).history()) == len(unbroken.incidents)
