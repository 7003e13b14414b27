"""The gateway's end of one worker process: its calls under way, its answers, its death.

Starting it again and choosing among several is done in gateway_workers.py.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from typing import Any, cast

import psutil

from services.errors import OpsError, Refused
from services.gateway import wire
from services.gateway.batch import fault_of
from services.gateway.fault import InvocationFault
from services.gateway.ports import Answer


class Worker(asyncio.Protocol):
    """One worker process, from its start to its end. Lives on the event loop."""

    def __init__(self, pid: int) -> None:
        """Speak for the process `pid`."""
        self.pid = pid
        self.heavy_mb = 0.0  # what it held when that was found to be more than it may
        self.news = asyncio.Event()  # set at its end, and when it was found too heavy
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.pending: dict[int, tuple[asyncio.Future[Answer], float]] = {}
        self.progress_at = time.monotonic()
        self.ended = False
        self._splitter = wire.Splitter()
        self._transport: asyncio.Transport | None = None
        self._calls = 0
        self._unsent: list[bytes] = []

    @classmethod
    async def connect(cls, pid: int, channel: socket.socket) -> "Worker":
        """Return the worker at the other end of a connection."""
        channel.setblocking(False)
        _, worker = await asyncio.get_running_loop().create_connection(lambda: cls(pid), sock=channel)
        return worker

    @property
    def answers(self) -> bool:
        """Whether it is loaded and alive."""
        return not self.ended and self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None

    def call(self, media: str, body: bytes, *, deadline: float) -> "asyncio.Future[Answer]":
        """Send a request and return the promise of its answer; `deadline` is on the monotonic clock."""
        if self._transport is None or self.ended:
            raise died()
        if not self.pending:
            self.progress_at = time.monotonic()
        self._calls = self._calls % 0xFFFF_FFF0 + 1
        promise: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.pending[self._calls] = (promise, deadline)
        if not self._unsent:
            # Requests that arrive in one turn of the loop travel in one write: a system call less for each.
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(wire.pack_request(self._calls, media, body))
        return promise

    def _send(self) -> None:
        if self._transport is not None and not self.ended:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def expire(self, now: float, timeout_s: float) -> None:
        """Fail what is past its deadline, and end the process if it made no progress all that time."""
        late = False
        for call, (promise, deadline) in list(self.pending.items()):
            if deadline > now:
                break  # calls stand in the order of their deadlines
            del self.pending[call]
            late = True
            if not promise.done():
                promise.set_exception(InvocationFault(504, "TIMEOUT", f"the model did not answer in {timeout_s:g} s"))
        if late and now - self.progress_at >= timeout_s:
            self.kill()

    def weigh(self, limit_mb: float) -> None:
        """Note when the process holds more memory than it may: a model that leaks would take the machine with it."""
        held = resident_mb(self.pid)
        if held > 2 * limit_mb:
            self.kill()  # too fast for a successor to come up first
        if held > limit_mb and not self.heavy_mb and self.answers:
            self.heavy_mb = held
            self.news.set()

    async def rest(self, within_s: float) -> None:
        """Return when nothing is under way here any more, or the time is up."""
        if promises := [promise for promise, _ in self.pending.values()]:
            await asyncio.wait(promises, timeout=within_s)

    def kill(self) -> None:
        """End the process now."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Hang up; the process ends when it has read that."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the process."""
        # Not told by isinstance: the transports of other event loops are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand answers to whoever waits for them."""
        self.progress_at = time.monotonic()
        try:
            frames = self._splitter.feed(data)
        except OpsError:
            self.kill()
            return
        for frame in frames:
            if frame.call:
                self._answered(frame)
            elif not self.ready.done():
                said = json.loads(frame.content)
                if frame.kind is wire.Kind.READY:
                    self.ready.set_result(said)
                else:
                    self.ready.set_exception(Refused(said["reason"]))

    def _answered(self, frame: wire.Frame) -> None:
        promise, _ = self.pending.pop(frame.call, (None, 0.0))
        if promise is None or promise.done():
            return  # too late: its caller was told so
        if frame.kind is wire.Kind.ANSWER:
            promise.set_result(Answer(*wire.answer(frame)))
        else:
            promise.set_exception(fault_of(frame))

    def connection_lost(self, _: Exception | None) -> None:
        """Fail what was under way: the process is gone."""
        self.ended = True
        if not self.ready.done():
            self.ready.set_exception(Refused("its process died while loading: out of memory, or a crash in the model"))
        self.ready.exception()  # taken here, so that a load which nobody waits for is not reported as forgotten
        for promise, _deadline in self.pending.values():
            if not promise.done():
                promise.set_exception(died())
        self.pending.clear()
        self.news.set()


def resident_mb(pid: int) -> float:
    """Return the megabytes of memory that a process has to itself or shares; 0 when it is gone."""
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    return 0.0


def died() -> InvocationFault:
    """Return the fault of a request whose worker went away."""
    return InvocationFault(503, "WORKER_DIED", "the model's process died while it worked on this; it is restarted",
                           retry_after_s=1)
