"""The real Prometheus scrapes the monitor's `/metrics`: what a team with Alertmanager and Grafana would query."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.adapters.measurement_table import MeasurementTable
from services.core.measurement import Verdict
from tests.contract.test_incidents import look
from tests.contract.test_metrics_server import server
from tests.ports import free_port
from tests.unit.alerts.alert_builders import NOW, measured
from tests.waiting import until


class Prometheus:
    """A running server and the questions put to it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of every series that a query finds now."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=60).json()
        except (httpx.HTTPError, ValueError):
            return []  # not listening yet, or listening and still starting
        assert answer["status"] == "success", answer
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def wait_for(self, query: str, value: float) -> None:
        """Wait until a query of one series has a value."""
        until(lambda: [v for _, v in self.ask(query)] == [value], within=120, what=f"{query} = {value:g}")


@pytest.fixture
def scraped(db, tmp_path: Path) -> Iterator[Prometheus]:
    if shutil.which("prometheus") is None:
        pytest.fail("Prometheus is not installed: install the distribution's package prometheus", pytrace=False)
    port = free_port()
    with server(db) as ours, (tmp_path / "log").open("wb") as log:
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 2s, scrape_timeout: 2s}\n"  # a slow scrape is no gap
            "scrape_configs:\n  - job_name: interlock\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{ours.port}']\n")
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            yield Prometheus(process, f"http://127.0.0.1:{port}", tmp_path / "log")
        finally:
            process.terminate()
            process.wait(timeout=120)


def test_values_verdicts_and_incidents_can_be_queried_and_follow_what_is_measured(db, scraped):
    look(db, Verdict.FAIL, NOW)
    MeasurementTable(db).save([measured(Verdict.INCONCLUSIVE, name="quality", value=None)])
    where = '{subject="flight-delay",environment="production",name="latency_p95_ms"'
    scraped.wait_for("interlock_up", 1)
    scraped.wait_for(f"interlock_measurement{where}}}", 412)
    scraped.wait_for(f'interlock_verdict{where},verdict="fail"}}', 1)
    scraped.wait_for('interlock_open_incidents{severity="page",state="open"}', 1)
    # What an alert rule would ask: everything that fails; what is inconclusive is neither failing nor passing.
    failing = scraped.ask('interlock_verdict{verdict="fail"} == 1')
    assert [labels["name"] for labels, _ in failing] == ["latency_p95_ms"]
    passing = scraped.ask('interlock_verdict{verdict="pass"} == 1')
    assert passing == []
    look(db, Verdict.PASS, NOW + timedelta(minutes=1), value=100.0)
    scraped.wait_for(f"interlock_measurement{where}}}", 100)
    until(lambda: scraped.ask("interlock_open_incidents") == [], within=120, what="no open incident")


def test_what_is_exposed_passes_prometheus_own_lint(db):
    if shutil.which("promtool") is None:
        pytest.fail("promtool is not installed: it comes with the distribution's package prometheus", pytrace=False)
    look(db, Verdict.FAIL, NOW)
    with server(db) as ours:
        exposed = httpx.get(f"http://127.0.0.1:{ours.port}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=exposed, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
