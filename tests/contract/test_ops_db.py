"""The ops store behaves alike on SQLite and PostgreSQL."""

import multiprocessing
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from services.adapters.house_tables import LeaseTable, SourceState, SourceTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb, rows_in
from services.adapters.ops_tables import house
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow
from services.errors import Refused, SettingsError, SourceUnavailable, StoreOutdated

ACTOR = Actor(subject="ann", issuer="test", method="demo")


def decide(db: OpsDb, op_id: str, now: datetime, actor: Actor = ACTOR):
    def work(_connection):
        return {"done": 1}, [AuditEntry(at=now, actor=actor, action="decide", subject="thing:1", reason="why")]

    return db.command(op_id, actor=actor, command="decide", subject="thing:1", now=now, work=work)


def test_a_command_repeated_with_its_op_id_is_done_once_and_answers_the_same(any_db, now):
    assert decide(any_db, "a", now) == {"done": 1, "already": False}
    assert decide(any_db, "a", now) == {"done": 1, "already": True}
    with any_db.read() as connection:
        assert rows_in(connection, house.audit) == 1


def test_an_op_id_of_somebody_else_is_refused(any_db, now):
    decide(any_db, "a", now)
    with pytest.raises(Refused, match="already used"):
        decide(any_db, "a", now, Actor(subject="bob", issuer="test", method="demo"))


def test_a_command_that_refuses_leaves_nothing_behind(any_db, now):
    def work(_connection):
        raise Refused("no")

    with pytest.raises(Refused):
        any_db.command("a", actor=ACTOR, command="decide", subject="thing:1", now=now, work=work)
    with any_db.read() as connection:
        assert rows_in(connection, house.commands) == 0
    assert decide(any_db, "a", now)["already"] is False


def _decide_many(url: str, op_ids: list[str], now: datetime) -> None:
    db = OpsDb(url)
    for op_id in op_ids:
        decide(db, op_id, now)
    db.engine.dispose()


def test_processes_that_race_share_one_decision_per_op_id_and_one_unbroken_chain(any_db, now):
    context = multiprocessing.get_context("spawn")
    url = any_db.engine.url.render_as_string(hide_password=False)
    op_ids = [f"op-{i}" for i in range(10)]
    workers = [context.Process(target=_decide_many, args=(url, op_ids, now)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(400)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with any_db.read() as connection:
        rows = connection.execute(select(house.audit).order_by(house.audit.c.seq)).all()
    assert [row.seq for row in rows] == list(range(1, 11))
    assert all(after.previous == before.hash for before, after in pairwise(rows))


def test_a_lease_has_one_holder_and_its_fence_grows_with_each_change_of_hands(any_db, now):
    leases = LeaseTable(any_db)
    length = timedelta(seconds=15)
    assert leases.acquire("monitor", "a", length=length, now=now) == 1
    assert leases.acquire("monitor", "b", length=length, now=now) is None
    assert leases.acquire("monitor", "a", length=length, now=now + length / 2) == 1
    assert leases.acquire("monitor", "b", length=length, now=now + 2 * length) == 2
    leases.release("monitor", "b")
    assert leases.acquire("monitor", "a", length=length, now=now) == 3


def test_a_source_that_fails_keeps_the_time_and_cursor_of_its_last_success(any_db, now):
    sources = SourceTable(any_db)
    good = SourceState(name="runs", as_of=now, tried_at=now, ok=True, message="3 runs", took_s=0.1, cursor={"at": 7})
    sources.save(good)
    sources.save(SourceState(name="runs", as_of=None, tried_at=now + HOUR, ok=False, message="down", took_s=0.2))
    after = sources.get("runs")
    assert (after.as_of, after.cursor, after.ok, after.message) == (now, {"at": 7}, False, "down")


def measurement(now: datetime, verdict: Verdict = Verdict.PASS, **changes) -> Measurement:
    return Measurement(**{
        "name": "skew", "pipeline": Pipeline.SERVING, "subject": "m", "environment": "production", "column": "f",
        "window": TimeWindow(now - HOUR, now), "at": now, "verdict": verdict, "reason": "because", "value": 0.5,
        "n": 10, "detail": {"k": [1, 2]}, **changes,
    })


def test_measuring_a_window_again_replaces_its_row(any_db, now):
    table = MeasurementTable(any_db)
    table.save([measurement(now)])
    table.save([measurement(now, Verdict.FAIL)])
    found = table.history(TimeWindow(now - HOUR, now), subject="m")
    assert [m.verdict for m in found] == [Verdict.FAIL]
    assert found[0] == measurement(now, Verdict.FAIL)


def test_since_holds_while_the_verdict_holds_and_a_late_old_window_does_not_become_the_newest(any_db, now):
    table = MeasurementTable(any_db)
    table.save([measurement(now, Verdict.FAIL)])
    table.save([measurement(now + HOUR, Verdict.FAIL)])
    table.save([measurement(now - 5 * HOUR, Verdict.PASS)])
    ((newest, since),) = table.newest(subject="m")
    assert (newest.verdict, newest.at, since) == (Verdict.FAIL, now + HOUR, now)


def test_a_value_that_is_not_finite_is_stored_as_no_value(any_db, now):
    table = MeasurementTable(any_db)
    table.save([measurement(now, value=float("nan"))])
    assert table.newest()[0][0].value is None


def test_an_empty_store_says_how_to_set_it_up(tmp_path):
    with pytest.raises(StoreOutdated, match="monitor --once"):
        OpsDb(f"sqlite:///{tmp_path}/new.db").require_current()


def test_an_address_of_no_known_database_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"store\.url = nosuch"):
        OpsDb("nosuch://x")


def test_a_server_that_is_down_is_named_without_its_password():
    with pytest.raises(SourceUnavailable) as caught, OpsDb("postgresql+psycopg://u:secret@127.0.0.1:9/x").read():
        pass
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
