"""The gateway's prediction log: the journal, and the process that turns its segments into Parquet.

The writer's death loses nothing: segments wait on the disk and are handed to the next writer.
"""

import asyncio
import contextlib
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.adapters.gateway_journal import SEALED, Journal
from services.gateway.journal import Entry, Schema

_log = logging.getLogger(__name__)

_DRAIN_S: Final = 20.0
_LOOK_S: Final = 2.0


class PredictionLog:
    """Where the desk writes. `start` and `close` on the event loop; the feeder runs in a thread of its own."""

    def __init__(self, folder: Path, *, window_s: float) -> None:
        """Open the journal in `folder`; rows wait at most `window_s` for the disk."""
        self._folder = folder
        self._segments: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self.journal = Journal(folder, window_s=window_s, sealed=self._segments.put)
        self._writer: subprocess.Popen[str] | None = None
        self._feeder = threading.Thread(target=self._feed, name="prediction-log", daemon=True)
        self._tender: asyncio.Task[None] | None = None

    @property
    def writer_pid(self) -> int | None:
        """The writer's process id, while it runs."""
        return self._writer.pid if self._writer else None

    def start(self) -> None:
        """Begin to sync, seal and write."""
        self._feeder.start()
        self._tender = asyncio.create_task(self.journal.tend())

    def append(self, entry: Entry) -> None:
        """Take one entry; see the journal."""
        self.journal.append(entry)

    def describe(self, schema: Schema) -> None:
        """Note how a version's rows are typed and where they go."""
        self.journal.describe(schema)

    async def durable(self) -> None:
        """Return when everything appended so far would survive a power cut."""
        await self.journal.durable()

    def counters(self) -> Mapping[str, int]:
        """Return the journal's counters and how many segments wait for the writer."""
        return {**self.journal.counters(), "waiting_segments": len(list(self._folder.glob(f"*{SEALED}")))}

    async def close(self) -> None:
        """Seal and write what is left, as far as the disk takes it; what it does not take waits for the next start."""
        if self._tender:
            self._tender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tender
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.journal.close()
        self._segments.put(None)
        self._feeder.join(timeout=_DRAIN_S)
        self._end()

    def _feed(self) -> None:
        """Hand segments to the writer; start it when there is something to write, and again when it died."""
        while True:
            try:
                segment = self._segments.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._writer is None or self._writer.poll() is None:
                    continue
                self._end()
                segment = self._folder  # no segment: only what the dead one has left is given
            if segment is None:
                break
            if segment == self._folder or not self._give(segment):
                # What the dead one had taken is still on the disk; the new one is given all of it, in order.
                for waiting in sorted(self._folder.glob(f"*{SEALED}")):
                    self._give(waiting)
        if self._writer is not None and self._writer.stdin is not None:
            self._writer.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._writer.wait(timeout=_DRAIN_S)

    def _give(self, segment: Path) -> bool:
        """Return False when the writer had died and had to be started again."""
        if self._writer is None:
            self._writer = subprocess.Popen(
                [sys.executable, "-m", "services.adapters.prediction_writer"], stdin=subprocess.PIPE, text=True)
        pipe = self._writer.stdin
        try:
            if pipe is not None and self._writer.poll() is None:
                pipe.write(f"{segment}\n")
                pipe.flush()
                return True
        except OSError as error:
            _log.warning("the log's writer does not take segments: %s", error.strerror)
        _log.warning("the log's writer died and is started again: its segments are written once more")
        self._end()
        return False

    def _end(self) -> None:
        """Put a dead writer away; what it had not read is on the disk."""
        if self._writer is not None:
            self._writer.kill()
            self._writer.wait()
            if self._writer.stdin is not None:
                with contextlib.suppress(OSError):
                    self._writer.stdin.close()
            self._writer = None
