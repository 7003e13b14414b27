"""A real Ray cluster for the tests: a head and a second node on loopback, token authentication on."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from services.adapters.ray_target import RayTarget
from services.errors import SourceUnavailable
from services.settings import Settings
from tests.gateway_fixtures import settings_for
from tests.ports import free_port
from tests.waiting import until

TOKEN = uuid4().hex


@dataclass
class RayCluster:
    """Where the cluster is driven, and where its applications are called."""

    dashboard: str
    door: str

    def ask(self, method: str = "GET", path: str = "/api/serve/applications/", *, token: str = TOKEN, **more):
        return httpx.request(method, self.dashboard + path, headers={"Authorization": f"Bearer {token}"}, timeout=60,
                             trust_env=False, **more)

    def alive(self) -> int:
        try:
            rows = self.ask(path="/api/v0/nodes").json()["data"]["result"]["result"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            return 0
        return sum(row["state"] == "ALIVE" for row in rows)


def ray_settings(home: Path, uri: str, cluster: RayCluster) -> Settings:
    """Return settings whose production is on the cluster, small enough for any machine."""
    settings = settings_for(home, uri, timeout_ms=20_000)
    wanted = {"target": "ray", "url": cluster.dashboard, "cpus": 0.1}
    return Settings.model_validate({**settings.model_dump(), "folder": str(home),
                                    "environments": {"production": wanted}})


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Start both nodes and Ray Serve; stop them by process id, and leave nothing."""
    program = Path(sys.executable).with_name("ray")
    if not program.exists():
        pytest.fail("Ray is not installed: pip install --require-hashes -r requirements/ray.lock", pytrace=False)
    # Not below pytest's own folder: the paths of Ray's sockets would be too long.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    port, dashboard, door = free_port(), free_port(), free_port()
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    common = ["--node-ip-address", "127.0.0.1", "--object-store-memory", "100000000", "--num-cpus", "4", "--block"]
    nodes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        with (folder / f"node{len(nodes)}.log").open("wb") as out:
            nodes.append(subprocess.Popen([str(program), "start", *words, *common], env=environment, stdout=out,
                                          stderr=subprocess.STDOUT, start_new_session=True))

    cluster = RayCluster(f"http://127.0.0.1:{dashboard}", f"http://127.0.0.1:{door}/interlock")
    try:
        start("--head", "--port", str(port), "--dashboard-port", str(dashboard), "--temp-dir", str(folder),
              "--ray-client-server-port", str(free_port()), "--dashboard-agent-listen-port", str(free_port()))
        until(lambda: cluster.alive() == 1, within=300, what="the head of the Ray cluster")
        start("--address", f"127.0.0.1:{port}", "--dashboard-agent-listen-port", str(free_port()))
        until(lambda: cluster.alive() == 2, within=300, what="the second Ray node")
        # One proxy: two nodes on one machine cannot both listen on its port.
        begun = cluster.ask("PUT", json={"proxy_location": "HeadOnly", "applications": [],
                                         "http_options": {"host": "127.0.0.1", "port": door}})
        assert begun.status_code == 200, begun.text
        yield cluster
    finally:
        for process in [p for node in nodes for p in family(node.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for node in nodes:
            node.wait(timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


class Again:
    """A target that is asked again where it was not reached, as the monitor does at its next turn."""

    def __init__(self, target: RayTarget) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)

        def ask(*args: Any, **how: Any) -> Any:
            def answer() -> list[Any]:
                try:
                    return [found(*args, **how)]
                except SourceUnavailable as error:
                    if not error.retryable:
                        raise
                    return []

            return until(answer, what=f"an answer to {name}")[0]

        return ask if callable(found) else found


def family(pid: int) -> list[psutil.Process]:
    """Return a process and everything below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
