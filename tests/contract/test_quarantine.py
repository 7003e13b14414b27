"""A quarantined file is looked at again when a person says so, and only then."""

import pytest

from services.adapters.audit_table import AuditTable
from services.adapters.log_ledger import LogLedger
from services.adapters.quarantine import release
from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed, NotFound
from services.predictions.ledger import FileState, Found, LogFile, changes

LOG, PATH = "predictions:flight-delay", "date=2026-03-04/part.parquet"
ON_CALL = Actor(subject="o", issuer="os", method="os", grants=(Grant(role=Role.ON_CALL, model="flight-delay"),))


def known(state, now):
    return LogFile(path=PATH, size=4, mtime=now, state=state, reason="not Parquet")


def let(db, *, now, actor=ON_CALL, log=LOG):
    return release(db, log, PATH, actor=actor, reason="the column is mapped now", op_id="one", now=now)


def test_a_released_file_is_new_to_the_next_pass_and_the_chain_says_why(any_db, now):
    ledger = LogLedger(any_db)
    ledger.save(LOG, [known(FileState.QUARANTINED, now)], now=now)
    there = [Found(path=PATH, size=4, mtime=now)]
    assert changes(ledger.files(LOG), there).look == ()
    let(any_db, now=now)
    assert changes(ledger.files(LOG), there).look == tuple(there)
    row, = AuditTable(any_db).newest()
    assert (row.action, row.reason) == ("release from quarantine", "the column is mapped now")


def test_a_repeat_is_the_first_outcome_even_after_the_file_was_quarantined_again(any_db, now):
    ledger = LogLedger(any_db)
    ledger.save(LOG, [known(FileState.QUARANTINED, now)], now=now)
    assert let(any_db, now=now)["already"] is False
    ledger.save(LOG, [known(FileState.QUARANTINED, now)], now=now)
    assert let(any_db, now=now)["already"] is True
    assert [log for log, _ in ledger.quarantined()] == [LOG]


def test_a_file_that_counts_stays_as_it_is(any_db, now):
    ledger = LogLedger(any_db)
    ledger.save(LOG, [known(FileState.OK, now)], now=now)
    with pytest.raises(NotFound, match="interlock quarantine list"):
        let(any_db, now=now)
    assert PATH in ledger.files(LOG)


def test_a_role_on_another_model_releases_nothing(any_db, now):
    LogLedger(any_db).save("predictions:air-time", [known(FileState.QUARANTINED, now)], now=now)
    with pytest.raises(NotAllowed):
        let(any_db, now=now, log="predictions:air-time")
