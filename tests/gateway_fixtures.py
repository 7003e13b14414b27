"""Small real models in a real registry, and real gateways over them, for every test of the gateway."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn

from services.adapters import gateway_server
from services.adapters.gateway_address import log_root
from services.adapters.gateway_nursery import Nursery
from services.adapters.gateway_target import Address, GatewayTarget
from services.settings import Settings
from tests.waiting import until

NURSERY: Final = Nursery()  # starts with the first worker; shared, since importing MLflow costs seconds each time


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tracking address of a registry with the test models, made once for every worker, and for reading only."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = shared / "registry.made"
    with (shared / "registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder = tmp_path_factory.mktemp("registry")
            subprocess.run([sys.executable, "-m", "tests.gateway_models", str(folder)],
                           cwd=Path(__file__).parent.parent, check=True, capture_output=True)
            made.write_text(f"sqlite:///{folder}/mlflow.db")
    yield made.read_text()
    NURSERY.close()


def settings_for(home: Path, uri: str, **gateway: Any) -> Settings:
    """Return the settings of a gateway with a home of its own."""
    return Settings.model_validate({
        "home": {"path": str(home)}, "tracking": {"uri": uri}, "folder": str(home),
        "models": {"tiny": {"task": "regression", "log": str(home / "log/tiny")},
                   "yes-no": {"task": "binary", "log": str(home / "log/yes-no")}},
        "environments": {"production": {"target": "gateway"}},
        "gateway": {"port": 0, "timeout_ms": 30_000, **gateway},  # a loaded machine is slow, and no fault of a model
    })


@dataclass
class Running:
    """A gateway that serves in a thread of this process, with real worker processes."""

    url: str
    gateway: gateway_server.Gateway
    settings: Settings
    loop: asyncio.AbstractEventLoop
    stop: Callable[[], None]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    @cached_property
    def target(self) -> GatewayTarget:
        return GatewayTarget(lambda: Address(self.url, self.gateway.token))

    def close(self) -> None:
        self.client.close()
        self.target.close()

    def ask(
        self, x: Any = 1.0, *, model: str = "tiny", environment: str = "production", **headers: str
    ) -> httpx.Response:
        body = {"dataframe_split": {"columns": ["x", "color"], "data": [[x, "red"]]}}
        return self.post(json.dumps(body), model=model, environment=environment, **headers)

    def post(
        self, body: str | bytes, *, model: str = "tiny", environment: str = "production",
        media: str = "application/json", **headers: str,
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"{self.url}/{environment}/{model}/invocations", content=body,
                                headers={"content-type": media, **named})

    def control(self, method: str = "GET", path: str = "/control", **body: Any) -> httpx.Response:
        return self.client.request(method, self.url + path, json=body or None,
                                   headers={"Authorization": f"Bearer {self.gateway.token}"})

    def split(self, weights: dict[str, float], generation: int = 1, environment: str = "production") -> None:
        """Load what is named and give it its share."""
        for version in weights:
            self.target.load("tiny", environment, version)
        self.target.set_weights("tiny", environment, weights, generation=generation)

    def seen(self, environment: str = "production", model: str = "tiny") -> dict[str, Any]:
        """Return what the control address shows."""
        return self.control(path=f"/control/{environment}/{model}").json()

    def seal(self) -> None:
        """Hand what was answered so far to the log's writer."""
        asyncio.run_coroutine_threadsafe(self.gateway.log.journal.seal(), self.loop).result(timeout=60)

    def logged(self, environment: str, rows: int, model: str = "tiny") -> list[dict[str, Any]]:
        """Return an environment's log once it holds so many rows, without stopping the gateway."""
        self.seal()

        def enough() -> list[dict[str, Any]]:
            found = [row for row in read_log(self.settings, model) if row["environment"] == environment]
            return found if len(found) >= rows else []

        return until(enough)

    def rows(self, model: str = "tiny") -> list[dict[str, Any]]:
        """Stop the gateway and return the whole prediction log."""
        self.stop()
        return read_log(self.settings, model)


def read_log(settings: Settings, model: str) -> list[dict[str, Any]]:
    """Return the rows of a prediction log, in the order of delivery."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(log_root(settings, model).glob("date=*/*.parquet"))
    tables = [pq.ParquetFile(file).read() for file in files]
    rows = pa.concat_tables(tables, promote_options="permissive").to_pylist() if tables else []
    return sorted(rows, key=lambda row: row["ts"])


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Run a gateway until the block ends."""
    gateway = gateway_server.assemble(settings, NURSERY)
    config = uvicorn.Config(gateway.app, host="127.0.0.1", port=0, log_level="warning", lifespan="on",
                            timeout_graceful_shutdown=60)
    server = uvicorn.Server(config)
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    assert server.started, "the gateway did not start"
    port = server.servers[0].sockets[0].getsockname()[1]

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=120)

    alive = Running(f"http://127.0.0.1:{port}", gateway, settings, loops[0], stop)
    try:
        yield alive
    finally:
        alive.close()
        stop()
