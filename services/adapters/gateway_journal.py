"""The gateway's journal: every answered request is in a file before the answer leaves, without waiting for the disk.

A write reaches the kernel at once, so the death of the gateway loses nothing that it wrote; only a power cut can, and
then at most the flush window. A counter in a memory-mapped file is raised before the write, so that the next gateway
can say exactly how many requests were taken and never written. Sealed segments are turned into the Parquet log by
prediction_writer.py in a process of its own.
"""

import asyncio
import contextlib
import logging
import mmap
import os
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from services.gateway.journal import Entry, Schema, pack, unpack

_log = logging.getLogger(__name__)

OPEN: Final = ".open"
SEALED: Final = ".sealed"
_COUNTERS: Final = struct.Struct("<QQ")  # taken, written
_HOLD_BYTES: Final = 64 << 20
_SEAL_BYTES: Final = 8 << 20
_SEAL_RECORDS: Final = 1_000
_PATIENCE: Final = 5  # a quiet log is sealed after so many windows, so that it does not fall apart into tiny files


class Journal:
    """Takes entries on the event loop; syncs and seals in a thread."""

    def __init__(self, folder: Path, *, window_s: float, sealed: Callable[[Path], None]) -> None:
        """Open a new segment in `folder`, after counting what a killed predecessor left.

        Args:
            folder: where segments lie until they are in the log.
            window_s: how long a row may wait for the disk.
            sealed: is told of every segment that is complete, from a thread.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._window_s = window_s
        self._sealed = sealed
        self._counters = _map(folder / "sequence")
        self.taken, self.written = _COUNTERS.unpack_from(self._counters)
        self.lost = 0
        self.dropped = 0
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._schemas: dict[tuple[str, str], Schema] = {}
        self._recover()
        self._waiters: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None
        self._open()

    def counters(self) -> Mapping[str, int]:
        """Return what happened to the entries so far; `lost` is what the last kill took."""
        return {"taken": self.taken, "written": self.written, "held_back": len(self._held), "dropped": self.dropped,
                "lost": self.lost}

    def describe(self, schema: Schema) -> None:
        """Note how a version's rows are typed; every segment that holds its rows says so first."""
        self._schemas[schema.model, schema.version] = schema
        self._told.discard((schema.model, schema.version))

    def append(self, entry: Entry) -> None:
        """Take one entry. A full disk holds it back in memory, and drops the newest when that is full too, counted."""
        self.taken += 1
        self._count()
        key = (entry.model, entry.version)
        data = b""
        if key not in self._told and key in self._schemas:
            data = pack(self.taken, self._schemas[key])
        data += pack(self.taken, entry)
        if (self._held and not self._release()) or not self._write(data):
            self._hold(data)
        else:
            self._told.add(key)
            self.written += 1
            self._records += 1
            self._count()

    async def durable(self) -> None:
        """Return when everything appended so far is on the disk; many callers share one sync."""
        promise: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(promise)
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync_all())
        await promise

    async def tend(self) -> None:
        """Sync at every window, and seal a segment that is large or old enough; runs until cancelled."""
        while True:
            await asyncio.sleep(self._window_s)
            if self._held:
                self._release()
            if self._records == 0:
                continue
            old = time.monotonic() - self._since >= self._window_s * _PATIENCE
            if old or self._records >= _SEAL_RECORDS or self._size >= _SEAL_BYTES:
                await self.seal()
            else:
                await asyncio.to_thread(_sync, self._file)

    async def seal(self) -> None:
        """Close the open segment and hand it over; appends go on in a new one meanwhile.

        A disk without room for a new one lets the open one grow, and it is sealed once there is.
        """
        if self._records == 0:
            return
        file, path = self._file, self._path
        try:
            self._open()
        except OSError as error:
            _log.error("%s takes no new segment: %s; the open one is kept", self._folder, error.strerror)
            return
        await asyncio.to_thread(self._finish, file, path)

    def close(self) -> None:
        """Seal what is left. Called once nothing appends any more."""
        if self._held:
            self._release()
        file, path, records = self._file, self._path, self._records
        if records:
            self._finish(file, path)
        else:
            os.close(file)
            path.unlink(missing_ok=True)
        self._counters.close()

    def _open(self) -> None:
        path = self._folder / f"{time.time_ns():020d}-{self.taken + 1:012d}{OPEN}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._path = path
        self._size = 0
        self._records = 0
        self._since = time.monotonic()
        self._told: set[tuple[str, str]] = set()

    def _write(self, data: bytes) -> bool:
        """Append to the segment; on a full disk leave no torn record behind."""
        try:
            done = os.write(self._file, data)
        except OSError:
            return False
        if done < len(data):
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            return False
        self._size += done
        return True

    def _hold(self, data: bytes) -> None:
        if not self._held and not self.dropped:
            _log.error("the disk of %s is full or broken: predictions are held in memory, then dropped", self._folder)
        if self._held_bytes + len(data) > _HOLD_BYTES:
            self.dropped += 1
            return
        self._held.append(data)
        self._held_bytes += len(data)

    def _release(self) -> bool:
        """Write what was held back, oldest first; return whether all of it is written."""
        while self._held:
            if not self._write(self._held[0]):
                return False
            self._held_bytes -= len(self._held.popleft())
            self.written += 1
            self._records += 1
            self._count()
        _log.warning("the disk of %s takes predictions again: %d were dropped", self._folder, self.dropped)
        return True

    def _count(self) -> None:
        _COUNTERS.pack_into(self._counters, 0, self.taken, self.written)

    async def _sync_all(self) -> None:
        while self._waiters:
            waiters, self._waiters = self._waiters, []
            await asyncio.to_thread(_sync, self._file)
            for promise in waiters:
                if not promise.done():
                    promise.set_result(None)

    def _finish(self, file: int, path: Path) -> None:
        _sync(file)
        os.close(file)
        done = path.with_suffix(SEALED)
        try:
            path.rename(done)
        except OSError as error:
            _log.error("%s cannot be handed over: %s; the next start of the gateway does", path, error.strerror)
            return
        self._sealed(done)

    def _recover(self) -> None:
        """Take over the segments that a killed gateway left open, and count what it took and did not write."""
        for path in sorted(self._folder.glob(f"*{OPEN}")):
            records = list(unpack(path.read_bytes()))
            if records:
                with path.open("r+b") as file:
                    file.truncate(records[-1].end)
                    os.fsync(file.fileno())
                path.rename(path.with_suffix(SEALED))
            else:
                path.unlink()
        self.lost = self.taken - self.written
        if self.lost:
            _log.error("the last gateway was killed with %d predictions taken and not written", self.lost)
        self.written = self.taken
        self._count()
        for path in sorted(self._folder.glob(f"*{SEALED}")):
            self._sealed(path)


def _sync(file: int) -> None:
    with contextlib.suppress(OSError):
        os.fdatasync(file)


def _map(path: Path) -> mmap.mmap:
    """Return a file of two counters as memory: the kernel keeps it when the process is killed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(file).st_size < _COUNTERS.size:
            os.ftruncate(file, _COUNTERS.size)
        return mmap.mmap(file, _COUNTERS.size)
    finally:
        os.close(file)
