"""A health address is asked over a real socket: ready, not ready, gone, unknown."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from services.adapters import health_probe
from services.adapters.gateway_state_file import JsonFile
from services.adapters.health_probe import HealthProbe
from services.settings import Settings
from tests.conftest import NOW


class Health:
    """A gateway's health address that says what it is told to say."""

    def __init__(self) -> None:
        outer = self
        self.routes = [{"environment": "production", "model": "fares", "ready": True}]
        self.status = 200
        self.token = "t"
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = json.dumps({"routes": outer.routes}).encode()
                given = self.headers["Authorization"] == f"Bearer {outer.token}"
                self.send_response(401 if self.path == "/control" and not given else outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Iterator[Health]:
    monkeypatch.setattr(health_probe, "_TIMEOUT_S", 60.0)  # a loaded machine is no outage
    found = Health()
    yield found
    if found.thread.is_alive():
        found.stop()


def settings(folder: Path, probe: str = "") -> Settings:
    return Settings.model_validate({"folder": str(folder), "home": {"path": "home"}, "models": {
        "fares": {"task": "binary", "log": "log", "probe": probe}, "other": {"task": "binary", "log": "log"}}})


def in_home(folder: Path, url: str) -> HealthProbe:
    token = folder / "token"
    token.write_text("t")
    JsonFile(folder / "home" / "gateway.json").write({"url": url, "token_file": str(token)})
    return HealthProbe(settings(folder))


def test_the_gateway_of_the_home_is_asked_and_its_stop_is_seen_at_once(tmp_path: Path, health: Health):
    probe = in_home(tmp_path, health.url)
    found = probe.ask("fares", "production", now=NOW)
    assert found is not None
    assert found.well is True
    health.stop()
    down = probe.ask("fares", "production", now=NOW + timedelta(seconds=30))
    later = probe.ask("fares", "production", now=NOW + timedelta(seconds=60))
    assert down is not None
    assert later is not None
    assert (down.well, later.well) == (False, False)
    assert later.since == NOW + timedelta(seconds=30)
    assert "connection refused" in down.said


def test_a_model_without_a_version_that_answers_is_down_though_the_gateway_lives(tmp_path: Path, health: Health):
    health.routes[0]["ready"], health.status = False, 503
    found = in_home(tmp_path, health.url).ask("fares", "production", now=NOW)
    assert found is not None
    assert (found.well, found.said) == (False, "no version of it can answer")


def test_where_the_gateway_never_routed_nothing_is_claimed(tmp_path: Path, health: Health):
    probe = in_home(tmp_path, health.url)
    assert probe.ask("other", "production", now=NOW) is None
    assert probe.ask("fares", "staging", now=NOW) is None


def test_without_a_gateway_ever_started_there_is_no_probe(tmp_path: Path):
    assert HealthProbe(settings(tmp_path)).ask("fares", "production", now=NOW) is None


def test_a_named_address_speaks_for_production_by_its_status(tmp_path: Path, health: Health):
    probe = HealthProbe(settings(tmp_path, probe=f"{health.url}/ping"))
    assert (found := probe.ask("fares", "production", now=NOW)) is not None
    assert found.well
    health.status = 500
    assert (found := probe.ask("fares", "production", now=NOW)) is not None
    assert (found.well, found.said) == (False, "status 500")
    assert probe.ask("fares", "staging", now=NOW) is None


def test_another_gateway_on_a_port_that_was_ours_is_not_taken_for_ours(tmp_path: Path, health: Health):
    probe = in_home(tmp_path, health.url)
    health.token = "another home's"
    found = probe.ask("fares", "production", now=NOW)
    assert found is not None
    assert found.well is False
    assert "another gateway answers" in found.said


def test_one_pass_asks_a_gateway_once_for_all_models_and_the_next_pass_asks_again(tmp_path: Path, health: Health):
    health.routes.append({"environment": "production", "model": "other", "ready": True})
    probe = in_home(tmp_path, health.url)
    assert [probe.ask(model, "production", now=NOW).well for model in ("fares", "other")] == [True, True]
    assert sorted(health.asked) == ["/control", "/health"]
    health.routes[1]["ready"] = False
    later = NOW + timedelta(seconds=30)
    assert [probe.ask(model, "production", now=later).well for model in ("fares", "other")] == [True, False]
    assert len(health.asked) == 4
