"""The chain finds a changed, missing or inserted row; a signed head finds the rest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.audit_table import AuditTable, signing_key
from services.adapters.ops_db import OpsDb, append_audit
from services.adapters.ops_tables.house import audit
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.audit_chain import Recorded, read_head, sign, verify
from services.errors import SettingsError, SourceMalformed

KEY = b"a key kept away from the store"
ACTOR = Actor(subject="on:call", issuer="test", method="demo", label="On call")


def chain(db: OpsDb, now, n: int = 6) -> list[Recorded]:
    with db.write() as connection:
        for i in range(n):
            append_audit(connection, AuditEntry(at=now, actor=ACTOR, action="approve", subject=f"release:r-{i}",
                                                reason="é <b>", evidence="e", detail={"n": i, "share": 0.1}))
    return list(AuditTable(db).all())


def test_an_untouched_chain_holds_and_reads_back_what_was_written(db, now):
    rows = chain(db, now)
    assert verify(rows) == []
    assert AuditTable(db).newest(subject="release:r-3")[0].detail == {"n": 3, "share": 0.1}


@given(place=st.integers(0, 5), field=st.sampled_from(["actor", "action", "reason", "evidence", "method", "subject"]))
def test_any_changed_field_of_any_row_is_found_once(tmp_path_factory, place, field):
    rows = list(CHAIN)
    rows[place] = replace(rows[place], **{field: getattr(rows[place], field) + "x"})
    assert [fault.seq for fault in verify(rows)] == [place + 1]


@pytest.fixture(autouse=True, scope="module")
def _chain(tmp_path_factory):
    from datetime import UTC, datetime

    store = OpsDb(f"sqlite:///{tmp_path_factory.mktemp('chain')}/ops.db")
    store.migrate()
    CHAIN[:] = chain(store, datetime(2026, 3, 4, tzinfo=UTC))
    store.engine.dispose()


CHAIN: list[Recorded] = []


def test_a_missing_and_an_inserted_row_are_found():
    assert verify([*CHAIN[:2], *CHAIN[3:]])[0].what == "rows 3 to 3 are missing"
    assert verify([*CHAIN[:3], CHAIN[2], *CHAIN[3:]])


def test_a_cut_off_tail_shows_only_against_an_anchor():
    head = sign(6, CHAIN[-1].hash, at=CHAIN[-1].at, key=KEY)
    assert verify(CHAIN[:4]) == []
    assert "tail was cut off" in verify(CHAIN[:4], anchor=head)[0].what
    assert verify(CHAIN, anchor=head) == []


def test_a_chain_written_anew_shows_against_an_anchor(db, now):
    head = sign(6, CHAIN[-1].hash, at=CHAIN[-1].at, key=KEY)
    assert "written anew" in verify(chain(db, now), anchor=head)[0].what


def test_a_head_that_was_changed_or_signed_by_another_key_is_refused(now):
    head = sign(6, CHAIN[-1].hash, at=now, key=KEY)
    assert read_head(head.to_json(), key=KEY) == head
    for value in (head.to_json() | {"seq": 5}, head.to_json() | {"hash": "0" * 64}, {"seq": 1}):
        with pytest.raises(SourceMalformed):
            read_head(value, key=KEY)
    with pytest.raises(SourceMalformed, match="not signed with this key"):
        read_head(head.to_json(), key=b"another key")


def test_a_missing_or_short_key_is_refused_with_its_name(monkeypatch):
    monkeypatch.delenv("INTERLOCK_AUDIT_KEY", raising=False)
    with pytest.raises(SettingsError, match="INTERLOCK_AUDIT_KEY is not set"):
        signing_key()
    monkeypatch.setenv("INTERLOCK_AUDIT_KEY", "short")
    with pytest.raises(SettingsError, match="too short"):
        signing_key()


def test_a_row_changed_in_the_store_is_found(db, now):
    chain(db, now)
    with db.write() as connection:
        connection.execute(audit.update().where(audit.c.seq == 2).values(actor="test:somebody else"))
    assert [fault.seq for fault in AuditTable(db).verify()] == [2]
