"""`interlock demo` serves: pages, gateway and replay answer, a stopped gateway is an outage, one signal ends all."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psutil
import pyarrow.dataset as ds
import pytest

from services import bootstrap
from services.core.measurement import Measurement, Verdict
from services.core.window import HOUR, TimeWindow
from services.demo.features import FEATURES
from tests.demo_fixtures import DemoHome, clean_environment
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.demo


@pytest.fixture
def settled() -> dict[str, str]:
    """Passes that follow one another, a port that no other demo takes over once ours is free, and patience."""
    return {**clean_environment(), "INTERLOCK_MONITOR__INTERVAL": "5s", "INTERLOCK_GATEWAY__PORT": str(free_port()),
            "INTERLOCK_GATEWAY__TIMEOUT_MS": "30000"}


@pytest.fixture
def serving(demo_copy: DemoHome, settled: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo, gone on with in a copy of the home, and the line that says its address."""
    log = (demo_copy.folder / "demo.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "demo", "--fast", "--port", str(free_port())], cwd=demo_copy.folder,
        env=settled, stdout=log, stderr=subprocess.STDOUT, text=True)

    def said() -> str:
        assert process.poll() is None, (demo_copy.folder / "demo.log").read_text()
        lines = (demo_copy.folder / "demo.log").read_text().splitlines()
        return next((line for line in lines if "Interlock is at" in line), "")

    try:
        yield process, until(said, within=480, what="the demo's address")
    finally:
        process.terminate()
        process.wait(120)
        log.close()


def outages(services: bootstrap.Services, after: datetime) -> list[Measurement]:
    """Return what the passes since then said of whether the model delivers, oldest first."""
    found = services.measurements.history(
        TimeWindow(after, datetime.now(UTC) + HOUR), subject="flight-delay", name="outage", environment="production")
    return sorted(found, key=lambda m: m.at)


def stop_the_gateway_and_start_it_again(demo: DemoHome, gateway: psutil.Process, env: dict[str, str]) -> None:
    """What a person does to see an outage: two passes later at most it is on Now, and gone once it answers again."""
    services, before = bootstrap.build(demo.settings), datetime.now(UTC)
    gateway.terminate()
    gateway.wait(120)
    stopped = datetime.now(UTC)
    until(lambda: len(outages(services, stopped)) > 1, within=300, what="two passes of the monitor")
    assert Verdict.FAIL in [m.verdict for m in outages(services, stopped)[:2]]
    shown = json.loads(demo.interlock("status", "--json").stdout)
    lines = [line["what"] for line in shown["items"] if line["subject"] == "flight-delay"]
    assert any(line.startswith("down") and "its health probe says" in line for line in lines), lines
    assert "gateway was stopped: Now shows the outage" in (demo.folder / "demo.log").read_text()

    with (demo.folder / "again.log").open("w") as log:
        again = subprocess.Popen([sys.executable, "-m", "console.cli", "gateway"], cwd=demo.folder,
                                 env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: outages(services, before)[-1].verdict is not Verdict.FAIL, within=300, what="its end")
    finally:
        again.terminate()
        again.wait(120)


def test_the_demo_serves_shows_an_outage_and_ends_with_all_it_started(
    serving: tuple[subprocess.Popen[str], str], demo_copy: DemoHome, settled: dict[str, str]
) -> None:
    process, address = serving
    gateway = f"http://127.0.0.1:{settled['INTERLOCK_GATEWAY__PORT']}"
    assert httpx.get(address.split()[3], timeout=60).status_code == 200
    body = {"dataframe_records": [dict.fromkeys(FEATURES, 1.0) | {"carrier": "UA", "origin": "EWR", "dest": "IAH"}],
            "interlock": {"request_ids": ["asked-by-the-test"]}}
    answer = httpx.post(f"{gateway}/production/flight-delay/invocations", json=body, timeout=60)
    assert answer.status_code == 200, answer.text

    def logged() -> bool:
        rows = ds.dataset(demo_copy.home / "predictions" / "flight-delay", format="parquet").to_table(
            columns=["request_id"], filter=ds.field("request_id") == "asked-by-the-test")
        return rows.num_rows == 1

    until(logged, within=120, what="the logged prediction")

    def staging_answers() -> bool:
        rows = ds.dataset(demo_copy.home / "predictions" / "air-time", format="parquet").to_table(
            columns=["environment", "request_id"], filter=ds.field("environment") == "staging")
        return rows.num_rows > 5 and all(name.startswith("fast-") for name in rows["request_id"].to_pylist())

    (demo_copy.home / "replay-staging").touch()
    until(staging_answers, within=240, what="staging traffic, once somebody asks for it")

    parts = psutil.Process(process.pid).children()
    stop_the_gateway_and_start_it_again(demo_copy, next(p for p in parts if p.cmdline()[-1] == "gateway"), settled)

    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 4
    commands = {child.pid: child.cmdline() for child in children if child.is_running()}
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    _, alive = psutil.wait_procs(children, timeout=60)
    assert [commands.get(child.pid) for child in alive] == []
    assert json.loads((demo_copy.home / "seed.json").read_text())["fast"]
