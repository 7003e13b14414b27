"""Prometheus reads every current measurement; a store that is away is never fine."""

import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.adapters.dead_man import DeadManStep
from services.adapters.house_tables import SourceTable
from services.adapters.incident_table import IncidentTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.metrics_server import MetricsServer, OpsCollector
from services.adapters.ops_db import OpsDb
from services.core.measurement import Verdict
from services.core.web import PROGRAM_HEADERS
from services.errors import SettingsError, SourceUnavailable
from tests.contract.test_incidents import look
from tests.ports import free_port
from tests.unit.alerts.alert_builders import NOW, measured


def server(db, port=0):
    collector = OpsCollector(MeasurementTable(db), IncidentTable(db), SourceTable(db), lambda: datetime.now(UTC))
    return MetricsServer(collector, host="127.0.0.1", port=port)


def scrape(found):
    text = httpx.get(f"http://127.0.0.1:{found.port}/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    kept = ("subject", "verdict", "severity")
    return {(s.name, *(v for k, v in sorted(s.labels.items()) if k in kept)): s.value for s in samples}


def test_values_verdicts_and_open_incidents_are_read(db):
    look(db, Verdict.FAIL, NOW)
    hostile = 'm"\n{}\\'
    MeasurementTable(db).save([measured(Verdict.INCONCLUSIVE, subject=hostile, value=None)])
    with server(db) as found:
        got = scrape(found)
    assert got["interlock_up",] == 1
    assert got["interlock_measurement", "flight-delay"] == 412
    assert got["interlock_verdict", "flight-delay", "fail"] == 1
    assert got["interlock_verdict", hostile, "inconclusive"] == 1
    assert got["interlock_verdict", hostile, "pass"] == 0
    assert ("interlock_measurement", hostile) not in got
    assert got["interlock_open_incidents", "page"] == 1


def test_a_store_that_cannot_be_read_says_so_and_nothing_else(tmp_path):
    with server(OpsDb(f"sqlite:///{tmp_path}/empty.db")) as found:
        assert scrape(found) == {("interlock_up",): 0}


@pytest.mark.parametrize(("method", "path", "headers", "status"), [
    ("GET", "/metrics", {}, 200),
    ("GET", "/metrics", {"Host": "rebound.example"}, 421),
    ("GET", "/metrics", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("POST", "/metrics", {}, 405),
    ("GET", "/../../etc/passwd", {}, 404),
])
def test_only_this_machine_is_answered_and_every_answer_carries_the_security_headers(db, method, path, headers, status):
    with server(db) as found:
        answer = httpx.request(method, f"http://127.0.0.1:{found.port}{path}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["Server"] == "interlock"
    assert {name: answer.headers.get(name) for name in PROGRAM_HEADERS} == PROGRAM_HEADERS


def test_a_scrape_that_breaks_is_an_incident_and_its_cause_is_in_the_log_only(db, monkeypatch, caplog):
    def breaks(_):
        raise RuntimeError("postgresql://interlock:s3cret@db")

    monkeypatch.setattr(OpsCollector, "_read", breaks)
    with server(db) as found:
        answer = httpx.get(f"http://127.0.0.1:{found.port}/metrics")
    assert answer.status_code == 500
    incident = re.search(r"incident (\w{12})", answer.text)[1]
    assert "s3cret" not in answer.text
    assert "Traceback" not in answer.text
    assert f"incident {incident}" in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_port_that_is_taken_is_named(db):
    with server(db) as first, pytest.raises(SettingsError, match=f"metrics_port = {first.port}"):
        server(db, first.port)


@pytest.mark.parametrize("status", [200, 500])
def test_a_pass_signals_an_outside_watcher(status):
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args):
            pass

    watcher = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=watcher.serve_forever)
    thread.start()
    step = DeadManStep(url=f"http://127.0.0.1:{watcher.server_port}/ping/secret")
    try:
        if status == 200:
            assert step.run(now=NOW) == "told 127.0.0.1 at 15:00:00 UTC"
        else:
            with pytest.raises(SourceUnavailable) as caught:
                step.run(now=NOW)
            assert "secret" not in str(caught.value)
    finally:
        watcher.shutdown()
        watcher.server_close()
        thread.join()
    assert calls == ["/ping/secret"]


def test_a_watcher_that_is_away_is_one_line():
    with pytest.raises(SourceUnavailable, match="did not answer"):
        DeadManStep(url=f"http://127.0.0.1:{free_port()}/x").run(now=NOW)
