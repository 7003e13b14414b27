"""When what the console stands on fails: the expected page, in one clear line, and nothing lost."""

import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import event
from typer.testing import CliRunner

from console import session
from console.cli import app
from console.commands.face import plain_errors
from services import bootstrap
from services.adapters import ops_db
from services.adapters.house_tables import LeaseTable, SourceState, SourceTable
from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.notification_table import NotificationTable
from services.adapters.registry_table import RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.alerts.incident import State
from services.alerts.notify import Reason
from services.alerts.telling import Letter
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow
from services.errors import SourceUnavailable
from services.monitor.steps.mirror import MirrorStep
from services.monitor.tick import run_pass
from services.training.classify import Rules
from services.training.ports import SOURCE
from tests.console.test_incidents import fail
from tests.ports import free_port
from tests.releases_fixtures import FIRST, SECOND, House
from tests.training_fixtures import a_raw

RUN = CliRunner()


# MLflow ---------------------------------------------------------------------------------------------------------------

class Broken(BaseHTTPRequestHandler):
    """A tracking server that answers wrongly in the way its server names."""

    def do_POST(self) -> None:
        kind = self.server.kind
        if kind == "slow":
            self.server.over.wait()
        body = {"garbage": b"<html>proxy says hello</html>", "cut short": b'{"experiments": [{"experiment_id"',
                "another shape": b'["a list"]'}.get(kind, b"{}")
        self.send_response(500 if kind == "answers 500" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + (100 if kind == "hangs up" else 0)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 -- the name that the server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def mlflow(kind):
    """Serve a broken MLflow and return its address."""
    if kind == "down":
        yield f"http://127.0.0.1:{free_port()}"
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    server.kind, server.over = kind, threading.Event()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("kind", ["down", "slow", "answers 500", "garbage", "cut short", "another shape", "hangs up"])
def test_a_broken_mlflow_is_named_and_the_runs_that_were_read_stay(console, monkeypatch, kind):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    db, now = console.services.db, datetime.now(UTC)
    mirror, sources = RunMirror(db), SourceTable(db)
    mirror.mirror([a_raw("kept", start=now - 5 * HOUR, name="the run that was read")], now=now - HOUR)
    read = now - HOUR
    LeaseTable(db).acquire("monitor", "host-1", length=HOUR, now=now)
    for name in (SOURCE, "step:runs"):
        sources.save(SourceState(name=name, as_of=read, tried_at=read, ok=True, message="1 run read", took_s=0.1))
    with mlflow(kind) as uri:
        step = MirrorStep(MlflowRuns(uri), mirror, RegistryTable(db), MirrorCursor(sources), rules=Rules)
        # A server that does not answer has not answered yet: the pass did not wait for it.
        report, = run_pass([step], bootstrap.SourceJournal(sources), clock=lambda: now)
    assert not report.ok
    assert "Traceback" not in report.message
    assert "monitor error" not in report.message, report.message
    assert uri in report.message or "MLflow" in report.message
    assert mirror.count() == 1
    assert sources.get(SOURCE).as_of == read
    system = console.words(console.open("system"))
    assert "cannot be read; the rest keeps working" in system
    training = console.open("training", run="kept")
    assert not training.exception
    assert "the run that was read" in console.words(training)
    assert "MLflow does not answer" in console.words(training)


# The ops store --------------------------------------------------------------------------------------------------------

@pytest.fixture
def incident(console, monkeypatch):
    """An open incident, on a store that waits for a lock no longer than a test does."""
    monkeypatch.setattr(ops_db, "_BUSY_MS", 200)
    fail(console)
    return console


def press(console, opened=None):
    """Acknowledge incident 1 as the on-call engineer; return the page with what came of it."""
    opened = opened or console.open("incidents", persona="on-call", incident="1")
    assert not opened.exception
    opened = console.button(opened, "Acknowledge for 1 h").click().run()
    assert not opened.exception
    return opened


def acknowledged(console):
    found, _ = console.services.incidents.get(1)
    return found.state is State.ACKNOWLEDGED, len([r for r in console.services.audit.newest() if
                                                    r.action == "acknowledge"])


@contextmanager
def locked(db):
    """Hold the store's write lock, as a stuck process would."""
    with db.engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        other.exec_driver_sql("ROLLBACK")


@contextmanager
def pragma(words, undo):
    """Let every connection of the page's store be made with a pragma."""
    engine = session.services().db.engine
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM")  # no page is left over that could still be written

    def say(dbapi, _):
        dbapi.execute(f"PRAGMA {words}")

    event.listen(engine, "connect", say)
    engine.dispose()
    yield
    event.remove(engine, "connect", say)
    engine.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA {undo}")


def test_a_locked_store_still_shows_pages_and_a_click_made_again_counts_once(incident):
    opened = incident.open("incidents", persona="on-call", incident="1")
    with locked(incident.services.db):
        opened = press(incident, opened)
        words = incident.words(opened)
        assert "cannot be used: database is locked" in words
        assert "p95 is 412 ms" in words, "reading goes on while somebody writes"
        assert acknowledged(incident) == (False, 0)
    press(incident, opened)
    assert acknowledged(incident) == (True, 1)


@pytest.mark.parametrize(("words", "undo", "says"), [
    ("max_page_count = 1", "max_page_count = 1000000", "database or disk is full"),
    ("query_only = ON", "query_only = OFF", "readonly database"),
], ids=["full", "read-only"])
def test_a_store_that_is_full_or_read_only_says_so_and_loses_nothing(incident, words, undo, says):
    opened = incident.open("incidents", persona="on-call", incident="1")
    opened.text_area[0].set_value("looking at the canary " * 90)
    # Pages that are allocated already can still be written: the reason is made longer than they have room for.
    with pragma(words, undo):
        opened = incident.button(opened, "Silence").click().run()
        assert not opened.exception
        shown = incident.words(opened)
        assert says in shown
        assert "Check that it runs, has room and may be written" in shown
        assert opened.text_area[0].value.startswith("looking at the canary"), "what was written is not lost"
        for page in ("now", "system", "audit"):
            assert not incident.open(page, persona="on-call").exception
    assert incident.services.audit.verify() == []
    assert incident.services.audit.newest(people_only=True) == []
    opened = incident.button(opened, "Silence").click().run()
    assert [r.action for r in incident.services.audit.newest(people_only=True)] == ["silence"]


@pytest.mark.postgres
def test_a_read_only_postgresql_is_one_clear_line(postgres_url, now):
    db = ops_db.OpsDb(postgres_url)
    db.migrate()
    name = db.engine.url.database
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    db.engine.dispose()
    with pytest.raises(SourceUnavailable, match="read-only transaction"):
        LeaseTable(db).acquire("monitor", "a", length=HOUR, now=now)
    assert SourceTable(db).all() == []
    db.engine.dispose()


# The disk -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [
    ("audit", "export", "--to", "/dev/full"), ("audit", "export", "--head", "/dev/full"),
])
def test_a_full_disk_under_an_export_is_one_clear_line(incident, capsys, monkeypatch, words):
    monkeypatch.setenv("INTERLOCK_AUDIT_KEY", "a key of the tests, long enough")
    RUN.invoke(app, ["--as", "on-call", "incidents", "ack", "1"], catch_exceptions=False)
    with pytest.raises(SystemExit, match="2"), plain_errors():
        RUN.invoke(app, ["--as", "admin", *words], catch_exceptions=False)
    said = capsys.readouterr().err
    assert "interlock: /dev/full cannot be written: No space left on device" in said


# The clock ------------------------------------------------------------------------------------------------------------

def test_a_clock_that_jumps_ahead_hands_the_lease_on_and_one_that_jumps_back_keeps_its_holder(db, now):
    leases, length = LeaseTable(db), timedelta(seconds=15)
    assert leases.acquire("monitor", "a", length=length, now=now) == 1
    ahead = now + timedelta(days=1)
    assert leases.acquire("monitor", "b", length=length, now=ahead) == 2
    # The first one's clock is right again: it must not believe that it still holds the lease.
    assert leases.acquire("monitor", "a", length=length, now=now) is None
    # The holder's own clock jumps back: it goes on under its fence, and its lease ends when its clock says.
    assert leases.acquire("monitor", "b", length=length, now=now) == 2
    assert leases.acquire("monitor", "a", length=length, now=now + 2 * length) == 3


def test_a_clock_that_is_set_back_does_not_keep_a_rollback_or_a_letter_waiting_until_it_catches_up(db, now):
    house = House(db, now=now)
    house.serving("1")
    release = house.promote(house.approve(house.propose("2"), FIRST, SECOND))
    assert house.weights() == {"2": 100.0}
    house.now += timedelta(days=1)  # the clock was a day ahead when the target could not be reached
    house.target.down = True
    house.roll_back()
    house.run()
    letters = NotificationTable(db)
    letters.queue([Letter(key="k", incident_id=1, reason=Reason.OPENED, level=0, address="json://x", person="ann",
                          title="t", body="b")], now=house.now)
    letters.failed("k", 0, "down", permanent=False, now=house.now)
    house.target.down = False
    house.now = now + timedelta(minutes=1)
    assert [row.key for row in letters.due(now=house.now)] == ["k"]
    house.run()
    assert house.weights() == {"1": 100.0}
    assert house.store.get(release.id).revision > release.revision


def test_what_is_dated_ahead_of_the_clock_is_shown_and_ages_are_never_negative(console):
    ahead = datetime.now(UTC) + timedelta(hours=3)
    console.services.measurements.save([Measurement(
        name="outage", pipeline=Pipeline.SERVING, subject="flight-delay", environment="production", at=ahead,
        window=TimeWindow(ahead - HOUR, ahead), verdict=Verdict.FAIL, reason="stopped answering", value=1.0, n=5)])
    console.services.sources.save(SourceState(name="step:serving", as_of=ahead, tried_at=ahead, ok=True, took_s=0.1,
                                              message="read"))
    for page in ("now", "system", "serving"):
        opened = console.open(page, model="flight-delay")
        assert not opened.exception
        words = console.words(opened)
        assert re.search(r"(?<![\w-])-\d", words) is None, "an age is negative"
    assert "stopped answering" in console.words(console.open("now"))
