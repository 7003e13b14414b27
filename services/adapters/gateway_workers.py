"""The fleet: which versions are loaded, in how many processes, and starting again what died, later each time.

One worker's conversation is in gateway_worker.py, forking in gateway_nursery.py.
"""

import asyncio
import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.adapters.gateway_nursery import Nursery
from services.adapters.gateway_worker import Worker
from services.errors import OpsError, Refused
from services.gateway.fault import InvocationFault
from services.gateway.ports import Answer
from services.gateway.wire import WorkerSpec

_log = logging.getLogger(__name__)

_SETTLED_S: Final = 60.0
_BACKOFF_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SWEEPS: Final = 20


@dataclass(slots=True)
class _Version:
    """One loaded version: its workers, and the tasks that keep each of them alive."""

    spec: WorkerSpec
    workers: list[Worker] = field(default_factory=list)
    keepers: list["asyncio.Task[None]"] = field(default_factory=list)
    first: "asyncio.Future[None] | None" = None
    restarts: int = 0
    reason: str = ""


class _Brought:
    """What a thread brings for a task that may be cancelled meanwhile: the thread cannot be stopped, the socket is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._unwanted = False

    def take(self, pid: int, channel: socket.socket) -> tuple[int, socket.socket]:
        with self._lock:
            self._channel = channel
            if self._unwanted:
                channel.close()
        return pid, channel

    def let_go(self) -> None:
        """Close what was brought, or what still comes: the loop may have ended by then."""
        with self._lock:
            self._unwanted = True
            if self._channel is not None:
                self._channel.close()


class WorkerFleet:
    """Versions in worker processes. Lives on the event loop that `start` ran on."""

    def __init__(
        self, spec: Callable[[str, str], WorkerSpec], nursery: Nursery, *, timeout_s: float, queue: int,
        workers: int = 1, memory_mb: float = math.inf,
        load_timeout_s: float = 180.0, told: Callable[[WorkerSpec, dict[str, Any]], None] | None = None,
    ) -> None:
        """Prepare; nothing is started before a version is.

        Args:
            spec: what to start for a model and version.
            nursery: forks the workers; it outlives the fleet.
            timeout_s: how long a request may take.
            queue: how many requests may wait for one version.
            workers: processes per version.
            memory_mb: how much of it one process may hold before another takes its place.
            load_timeout_s: how long loading may take.
            told: is given the signature of every version that came up.
        """
        self._spec = spec
        self._timeout_s = timeout_s
        self._queue = queue
        self._workers = workers
        self._memory_mb = memory_mb
        self._load_timeout_s = load_timeout_s
        self._told = told
        self._nursery = nursery
        self._versions: dict[tuple[str, str], _Version] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def load(self, model: str, version: str) -> None:
        """Start a version and return when it can answer; refused, it is not tried again."""
        await self.keep(model, version)
        first = self._versions[model, version].first
        if first is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(first), self._load_timeout_s)
        except (TimeoutError, OpsError) as error:
            await self.unload(model, version)
            reason = str(error) or f"it was not up after {self._load_timeout_s:g} s"
            raise Refused(f"{model} version {version} cannot be loaded: {reason}") from error

    async def keep(self, model: str, version: str) -> None:
        """Start a version without waiting, and keep it alive."""
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        if (model, version) in self._versions:
            return
        held = _Version(self._spec(model, version), first=asyncio.get_running_loop().create_future())
        self._versions[model, version] = held
        held.keepers = [asyncio.create_task(self._keep_alive(held)) for _ in range(self._workers)]

    async def unload(self, model: str, version: str) -> None:
        """Let a version finish what it has, then end it."""
        held = self._versions.pop((model, version), None)
        if held is None:
            return
        if held.first and not held.first.done():
            held.first.cancel()
        until = time.monotonic() + self._timeout_s
        while any(w.pending for w in held.workers) and time.monotonic() < until:
            await asyncio.wait([promise for w in held.workers for promise, _ in w.pending.values()],
                               timeout=max(0.0, until - time.monotonic()))
        await _stop(held)

    def healthy(self, model: str, version: str) -> bool:
        """Tell whether a worker of the version can answer now."""
        held = self._versions.get((model, version))
        return held is not None and any(w.answers for w in held.workers)

    async def call(self, model: str, version: str, *, media: str, body: bytes) -> Answer:
        """Return the answer of the least busy worker."""
        held = self._versions.get((model, version))
        able = [w for w in held.workers if w.answers] if held else []
        if not able:
            reason = f": {held.reason}" if held and held.reason else ""
            raise InvocationFault(503, "TEMPORARILY_UNAVAILABLE",
                                  f"{model} version {version} is not up yet{reason}", retry_after_s=2)
        if sum(len(w.pending) for w in able) >= self._queue:
            raise InvocationFault(429, "RESOURCE_EXHAUSTED", f"{self._queue} requests wait for {model} version "
                                  f"{version} already: come back later, or slower", retry_after_s=1)
        worker = min(able, key=lambda w: len(w.pending))
        return await worker.call(media, body, deadline=time.monotonic() + self._timeout_s)

    def describe(self) -> list[dict[str, Any]]:
        """Return what runs, for people and tests."""
        return [
            {"model": model, "version": version, "pids": [w.pid for w in held.workers if not w.ended],
             "healthy": self.healthy(model, version), "waiting": sum(len(w.pending) for w in held.workers),
             "restarts": held.restarts, "reason": held.reason}
            for (model, version), held in sorted(self._versions.items())
        ]

    async def close(self) -> None:
        """End every worker."""
        if self._sweeper:
            self._sweeper.cancel()
        for held in self._versions.values():
            await _stop(held)
        self._versions.clear()

    async def _keep_alive(self, held: _Version) -> None:
        """Run one worker after another until cancelled."""
        failures = 0
        while True:
            await _backed_off(failures)
            began = time.monotonic()
            worker: Worker | None = None
            try:
                worker = await self._one_life(held)
                while await self._is_too_heavy(held, worker):
                    failures += 1  # one that is heavy as soon as it is loaded is not replaced all the time
                    await _backed_off(failures)
                    worker = await self._succeeded(held, worker)
                held.reason = "its process died"
            except (OpsError, TimeoutError) as error:
                held.reason = str(error) or "it took too long to load"
                if held.first and not held.first.done():
                    held.first.set_exception(Refused(held.reason))
                    held.first.exception()
            finally:
                if worker is not None:
                    _put_away(held, worker)
            held.restarts += 1
            failures = 1 if time.monotonic() - began > _SETTLED_S else failures + 1
            _log.warning("worker of %s version %s ended: %s", held.spec.model, held.spec.version, held.reason)

    async def _is_too_heavy(self, held: _Version, worker: Worker) -> bool:
        """Wait for news of a worker; return True when it lives and holds too much memory, False when it ended."""
        await worker.news.wait()
        worker.news.clear()
        if worker.ended:
            return False
        held.reason = (f"its process held {worker.heavy_mb:,.0f} MB, more than gateway.worker_memory_mb allows: "
                       "it is replaced")
        _log.warning("worker of %s version %s: %s", held.spec.model, held.spec.version, held.reason)
        return True

    async def _succeeded(self, held: _Version, worker: Worker) -> Worker:
        """Return the next worker, warm before the one before goes: what leaks slowly costs nobody a request."""
        reason = held.reason
        try:
            following = await self._one_life(held)
        except BaseException:
            _put_away(held, worker)
            raise
        held.reason = reason
        held.restarts += 1
        held.workers.remove(worker)
        await worker.rest(self._timeout_s)
        worker.close()
        worker.kill()
        return following

    async def _one_life(self, held: _Version) -> Worker:
        """Fork a worker and return it when it is ready."""
        brought = _Brought()
        try:
            pid, channel = await asyncio.to_thread(lambda: brought.take(*self._nursery.fork(held.spec)))
        except asyncio.CancelledError:
            brought.let_go()
            raise
        worker = await Worker.connect(pid, channel)
        held.workers.append(worker)
        try:
            ready = await asyncio.wait_for(asyncio.shield(worker.ready), self._load_timeout_s)
        except BaseException:
            worker.kill()
            worker.close()
            held.workers.remove(worker)
            raise
        # A restart needs neither the registry nor a download: the version may be deleted there while it serves here.
        held.spec = replace(held.spec, path=ready["path"])
        held.reason = ""
        if self._told:
            self._told(held.spec, ready["signature"])
        if held.first and not held.first.done():
            held.first.set_result(None)
        return worker

    async def _sweep(self) -> None:
        """Tell callers whose time is up, and weigh the workers, a few times per time-out."""
        while True:
            await asyncio.sleep(max(0.01, self._timeout_s / _SWEEPS))
            now = time.monotonic()
            for held in self._versions.values():
                for worker in held.workers:
                    worker.expire(now, self._timeout_s)
                    worker.weigh(self._memory_mb)


async def _backed_off(failures: int) -> None:
    await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])


def _put_away(held: _Version, worker: Worker) -> None:
    worker.close()
    worker.kill()
    if worker in held.workers:
        held.workers.remove(worker)


async def _stop(held: _Version) -> None:
    for keeper in held.keepers:
        keeper.cancel()
    for keeper in held.keepers:
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
