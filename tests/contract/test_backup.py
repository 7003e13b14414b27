"""A backup brings the ops store back, on SQLite and PostgreSQL and across; a damaged one never passes for whole."""

import errno
import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import MetaData, func, insert, select, update

from services.adapters import backup
from services.adapters.audit_table import AuditTable
from services.adapters.backup import back_up, check
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import house
from services.adapters.ops_tables.profiles import profiles
from services.adapters.restore import restore
from services.adapters.role_table import RoleTable
from services.core.access import Actor, Grant, Role
from services.core.identity import Holding
from services.errors import Refused, SourceMalformed, SourceUnavailable, StoreOutdated

ADMIN = Actor(subject="root", issuer="os", method="os", grants=(Grant(role=Role.ADMIN),))
KEY = b"a key of the tests, long enough"
WORDS = ["plain", 'quote " and \\', "line\nbreak", "\u2603 ☃ 雪", "=1+1", "\u202e", ""]


def decide(db, number, *, now):
    holding = Holding(role=Role.VIEWER, issuer="os", subject=f"person-{number}")
    RoleTable(db).grant(holding, actor=ADMIN, reason=WORDS[number % len(WORDS)], op_id=f"op-{number}", now=now)


def fill(db, *, now):
    """Put decisions and a few rows of every stored type into a store."""
    for number in range(7):
        decide(db, number, now=now + timedelta(microseconds=number))
    with db.write() as connection:
        connection.execute(insert(profiles), [{
            "model": "m", "edges": "e", "grain": "hour", "bucket": now + timedelta(hours=i), "environment": "p",
            "version": "1", "variant": "champion", "slice": "", "rows": i, "body": bytes(range(256))}
            for i in range(5)])


def contents(db):
    """Return every row of every table but the audit's, as stored."""
    found = MetaData()
    with db.read() as connection:
        found.reflect(connection)
        return {t.name: sorted(map(repr, connection.execute(select(t)).all())) for t in found.sorted_tables
                if t.name not in ("audit", "commands", "alembic_version")}


def again(db, file, *, now, **more):
    return restore(db, file, actor=ADMIN, reason="the disk died", op_id="restore-1", now=now, **more)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request, tmp_path):
    """An empty store, not even migrated, to restore into."""
    url = f"sqlite:///{tmp_path}/again.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    db = OpsDb(url)
    yield db
    db.engine.dispose()


@pytest.fixture
def made(db, tmp_path, now):
    """A filled SQLite store and its backup."""
    fill(db, now=now)
    back_up(db, tmp_path / "b.zip", now=now, key=KEY)
    return tmp_path / "b.zip"


def test_every_row_comes_back_and_the_chain_goes_on(db, made, empty, now):
    again(empty, made, now=now, key=KEY)
    assert contents(empty) == contents(db)
    rows = AuditTable(empty).newest()
    assert [r.action for r in rows[:2]] == ["restore", "grant a role"]
    assert rows[0].reason == "the disk died"
    decide(empty, 100, now=now)  # numbering goes on behind what was restored
    assert AuditTable(empty).verify() == []


@pytest.mark.postgres
def test_a_store_on_postgresql_moves_back_to_sqlite(postgres_url, db, tmp_path, now):
    source = OpsDb(postgres_url)
    source.migrate()
    fill(source, now=now)
    back_up(source, tmp_path / "b.zip", now=now)
    target = OpsDb(f"sqlite:///{tmp_path}/other.db")
    again(target, tmp_path / "b.zip", now=now)
    assert contents(target) == contents(source)
    source.engine.dispose()


def test_a_backup_taken_while_others_decide_is_of_one_moment(db, tmp_path, now):
    fill(db, now=now)
    over = threading.Event()

    def busy():
        number = 1_000
        while not over.is_set():
            decide(db, number, now=now)
            number += 1

    worker = threading.Thread(target=busy)
    worker.start()
    try:
        for attempt in range(3):
            manifest = back_up(db, tmp_path / f"{attempt}.zip", now=now)
            # As many roles as decisions: taken a table at a time these would differ.
            assert manifest.rows["roles"] == manifest.rows["audit"] == manifest.rows["commands"]
    finally:
        over.set()
        worker.join()


@pytest.mark.parametrize("part", ["tables/audit.jsonl", "tables/roles.jsonl", "tables/profiles.jsonl"])
def test_a_changed_row_is_found_and_nothing_is_restored(made, tmp_path, now, part):
    bent = tmp_path / "bent.zip"
    with ZipFile(made) as old, ZipFile(bent, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, body.replace(b'"model": "m"', b'"model": "n"').replace(b"person-3", b"person-x")
                         if name == part else body)
    target = OpsDb(f"sqlite:///{tmp_path}/again.db")
    with pytest.raises(SourceMalformed, match="not as it was written"):
        again(target, bent, now=now)
    assert target.version() is None


def test_a_backup_written_anew_without_the_last_decisions_is_found_by_its_signed_end(made, tmp_path, now):
    bent = tmp_path / "bent.zip"
    with ZipFile(made) as old, ZipFile(bent, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        for name in old.namelist()[:-1]:
            body = old.read(name)
            if name == "tables/audit.jsonl":
                body = b"".join(body.splitlines(keepends=True)[:-2])
                manifest["rows"]["audit"] -= 2
                manifest["digests"]["audit"] = backup.hashlib.sha256(body).hexdigest()
            new.writestr(name, body)
        new.writestr("manifest.json", json.dumps(manifest))
    check(bent)  # without the key it cannot be told
    with pytest.raises(SourceMalformed, match="tail was cut off"):
        check(bent, key=KEY)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_no_backup(made, keep):
    whole = made.read_bytes()
    made.write_bytes(whole[: keep if keep > 1 else int(len(whole) * keep)])
    with pytest.raises(SourceMalformed, match="interlock backup"):
        check(made)


def test_a_backup_of_a_store_whose_chain_is_broken_is_not_kept(db, tmp_path, now):
    fill(db, now=now)
    with db.write() as connection:
        connection.execute(update(house.audit).where(house.audit.c.seq == 3).values(reason="something else"))
    with pytest.raises(SourceMalformed, match="row 3 was changed"):
        back_up(db, tmp_path / "b.zip", now=now)
    assert sorted(p.name for p in tmp_path.glob("*b.zip*")) == []


def test_a_store_with_rows_is_never_written_over(made, db, now):
    before = contents(db)
    with pytest.raises(Refused, match="empty store"):
        again(db, made, now=now)
    assert contents(db) == before


def test_a_backup_of_a_newer_schema_is_refused(made, tmp_path, now):
    newer = tmp_path / "newer.zip"
    with ZipFile(made) as old, ZipFile(newer, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, json.dumps({**json.loads(body), "schema": "9999"}) if name == "manifest.json" else body)
    with pytest.raises(StoreOutdated, match="newer version"):
        again(OpsDb(f"sqlite:///{tmp_path}/again.db"), newer, now=now)


def test_a_full_disk_leaves_the_last_backup_alone(db, made, now, monkeypatch):
    before = made.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup.ZipFile, "writestr", full)
    with pytest.raises(SourceUnavailable, match="No space left on device"):
        back_up(db, made, now=now)
    assert made.read_bytes() == before
    assert list(made.parent.glob(".*")) == []


def test_a_file_that_holds_the_store_is_not_for_everybody(made):
    assert made.stat().st_mode & 0o077 == 0


KILLED = """
import os, sys
from datetime import UTC, datetime
from services.adapters import restore as module
from services.adapters.ops_db import OpsDb
from tests.contract.test_backup import ADMIN
calls = 0
def dying(connection, table):
    global calls
    calls += 1
    if calls == 5:
        os.kill(os.getpid(), 9)
module._count_on = dying
module.restore(OpsDb(sys.argv[1]), module.Path(sys.argv[2]), actor=ADMIN, reason="", op_id="x", now=datetime.now(UTC))
"""


def test_a_killed_restore_leaves_an_empty_store_and_can_be_done_again(db, made, tmp_path, now):
    url = f"sqlite:///{tmp_path}/again.db"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, url, str(made)], check=False, cwd=root, capture_output=True)
    assert done.returncode == -9, done.stderr
    target = OpsDb(url)
    with target.read() as connection:
        assert connection.execute(select(func.count()).select_from(house.audit)).scalar_one() == 0
    again(target, made, now=now)
    assert contents(target) == contents(db)


def test_a_backup_of_an_older_schema_is_restored_and_migrated(tmp_path, now, monkeypatch):
    old = OpsDb(f"sqlite:///{tmp_path}/old.db")
    old.migrate("0009")
    fill(old, now=now)
    monkeypatch.setattr(OpsDb, "require_current", lambda _: None)  # as the version of that time found it
    back_up(old, tmp_path / "old.zip", now=now)
    monkeypatch.undo()
    target = OpsDb(f"sqlite:///{tmp_path}/new.db")
    again(target, tmp_path / "old.zip", now=now)
    target.require_current()
    assert [r.reason for r in AuditTable(target).all()][:7] == WORDS
