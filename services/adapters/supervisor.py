"""Hold the monitor's lease and keep its parts running as processes of their own: passes, outbox, jobs.

Apart, so that a slow pass or a job that eats memory never delays a rollback. A part ends when its standard input
closes, so none outlives a supervisor that was killed. What the parts do is told in services/monitor.
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.adapters.house_tables import LeaseTable, SourceState, SourceTable
from services.adapters.job_table import JobTable
from services.errors import OpsError

_log = logging.getLogger(__name__)

LEASE: Final = "monitor"
_BACK_OFF_S: Final = (0.5, 1, 2, 5, 15, 30)
_JOB_LIMIT_S: Final = 900.0
_EARNED_S: Final = 60.0
_TURN_S: Final = 0.25
_PATIENCE_S: Final = 4.0


@dataclass
class _Part:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    retry_at: float | None = None  # both of the monotonic clock: the other may be set back by hours
    started_at: float | None = None


@dataclass(kw_only=True)
class Supervisor:
    """The parent of the monitor's parts. `part_command(name, fence, job)` gives the command line of a part."""

    leases: LeaseTable
    sources: SourceTable
    jobs: JobTable
    part_command: Callable[[str, int, str], Sequence[str]]
    clock: Callable[[], datetime]
    lease_length: timedelta
    elapsed: Callable[[], float] = time.monotonic
    parts: Sequence[str] = ("outbox", "notifier", "passes")
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    def __post_init__(self) -> None:
        """Begin with nothing running."""
        self._stop = threading.Event()
        self._running: list[_Part] = []
        self._job: tuple[str, _Part] | None = None
        self._fence: int | None = None

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Hold the lease and the parts until stopped; stand by while another monitor holds the lease."""
        renewed: datetime | None = None
        said = ""
        try:
            while not self._stop.is_set():
                now = self.clock()
                try:
                    if renewed is None or now - renewed >= self.lease_length / 3 or now < renewed:
                        said = self._renew(now, said)
                        renewed = now
                    if self._fence is not None:
                        self._keep_parts(now)
                        self._keep_jobs(now)
                except OpsError as error:
                    # The store is away: the parts fail and wait by themselves; the lease is tried again.
                    if said != str(error):
                        said = str(error)
                        _log.warning("%s", said)
                self._stop.wait(_TURN_S)
        finally:
            self._end_parts()
            if self._fence is not None:
                with contextlib.suppress(OpsError):
                    self.leases.release(LEASE, self.holder)

    def _renew(self, now: datetime, said: str) -> str:
        fence = self.leases.acquire(LEASE, self.holder, length=self.lease_length, now=now)
        if fence is None:
            if self._fence is not None:
                _log.warning("the lease was lost: the parts are stopped")
                self._end_parts()
                self._fence = None
            current = self.leases.current(LEASE)
            line = f"standing by: {current[0] if current else 'another monitor'} holds the lease"
            if line != said:
                _log.info("%s", line)
            return line
        if fence != self._fence:
            self._end_parts()
            self._fence = fence
            self.jobs.requeue_orphans()
            self._running = [_Part(name, self.part_command(name, fence, "")) for name in self.parts]
        self._report("monitor", self.holder, now, ok=True)
        return said

    def _keep_parts(self, now: datetime) -> None:
        for part in self._running:
            if part.process is not None and part.process.poll() is None:
                # A part that has run well for a minute has earned a quick restart again.
                if part.failures and part.started_at is not None and self.elapsed() - part.started_at > _EARNED_S:
                    part.failures = 0
                continue
            if part.process is not None:
                code = part.process.returncode
                wait = _BACK_OFF_S[min(part.failures, len(_BACK_OFF_S) - 1)]
                part.failures += 1
                part.retry_at = self.elapsed() + wait
                _end(part)
                line = f"{part.name} ended with {code}; started again in {wait:g} s"
                _log.warning("%s", line)
                self._report(f"part:{part.name}", line, now, ok=False)
            if part.retry_at is None or self.elapsed() >= part.retry_at:
                _start(part, self.elapsed())
                self._report(f"part:{part.name}", "running", now, ok=True)

    def _report(self, name: str, message: str, now: datetime, *, ok: bool) -> None:
        self.sources.save(SourceState(name=name, as_of=now if ok else None, tried_at=now, ok=ok, message=message,
                                      took_s=0.0))

    def _keep_jobs(self, now: datetime) -> None:
        if self._job is not None:
            job_id, part = self._job
            process = part.process
            if process is not None and process.poll() is None:
                if part.started_at is not None and self.elapsed() - part.started_at > _JOB_LIMIT_S:
                    said = f"stopped after {_JOB_LIMIT_S / 60:g} minutes: ask for less"
                    self.jobs.finish(job_id, error=said, now=now)
                    _end(part)
                    self._job = None
                return
            code = process.returncode if process else None
            _end(part)
            # A job that ended by itself has stored its own outcome; this reaches only one that was killed.
            self.jobs.finish(job_id, error=f"the job's process ended with {code} before it answered", now=now)
            self._job = None
        claimed = self.jobs.claim(now=now)
        if claimed is not None:
            part = _Part("job", self.part_command("job", self._fence or 0, claimed.id))
            _start(part, self.elapsed())
            self._job = (claimed.id, part)

    def _end_parts(self) -> None:
        _end(*self._running, *([self._job[1]] if self._job else []))
        self._running = []
        self._job = None


def _start(part: _Part, at: float) -> None:
    part.process = subprocess.Popen(part.command, stdin=subprocess.PIPE)  # noqa: S603 -- our own program
    part.started_at = at
    part.retry_at = None


def _end(*parts: _Part) -> None:
    """Close the parts' standard inputs, wait for them to finish what they are doing, then insist.

    All at once and within three waits, since who stops the supervisor does not wait for ever either.
    """
    processes = []
    for part in parts:
        if part.process is not None:
            processes.append(part.process)
            part.process = None
    for process in processes:
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
    for insist in (None, signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + _PATIENCE_S
        for process in processes:
            if insist is not None and process.poll() is None:
                process.send_signal(insist)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        if all(process.poll() is not None for process in processes):
            return


class ParentWatch:
    """Tells a part that it must end: its standard input closed, or it was asked to by a signal."""

    def __init__(self) -> None:
        """Begin to watch; call from the main thread."""
        self.ended = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self.ended.set())
        threading.Thread(target=self._watch, name="parent-watch", daemon=True).start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(1024):
                pass
        self.ended.set()
