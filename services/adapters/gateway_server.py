"""Put the gateway together from the settings and run it until it is told to stop.

Where it listens, and the token file, are told in `gateway.json` in the home folder, readable by its owner only.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from services.adapters.gateway_address import TOKEN_VARIABLE, log_root
from services.adapters.gateway_log import PredictionLog
from services.adapters.gateway_nursery import Nursery
from services.adapters.gateway_seed import champions
from services.adapters.gateway_state_file import JsonFile
from services.adapters.gateway_workers import WorkerFleet
from services.core.web import host_names
from services.core.window import parse_span
from services.errors import OpsError, SettingsError, SourceUnavailable
from services.gateway import app as face
from services.gateway.control import Control
from services.gateway.desk import Desk
from services.gateway.front import Front
from services.gateway.journal import Schema
from services.gateway.wire import WorkerSpec
from services.settings import Settings

_log = logging.getLogger(__name__)

_SEED_AGAIN_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway that is put together and not running yet."""

    app: Front
    desk: Desk
    control: Control
    fleet: WorkerFleet
    log: PredictionLog
    token: str


def folder(settings: Settings) -> Path:
    """Return where the gateway keeps its own files."""
    return settings.home_path / "gateway"


def token(settings: Settings) -> str:
    """Return the control token: from the environment, or from the token file, which is made when it is missing."""
    if given := os.environ.get(TOKEN_VARIABLE):
        return given
    path = folder(settings) / "token"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def assemble(settings: Settings, nursery: Nursery, host: str | None = None) -> Gateway:
    """Return a gateway for these settings; processes start when the application does, forked by `nursery`.

    `host` is where it will listen, when not where the settings say.
    """
    wanted = settings.gateway
    log = PredictionLog(folder(settings) / "journal", window_s=parse_span(wanted.flush).total_seconds())

    def spec(model: str, version: str) -> WorkerSpec:
        known = settings.models.get(model)
        return WorkerSpec(model=model, version=version, task=known.task if known else "",
                          tracking_uri=settings.tracking_uri, registry_uri=settings.tracking.registry_uri)

    def told(ready: WorkerSpec, signature: dict[str, Any]) -> None:
        log.describe(Schema(model=ready.model, version=ready.version, root=str(log_root(settings, ready.model)),
                            signature=signature))

    fleet = WorkerFleet(spec, nursery, timeout_s=wanted.timeout_ms / 1_000, queue=wanted.queue, workers=wanted.workers,
                        memory_mb=wanted.worker_memory_mb, told=told)
    desk = Desk(fleet=fleet, log=log, ack_disk=wanted.ack == "disk")
    control = Control(desk=desk, file=JsonFile(folder(settings) / "state.json"), clock=time.monotonic,
                      dead_man_s=parse_span(wanted.dead_man).total_seconds())
    bearer = token(settings)
    app = face.create(desk, control, token=bearer, max_body=int(wanted.max_body_mb * 1_000_000),
                      lifespan=_lifespan(settings, control, fleet, log, nursery),
                      hosts=host_names(wanted.hosts, host or wanted.host))
    return Gateway(app=app, desk=desk, control=control, fleet=fleet, log=log, token=bearer)


def _lifespan(
    settings: Settings, control: Control, fleet: WorkerFleet, log: PredictionLog, nursery: Nursery,
) -> face.Lifespan:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.start()
        tasks: list[asyncio.Task[None]] = []
        try:
            await control.restore()
            tasks = [asyncio.create_task(_seed(settings, control, nursery)), asyncio.create_task(_dead_man(control))]
            yield
        finally:
            for task in tasks:
                task.cancel()
            await control.desk.drain()
            await fleet.close()
            await log.close()

    return lifespan


async def _seed(settings: Settings, control: Control, nursery: Nursery) -> None:
    """Give every route that was never told anything its champion, and look again until each has one."""
    homes = [name for name, environment in settings.environments.items() if environment.target == "gateway"]
    keys = [(home, name) for home in homes for name, model in settings.models.items() if model.target == "gateway"]
    while empty := [key for key in keys if key not in control.desk.routes]:
        try:
            found = await asyncio.to_thread(champions, settings, sorted({model for _, model in empty}), nursery)
            await control.seed({key: found[key[1]] for key in empty if key[1] in found})
        except OpsError as error:
            _log.warning("the aliases could not be read, tried again in %g s: %s", _SEED_AGAIN_S, error)
        await asyncio.sleep(_SEED_AGAIN_S)


async def _dead_man(control: Control) -> None:
    while True:
        await asyncio.sleep(min(1.0, control.dead_man_s / 5))
        try:
            for environment, model in await control.expire():
                _log.error("%s/%s: the monitor is silent for %g s, all traffic is back on the champion", environment,
                           model, control.dead_man_s)
        except SourceUnavailable as error:
            _log.error("the canary's share could not be taken back: %s", error)


class _Server(uvicorn.Server):
    """Says where it listens once it does, and ends with status 0 when it was asked to end."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain at SIGTERM and SIGINT. Uvicorn's own raises the signal again afterwards, which looks like a crash."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        SettingsError: the address cannot be bound.
    """
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise SettingsError(f"the gateway cannot listen on {host}:{port}: {error.strerror}. Set gateway.port to a free "
                            "one, or 0 for any") from error
    # Inherited by every connection. asyncio sets it on sockets that it made itself only, and an answer of two writes
    # then waits for the client's delayed acknowledgement: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run(settings: Settings, *, host: str | None = None, port: int | None = None,
        told: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way, write the log and return.

    Raises:
        SettingsError: the address cannot be bound.
    """
    nursery = Nursery()
    host = host if host is not None else settings.gateway.host
    gateway = assemble(settings, nursery, host)
    port = port if port is not None else settings.gateway.port
    listener = listen(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"
    address = JsonFile(settings.home_path / "gateway.json")
    address.write({"url": url, "pid": os.getpid(), "token_file": str(folder(settings) / "token")})
    config = uvicorn.Config(gateway.app, log_level="warning", access_log=False, lifespan="on",
                            timeout_graceful_shutdown=int(settings.gateway.timeout_ms / 1_000) + 5,
                            timeout_keep_alive=30)
    with listener, contextlib.closing(nursery):
        _Server(config, lambda: told(url) if told else None).run(sockets=[listener])
