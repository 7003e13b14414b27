"""A person's correction becomes a rule, applies to what is known already, and is audited."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from services.adapters.failure_table import FailureTable
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import audit
from services.adapters.run_mirror import RunMirror
from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed, NotFound, Refused
from services.training.classify import classify, explain
from services.training.correct import correct, general
from tests.training_fixtures import a_raw

AUTHOR = Actor(subject="author", issuer="demo", method="demo", grants=(Grant(role=Role.AUTHOR),))
VIEWER = Actor(subject="viewer", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))
LINE = "RuntimeError: shard 17 of bucket 0x7f3a has 0 rows"


@pytest.fixture
def failed(db: OpsDb, now: datetime) -> RunMirror:
    mirror = RunMirror(db)
    mirror.mirror([
        a_raw(f"r{i}", start=now - timedelta(hours=i + 1), status="FAILED",
              tags={"ops.pipeline": "churn", "ops.fail.type": "RuntimeError",
                    "ops.fail.message": LINE.removeprefix("RuntimeError: ").replace("17", str(i))})
        for i in range(3)], now=now)
    for run in mirror.unexplained(limit=10):
        mirror.set_failures({run.run_id: explain(run, {})})
    return mirror


def say(db: OpsDb, now: datetime, **news: object):
    told = {"cls": "data_error", "owner": "data", "retryable": False, "reason": "the bucket was being refilled",
            "actor": AUTHOR, "op_id": "op-1", **news}
    return correct(FailureTable(db), "r1", now=now, **told)


def test_every_failure_that_shows_the_line_is_corrected_now_and_later(failed, db: OpsDb, now: datetime) -> None:
    assert failed.get("r0").failure.cls == "runtime_error"
    assert say(db, now) == {"runs": 3, "class": "data_error", "already": False}
    assert {failed.get(f"r{i}").failure.cls for i in range(3)} == {"data_error"}
    later = classify("epoch 3\nRuntimeError: shard 99 of bucket 0xffff has 12 rows", rules=FailureTable(db).rules())
    assert (later.cls, str(later.owner), later.by) == ("data_error", "data", "demo:author")


def test_a_correction_is_audited_once_however_often_it_is_clicked(failed, db: OpsDb, now: datetime) -> None:
    say(db, now)
    assert say(db, now)["already"]
    with db.read() as connection:
        rows = connection.execute(select(audit)).all()
    assert [(r.action, r.subject, r.detail["was"], r.detail["class"]) for r in rows] == [
        ("correct failure", "run:r1", "runtime_error", "data_error")]


@pytest.mark.parametrize(("news", "error", "words"), [
    ({"actor": VIEWER}, NotAllowed, "to correct a failure class takes"),
    ({"cls": "gremlins"}, Refused, "gremlins is not a failure class"),
    ({"owner": "nobody"}, Refused, "nobody owns nothing"),
    ({"reason": " "}, Refused, "needs a reason"),
])
def test_what_cannot_be_corrected_is_refused_and_changes_nothing(
    failed, db: OpsDb, now: datetime, news: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        say(db, now, **news)
    assert failed.get("r1").failure.cls == "runtime_error"


def test_a_run_the_mirror_does_not_know_is_not_found(db: OpsDb, now: datetime) -> None:
    with pytest.raises(NotFound, match="no run r1"):
        say(db, now)


def test_a_line_is_generalised_over_its_numbers_and_addresses_only() -> None:
    assert general(LINE) == "RuntimeError: shard # of bucket # has # rows"
    assert general("a.b (c)* [x]") == "a.b (c)* [x]"
