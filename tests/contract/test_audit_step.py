"""The monitor verifies the audit chain: what is new at every pass, all of it once a day."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from services.adapters.audit_table import AuditTable
from services.adapters.house_tables import Cursor, SourceTable
from services.adapters.ops_db import OpsDb, append_audit
from services.adapters.ops_tables.house import audit
from services.core.access import system_actor
from services.core.audit import AuditEntry
from services.core.audit_chain import Recorded
from services.core.measurement import Measurement, Verdict
from services.monitor.steps.audit import AuditStep


class Read(AuditTable):
    """Remembers which rows were read."""

    def __init__(self, db: OpsDb) -> None:
        super().__init__(db)
        self.seqs: list[int] = []

    def all(self, *, after: int = 0) -> Iterator[Recorded]:
        for row in super().all(after=after):
            self.seqs.append(row.seq)
            yield row


class Watch:
    def __init__(self, db: OpsDb, now: datetime) -> None:
        self.db, self.now, self.chain, self.found = db, now, Read(db), list[Measurement]()

    def write(self, rows: int) -> None:
        with self.db.write() as connection:
            for n in range(rows):
                append_audit(connection, AuditEntry(at=self.now, actor=system_actor("test"), action="do",
                                                    subject=f"thing:{n}"))

    def look(self, after: timedelta = timedelta(minutes=1)) -> Measurement:
        self.now += after
        self.chain.seqs.clear()
        # Made anew each time, as after a restart.
        AuditStep(chain=self.chain, memory=Cursor(SourceTable(self.db), "audit-chain"),
                  save=self.found.extend).run(now=self.now)
        return self.found[-1]


@pytest.fixture
def watch(db: OpsDb, now: datetime) -> Watch:
    made = Watch(db, now)
    made.write(5)
    return made


def test_only_what_is_new_is_read_until_a_day_has_passed(watch: Watch) -> None:
    assert watch.look().verdict is Verdict.PASS
    assert watch.chain.seqs == [1, 2, 3, 4, 5]
    watch.write(2)
    assert watch.look().reason == "7 rows follow from one another"
    assert watch.chain.seqs == [5, 6, 7]
    watch.look(timedelta(days=1))
    assert watch.chain.seqs == [1, 2, 3, 4, 5, 6, 7]


def test_a_new_row_that_was_changed_fails_and_is_named(watch: Watch) -> None:
    watch.look()
    watch.write(3)
    with watch.db.write() as connection:
        connection.execute(audit.update().where(audit.c.seq == 7).values(reason="other"))
    found = watch.look()
    assert (found.verdict, found.detail) == (Verdict.FAIL, {"first_bad_row": 7})
    assert "row 7 was changed after it was written" in found.reason


def test_an_old_row_that_was_changed_is_found_within_a_day_and_stays_failing(watch: Watch) -> None:
    watch.look()
    with watch.db.write() as connection:
        connection.execute(audit.update().where(audit.c.seq == 2).values(reason="other"))
    assert watch.look(timedelta(days=1)).verdict is Verdict.FAIL
    assert "row 2 was changed" in watch.look().reason

    with watch.db.write() as connection:
        connection.execute(audit.update().where(audit.c.seq == 2).values(reason=""))
    assert watch.look().verdict is Verdict.PASS


def test_a_tail_that_was_cut_off_is_noticed_at_the_next_pass(watch: Watch) -> None:
    watch.look()
    with watch.db.write() as connection:
        connection.execute(audit.delete().where(audit.c.seq >= 4))
    assert watch.look().verdict is Verdict.FAIL
    assert "its tail was cut off" in watch.look().reason


def test_an_empty_chain_holds(db: OpsDb, now: datetime) -> None:
    assert Watch(db, now).look().reason == "0 rows follow from one another"
