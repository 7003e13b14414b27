"""Pruning deletes what is past its time, and nothing that a decision stands on."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from services.adapters.audit_table import AuditTable
from services.adapters.house_tables import LeaseTable
from services.adapters.ops_tables import METADATA, alerts, house, profiles, quota, security
from services.adapters.prune import TABLES, Pruner
from services.core.access import Actor, Grant, Role
from services.core.retention import plan
from services.errors import NotAllowed
from services.settings import Settings

ADMIN = Actor(subject="root", issuer="os", method="os", grants=(Grant(role=Role.ADMIN),))
KEPT = {"logs": timedelta(days=30), "profiles": timedelta(days=60), "samples": timedelta(days=60),
        "notifications": timedelta(days=60)}
AGES = [1, 20, 40, 59, 62, 400]  # days


def count(db, table):
    with db.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def letter(key, incident, at, state="sent"):
    return {"key": key, "incident_id": incident, "reason": "opened", "level": 0, "address": "a", "person": "p",
            "title": "t", "body": "b", "state": state, "attempts": 1, "error": "", "created_at": at, "next_at": at}


def incident(number, at, *, resolved):
    values = {c.name: "" for c in alerts.incidents.columns}
    return {**values, "id": number, "group_key": f"group-{number}", "members": [],
            "opened_at": at, "changed_at": at, "resolved_at": at if resolved else None,
            **{c.name: 0 for c in alerts.incidents.columns if str(c.type) == "INTEGER" and c.name != "id"},
            **{c.name: None for c in alerts.incidents.columns if c.nullable and c.name != "resolved_at"}}


@pytest.fixture
def pruner(any_db, tmp_path, now):
    """A store and a home with rows and days of every age."""
    times = [now - timedelta(days=age) for age in AGES]
    with any_db.write() as connection:
        connection.execute(insert(profiles.profiles), [{
            "model": "m", "edges": "e", "grain": "day", "bucket": at, "environment": "p", "version": "1",
            "variant": "champion", "slice": "", "rows": 1, "body": b"x"} for at in times])
        connection.execute(insert(quota.quota_samples), [
            {"pool_id": 1, "ts": at, "series_id": 0, "used": 1.0, "origin": "real"} for at in times])
        connection.execute(insert(security.refusals), [
            {"actor": "a", "action": "approve", "hour": at, "count": 1, "first_at": at, "last_at": at, "place": "",
             "words": ""} for at in times])
        for number, resolved in ((1, True), (2, False)):
            connection.execute(insert(alerts.incidents).values(**incident(number, times[0], resolved=resolved)))
            connection.execute(insert(alerts.notifications), [letter(f"{number}-{i}", number, at)
                                                              for i, at in enumerate(times)])
        connection.execute(insert(alerts.notifications).values(**letter("waits", 1, times[-1], state="waiting")))
        connection.execute(insert(alerts.notification_attempts), [
            {"key": key, "at": times[-1], "error": ""} for key in ("1-5", "1-0", "2-5")])
    settings = Settings.model_validate({
        "folder": str(tmp_path), "home": {"path": "home"},
        "models": {"ours": {"task": "binary", "log": "home/predictions/ours", "labels": "home/labels/ours"},
                   "theirs": {"task": "binary", "log": "elsewhere/theirs"}}})
    for root in ("home/predictions/ours", "home/labels/ours", "elsewhere/theirs"):
        for at in times:
            folder = tmp_path / root / f"date={at.date()}"
            folder.mkdir(parents=True)
            (folder / "part.parquet").write_bytes(b"rows")
        (tmp_path / root / "date=never").mkdir()
    with any_db.write() as connection:
        connection.execute(insert(profiles.log_files), [{
            "log": "predictions:ours", "path": f"date={at.date()}/part.parquet", "size": 4, "mtime_us": at,
            "state": "ok", "reason": "", "rows": 1, "detail": {}, "seen_at": at} for at in times])
    return Pruner(any_db, settings)


def prune(pruner, *, now, op_id="one", actor=ADMIN):
    return pruner.prune(plan(KEPT, now=now), actor=actor, reason="yearly", op_id=op_id, now=now)


def left(pruner, tmp_path, root):
    return sorted(p.name for p in (tmp_path / root).glob("date=2*"))


def test_a_dry_run_counts_and_changes_nothing(pruner, any_db, tmp_path, now):
    before = {table.name: count(any_db, table) for table in METADATA.sorted_tables}
    found = {p.what: p.count for p in pruner.count(plan(KEPT, now=now))}
    assert (found["profiles"], found["quota_samples"], found["notifications"], found["refusals"]) == (2, 2, 2, 2)
    assert (found["predictions:ours"], found["labels:ours"]) == (4, 4)
    assert "predictions:theirs" not in found
    assert {table.name: count(any_db, table) for table in METADATA.sorted_tables} == before
    assert len(left(pruner, tmp_path, "home/predictions/ours")) == len(AGES)


def test_what_is_past_its_time_goes_and_the_rest_stays(pruner, any_db, tmp_path, now):
    prune(pruner, now=now)
    assert count(any_db, profiles.profiles) == count(any_db, quota.quota_samples) == 4
    assert count(any_db, alerts.notifications) == 4 + len(AGES) + 1  # an open incident's and a waiting one stay
    assert count(any_db, alerts.notification_attempts) == 2
    assert len(left(pruner, tmp_path, "home/predictions/ours")) == 2
    assert count(any_db, profiles.log_files) == 2
    assert (tmp_path / "home/predictions/ours/date=never").is_dir()


def test_a_teams_own_log_is_its_own_to_keep(pruner, tmp_path, now):
    prune(pruner, now=now)
    assert len(left(pruner, tmp_path, "elsewhere/theirs")) == len(AGES)


def test_the_audit_chain_grows_by_what_was_pruned(pruner, any_db, now):
    prune(pruner, now=now)
    row, = AuditTable(any_db).newest()
    assert (row.action, row.reason) == ("prune", "yearly")
    assert row.detail["profiles"]["count"] == 2
    assert AuditTable(any_db).verify() == []


def test_nothing_that_a_decision_stands_on_is_in_any_plan():
    pruned = {table.name for tables in TABLES.values() for table, _, _ in tables}
    kept = {"audit", "commands", "roles", "incidents", "incident_events", "rule_versions", "quota_reports",
            "quota_signatures", "schemas", "gate_results", "baselines"}
    kept |= {name for name in METADATA.tables if name.startswith(("release", "approval", "outbox"))}
    assert kept <= set(METADATA.tables)
    assert pruned & kept == set()
    assert house.audit.name not in pruned


def test_every_kind_of_the_settings_is_pruned_somewhere():
    assert set(TABLES) == set(Settings().retention.model_dump())


def test_logs_are_left_while_the_monitor_runs(pruner, any_db, tmp_path, now):
    LeaseTable(any_db).acquire("monitor", "host-1", length=timedelta(minutes=1), now=now)
    found = prune(pruner, now=now)
    assert {p.why for p in found if p.kind == "logs"} == {"the monitor runs: stop it, prune, and start it again"}
    assert len(left(pruner, tmp_path, "home/predictions/ours")) == len(AGES)
    assert count(any_db, profiles.profiles) == 4


def test_the_lease_is_given_back(pruner, any_db, now):
    prune(pruner, now=now)
    assert LeaseTable(any_db).acquire("monitor", "host-1", length=timedelta(minutes=1), now=now) is not None


def test_who_may_not_prunes_nothing(pruner, any_db, now):
    author = Actor(subject="a", issuer="os", method="os", grants=(Grant(role=Role.ON_CALL),))
    with pytest.raises(NotAllowed, match="takes admin"):
        prune(pruner, now=now, actor=author)
    assert count(any_db, profiles.profiles) == len(AGES)


def test_a_second_prune_finds_nothing(pruner, now):
    prune(pruner, now=now)
    assert [p for p in pruner.count(plan(KEPT, now=now)) if p.count] == []


def test_a_day_that_is_not_over_is_never_old():
    cut, = plan({"logs": timedelta(days=7)}, now=datetime(2026, 3, 4, 0, 0, 1, tzinfo=UTC))
    assert cut.before.date() == date(2026, 2, 25)
