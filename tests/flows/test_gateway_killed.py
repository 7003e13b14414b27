"""The gateway as its own command: killed without warning under load, started again, told to stop."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.adapters.gateway_address import address
from services.adapters.gateway_target import GatewayTarget
from services.settings import load
from tests.gateway_fixtures import read_log
from tests.waiting import until

TOML = """
[tracking]
uri = "{uri}"
[models.tiny]
task = "regression"
log = "log/tiny"
[environments.production]
target = "gateway"
[gateway]
port = 0
timeout_ms = 30000
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The gateways that a test started: none outlives it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _start(home: Path, started: list[subprocess.Popen[bytes]]) -> tuple[subprocess.Popen[bytes], str]:
    (home / ".interlock" / "gateway.json").unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-c", "from console.cli import main; main()", "gateway"], cwd=home)
    started.append(process)
    until((home / ".interlock" / "gateway.json").exists, within=240)
    url = json.loads((home / ".interlock" / "gateway.json").read_text())["url"]

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/ping", trust_env=False, timeout=60).status_code == 200
        except httpx.TransportError:
            return False

    until(ready, within=240)
    return process, url


def test_a_gateway_killed_under_load_comes_back_with_its_weights_and_its_log(tmp_path, registry, started):
    (tmp_path / "interlock.toml").write_text(TOML.format(uri=registry))
    settings = load(str(tmp_path / "interlock.toml"))
    process, url = _start(tmp_path, started)
    target = GatewayTarget(lambda: address(settings, "production"))
    target.load("tiny", "production", "2")
    target.set_weights("tiny", "production", {"1": 60, "2": 40}, generation=7)
    answered: list[str] = []

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while True:
                name = uuid4().hex
                try:
                    answer = client.post(f"{url}/production/tiny/invocations", headers={"X-Request-Id": name},
                                         json={"inputs": {"x": [1], "color": ["red"]}})
                except httpx.TransportError:
                    return
                assert answer.status_code == 200
                answered.append(name)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    until(lambda: len(answered) > 300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for client in clients:
        client.join()

    process, url = _start(tmp_path, started)
    assert dict(target.observe("tiny", "production").weights) == {"1": 60.0, "2": 40.0}
    assert target.observe("tiny", "production").generation == 7
    lost = httpx.get(f"{url}/health", trust_env=False, timeout=60).json()["log"]["lost"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    target.close()
    logged = [row["request_id"] for row in read_log(settings, "tiny")]
    assert len(logged) == len(set(logged))
    assert set(answered) <= set(logged)
    assert lost == 0
    assert len(logged) <= len(answered) + len(clients)  # logged and killed before the answer had left
