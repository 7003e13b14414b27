"""A feed goes empty on the demo: one incident that names it, taken, silenced and ended on a phone; each told once."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import expect
from sqlalchemy import delete

from services import bootstrap
from services.adapters import parquet_writer
from services.adapters.ops_tables import alerts
from services.alerts.incident import Incident
from services.core.window import DAY, HOUR, floor_to
from services.demo import faults
from services.monitor.tick import run_pass
from tests.browser.chromium import PHONE
from tests.browser.conftest import serve, stop
from tests.demo_fixtures import DemoHome, clean_environment, demo_copy, demo_home  # noqa: F401 -- fixtures
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.demo]

MODEL = "flight-delay"
FEED = ("temp", "dewp", "humid")
LOOKED_AT = {"profiles", "drift", "checks", "alerts"}
CHANGES = ("opened", "acknowledged", "silenced", "closed by hand")


class Sinks:
    """A mailbox and a web hook: which subject arrived how often, by the key it came under."""

    def __init__(self) -> None:
        self.mail: Counter[tuple[str, str]] = Counter()
        self.hook: Counter[tuple[str, str]] = Counter()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the library's name
        mail = message_from_bytes(envelope.content)
        self.mail[str(mail["Subject"]).replace("\n", ""), mail["Idempotency-Key"]] += 1
        return "250 OK"

    def taken(self, found: Counter[tuple[str, str]], incident: Incident) -> list[tuple[str, int]]:
        """Return what arrived about an incident: each change of state with how many messages it took."""
        counts: Counter[str] = Counter()
        for (title, _key), times in found.items():
            for change in CHANGES:
                if title.startswith(f"[{incident.severity}] {change}: {incident.subject}: ") and "missing" in title:
                    counts[change] += times
        return sorted(counts.items())


@pytest.fixture
def sinks() -> Iterator[tuple[Sinks, list[str]]]:
    """The sinks, with the addresses that lead to them."""
    found = Sinks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.hook[body["title"], self.headers["Idempotency-Key"]] += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    mail = Controller(found, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    mail.start()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield found, [f"mailto://127.0.0.1:{mail.port}?from=il@example.org&to=team@example.org&mode=insecure",
                  f"json://127.0.0.1:{web.server_port}/hook"]
    web.shutdown()
    web.server_close()
    thread.join()
    mail.stop()


class Night:
    """The demo on a night without incidents, in which a feed then goes empty."""

    def __init__(self, demo: DemoHome, urls: list[str]) -> None:
        self.demo = demo
        text = demo.config.read_text()
        assert "urls = []" in text
        demo.config.write_text(text.replace("urls = []", f"urls = {json.dumps(urls)}"))
        with self.services.db.write() as connection:
            for table in (alerts.incident_events, alerts.incidents, alerts.standings, alerts.notifications):
                connection.execute(delete(table))

    @cached_property
    def services(self) -> bootstrap.Services:
        return bootstrap.build(self.demo.settings)

    def empty_the_feed(self) -> None:
        """Inject the fault as people do, and log a third of the last day as the replay sends rows under it."""
        done = subprocess.run([sys.executable, "-m", "console.cli", "demo", "--inject", "null-feed", "--for", "1h"],
                              cwd=self.demo.folder, env=clean_environment(), capture_output=True, text=True, check=True)
        assert done.stdout.startswith("null-feed: temperature, dew point and humidity arrive empty, until ")
        folder = self.demo.home / "predictions" / MODEL
        rows = pa.concat_tables([pq.read_table(file) for file in sorted(folder.rglob("*.parquet"))[-24:]])
        end = floor_to(datetime.now(UTC), HOUR)
        lately = pc.and_(pc.greater_equal(rows["ts"], pa.scalar(end - DAY)), pc.less(rows["ts"], pa.scalar(end)))
        spoiled = rows.filter(lately).take(pa.array(range(0, pc.sum(lately).as_py(), 3)))
        fault = faults.current(self.demo.home, now=datetime.now(UTC))
        for name, values in faults.spoil(spoiled.select(FEED).to_pandas(), fault).items():
            place = spoiled.schema.get_field_index(name)
            spoiled = spoiled.set_column(place, name, pa.array(values, type=pa.float64(), from_pandas=True))
            assert spoiled[name].null_count == len(spoiled)
        ids = pc.binary_join_element_wise(spoiled["request_id"], "again", "-")
        spoiled = spoiled.set_column(spoiled.schema.get_field_index("request_id"), "request_id", ids)
        assert len(spoiled) > 100
        parquet_writer.append(folder, spoiled, time_column="ts")

    def look(self) -> None:
        """Make the part of a pass that looks at the log; the rest of it has nothing to say here."""
        self.services.db.migrate()
        steps = [step for step in bootstrap.build_steps(self.services) if step.name in LOOKED_AT]
        assert {step.name for step in steps} == LOOKED_AT
        reports = run_pass(steps, bootstrap.SourceJournal(self.services.sources), clock=lambda: datetime.now(UTC))
        assert [r.message for r in reports if not r.ok] == []

    def about_the_feed(self) -> list[Incident]:
        """Return the incidents of the model's inputs in production."""
        found = self.services.incidents.history()
        return [i for i in found if (i.subject, i.environment) == (MODEL, "production") and "inputs" in i.group]


def test_an_empty_feed_is_one_incident_that_is_taken_silenced_and_ended_on_a_phone(demo_copy, sinks, visit):  # noqa: F811
    told, urls = sinks
    night = Night(demo_copy, urls)
    night.empty_the_feed()
    night.look()
    (incident,) = night.about_the_feed()
    first = incident.members[0]
    assert (first.name, first.column in FEED) == ("missing_rate", True)
    assert incident.title.startswith(f"{MODEL}: {first.column} missing: ")
    assert {m.column for m in incident.members if m.name == "missing_rate"} == set(FEED)
    assert incident.runbook == "missing-values"

    command = [sys.executable, "-m", "console.cli", "--config", str(demo_copy.config), "monitor-part", "notifier", "1"]
    notifier = subprocess.Popen(command, cwd=demo_copy.folder, env=clean_environment(), stdin=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    console, base = serve(demo_copy.config, demo_copy.folder / "console.log")
    try:
        _on_the_phone(visit(base, persona="on-call", width=PHONE), incident, first.column)
        until(lambda: night.services.notifications.counts().keys() == {"sent"}, within=300, what="every letter sent")
    finally:
        stop(console)
        notifier.communicate(timeout=120)
    each_once = sorted((change, 1) for change in CHANGES)
    assert told.taken(told.mail, incident) == each_once
    assert told.taken(told.hook, incident) == each_once
    assert set(told.mail.values()) == {1}
    assert set(told.hook.values()) == {1}


def _on_the_phone(phone: Any, incident: Incident, column: str) -> None:
    page = phone.go("/")
    row = page.locator(".il-line", has_text=f"{column} missing: ").filter(has_text="production").filter(has_text=MODEL)
    expect(row).to_have_count(1)
    page = phone.go(f"/incidents?incident={incident.id}")  # where the letter's link leads
    expect(page.locator(".il-what")).to_contain_text(f"{column} missing: ")
    expect(page.get_by_text("What to do: Values are missing")).to_be_visible()
    assert phone.overflow() <= 0
    phone.shot("incident-feed")
    page.get_by_role("button", name="Acknowledge for 1 h").click()
    expect(page.get_by_text("On-call engineer is on it until")).to_be_visible()
    _decide(phone, "Silence", "the feed's owner knows", "Silenced for 4 h")
    expect(page.locator(".il-lead .il-status")).to_contain_text("silenced")
    _decide(phone, "Resolve", "the feed is back", "Resolved; what still fires")
    expect(page.locator(".il-lead .il-status")).to_contain_text("over")
    phone.shot("incident-over")


def _decide(phone: Any, button: str, reason: str, outcome: str) -> None:
    page = phone.settle()
    field = page.get_by_label("Reason or note")
    if not field.is_visible():
        page.get_by_text("Silence, resolve, or say whether it was noise").click()
    field.fill(reason)
    field.press("Control+Enter")
    phone.settle()
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(outcome)).to_be_visible()
