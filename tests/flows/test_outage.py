"""The real gateway is stopped and started again: what Now says of it, with a health probe and without one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import streamlit as st

from console import session
from services import bootstrap
from services.adapters import health_probe
from services.core.measurement import Verdict
from services.core.overview import Line, overview
from services.core.window import HOUR, floor_to
from services.monitor.tick import run_pass
from services.serving.latency import Latency
from services.serving.traffic import Traffic
from tests.console.conftest import Console
from tests.waiting import until

SETTINGS = """
[home]
path = "home"
[tracking]
uri = "{uri}"
[console]
sign_in = "demo"
[models.tiny]
task = "regression"
log = "log/tiny"
owner = "pricing"
[environments.production]
target = "gateway"
[gateway]
port = 0
[monitor]
interval = "30s"
"""
MODEL, PLACE = "tiny", "production"
LOOKED_AT = ("baselines", "profiles", "traffic", "serving", "alerts")  # of a pass: what an outage takes
TURN = timedelta(seconds=30)


class Site:
    """A home with the gateway's own command and the monitor's own steps; only the clock of the passes is the test's."""

    def __init__(self, console: Console) -> None:
        self.console, self.folder = console, console.file.parent
        self.now = datetime.now(UTC)
        self.steps = [s for s in bootstrap.build_steps(console.services) if s.name in LOOKED_AT]
        assert [s.name for s in self.steps] == list(LOOKED_AT)
        self.gateway: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        told = self.folder / "home" / "gateway.json"
        told.unlink(missing_ok=True)
        log = (self.folder / "gateway.log").open("ab")
        self.gateway = subprocess.Popen(
            [sys.executable, "-c", "from console.cli import main; main()", "--config", str(self.console.file),
             "gateway"], cwd=self.folder, stdout=log, stderr=log)
        log.close()
        until(told.exists, within=120, what="the gateway's address")
        until(lambda: self._health() == 200, within=180, what="a gateway that is ready")

    def _health(self) -> int:
        url = json.loads((self.folder / "home" / "gateway.json").read_text())["url"]
        try:
            return httpx.get(f"{url}/health", trust_env=False, timeout=10).status_code
        except httpx.TransportError:
            return 0

    def stop(self) -> None:
        if self.gateway is not None and self.gateway.poll() is None:
            self.gateway.send_signal(signal.SIGTERM)
            self.gateway.wait(60)

    def forget_the_probe(self) -> None:
        """From now on no health address is known: only the log can tell."""
        self.stop()
        (self.folder / "home" / "gateway.json").unlink(missing_ok=True)

    def usual(self, per_hour: int, *, last: timedelta) -> None:
        """Five weeks of so many predictions in each hour, the last of them `last` ago."""
        newest = self.now - last
        hours = [floor_to(newest, HOUR) - k * HOUR for k in range(5 * 168)]
        self.console.services.traffic.replace_hours(MODEL, [], [
            Traffic(model=MODEL, environment=PLACE, version="1", variant="champion", hour=hour, rows=per_hour,
                    last=newest if k == 0 else hour + HOUR / 2, latency=Latency.of({80: per_hour}))
            for k, hour in enumerate(hours)])

    def turn(self, *, after: timedelta = TURN) -> Line:
        """Let a pass go by, and return what Now says of the model's serving."""
        self.now += after
        reports = run_pass(self.steps, bootstrap.SourceJournal(self.console.services.sources), clock=lambda: self.now)
        assert [r.message for r in reports if not r.ok] == []
        newest = [(m, since) for m, since in self.console.services.measurements.newest(subject=MODEL)
                  if m.name == "outage"]
        [line] = overview([m for m, _ in newest], {m.key: since for m, since in newest})
        return line

    def incidents(self) -> dict[str, str]:
        """Return state by rule of the model's incidents."""
        found = self.console.services.incidents.history(subject=MODEL)
        return {member.rule: str(i.state) for i in found for member in i.members}

    def page(self) -> str:
        """Return what the page Now says, asked at the time of the last pass."""
        st.cache_data.clear()  # the pages' answers age by the real clock, not by the test's
        return self.console.words(self.console.open("now", persona="on-call"))


@pytest.fixture
def site(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    found = Site(Console(tmp_path, monkeypatch, SETTINGS.format(uri=registry)))
    monkeypatch.setattr(session, "now", lambda: found.now)
    monkeypatch.setattr(health_probe, "_TIMEOUT_S", 60.0)  # a loaded machine is no outage
    yield found
    found.stop()


def test_stopping_the_gateway_is_an_outage_within_two_passes_and_starting_it_again_resolves_it(site: Site):
    site.usual(5, last=timedelta(minutes=1))
    site.start()
    assert site.turn().verdict is Verdict.PASS

    site.stop()
    seen = [site.turn(), site.turn()]
    assert seen[0].verdict is Verdict.FAIL, "the first pass after the stop sees it"
    assert seen[1].since == seen[0].at, "and since when it has been so"
    assert "its health probe says connection refused or broken" in seen[0].reason
    assert site.incidents()["outage"] == "open"
    shown = site.page()
    assert "1 failing" in shown
    assert "down: its health probe says connection refused" in shown
    assert "pricing" in shown, "whom it belongs to"

    site.start()
    assert site.turn().verdict is Verdict.PASS
    site.turn(after=timedelta(minutes=6))  # past the five minutes for which an outage is kept from flapping
    assert site.incidents()["outage"] == "resolved"
    assert "its health probe says" not in site.page()


def test_without_a_probe_volume_says_so_once_seven_predictions_are_missing(site: Site):
    site.usual(60, last=timedelta(minutes=1))
    site.forget_the_probe()
    early = site.turn(after=timedelta(minutes=2))
    assert early.verdict is not Verdict.FAIL, early.reason  # three are missing: that happens
    late = site.turn(after=timedelta(minutes=7))
    assert late.verdict is Verdict.FAIL
    assert "were to be expected since" in late.reason
    assert site.incidents()["outage"] == "open"


def test_without_a_probe_a_quiet_hour_is_neither_an_outage_nor_fine(site: Site):
    site.usual(2, last=timedelta(minutes=1))
    site.forget_the_probe()
    line = site.turn(after=timedelta(minutes=50))
    assert line.verdict is Verdict.INCONCLUSIVE
    assert line.reason.startswith("quiet hour")
    assert "outage" not in site.incidents()
