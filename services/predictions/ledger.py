"""What is known about the files of a log, and what a new look at the folder changes. Reading files is the adapter's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from services.core.window import DAY, HOUR, TimeWindow, floor_to


class FileState(StrEnum):
    """Where a file stands."""

    NEW = "new"  # its facts are known, its hours not counted yet
    OK = "ok"
    QUARANTINED = "quarantined"  # cannot be read; looked at again when it changes
    GONE = "gone"  # deleted, and its hours not counted again yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as the folder shows it."""

    path: str
    size: int
    mtime: datetime


# A time outside of these is a wrong unit, or a word for "none": every hour up to it would be counted, and found empty.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=2)
COMES: Final = timedelta(days=36)  # so far ahead a row is waited for: it costs every hour up to it
CLOCKS: Final = timedelta(minutes=5)  # by how much another machine's clock may be wrong
FAR: Final = datetime(2300, 1, 1, tzinfo=UTC)
BACK: Final = timedelta(days=36)  # how far before its last row a file is counted again whose first is unknown
UNSEEN: Final = -1  # the size of a file whose facts are not to be relied on: no file has it


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A file as the ledger knows it. `versions` maps version to rows; `undated` counts rows without a possible time.

    `later` counts rows too far ahead to be looked at yet; the first of them is of the time `due`.
    """

    path: str
    size: int
    mtime: datetime
    state: FileState
    reason: str = ""
    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    undated: int = 0
    later: int = 0
    due: datetime | None = None
    lacks: tuple[str, ...] = ()  # declared columns that the file does not have

    @property
    def hours(self) -> list[TimeWindow]:
        """The hours from its first row to its last, that of the last row included."""
        if self.first is None or self.last is None:
            return []
        return list(TimeWindow(floor_to(self.first, HOUR), self.last + timedelta(microseconds=1)).buckets(HOUR))

    def detail(self) -> dict[str, Any]:
        """Return what the ledger keeps as JSON."""
        return {"versions": dict(self.versions), "undated": self.undated, "lacks": list(self.lacks),
                "later": self.later, "due": self.due and self.due.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to do about a folder: files to look into, and files that are no longer there."""

    look: tuple[Found, ...]
    gone: tuple[LogFile, ...]


def changes(known: Mapping[str, LogFile], found: Iterable[Found]) -> Changes:
    """Compare the ledger with the folder: a file counts as changed when its size or time is another."""
    there = {file.path: file for file in found}
    look = tuple(
        file for path, file in sorted(there.items())
        if path not in known or (known[path].size, known[path].mtime) != (file.size, file.mtime)
        or known[path].state is FileState.GONE
    )
    gone = tuple(f for path, f in sorted(known.items()) if path not in there and f.state is not FileState.GONE)
    return Changes(look=look, gone=gone)


def latest(now: datetime | None) -> datetime:
    """Return from when on a row's time is no time at all; without a clock, centuries ahead."""
    return FAR if now is None else now + AHEAD


def possible(file: LogFile, *, now: datetime) -> LogFile:
    """Return a file with possible times only; one that the ledger knew with others is to be looked into again.

    Ledgers were written that took every time for one. What such a file counted in is bounded, as it may be gone.
    A file is looked into again as well when rows that were too far ahead no longer are.
    """
    until = latest(now)
    # By whole days, which is early enough: rows of a month to come must not have a file counted again in every pass.
    if file.due is not None and file.due < floor_to(until, DAY) and file.state is not FileState.GONE:
        file = replace(file, size=UNSEEN)
    if file.first is None or file.last is None or (file.first >= EARLIEST and file.last < until):
        return file
    if file.last < EARLIEST or file.first >= until:
        return replace(file, size=UNSEEN, first=None, last=None)
    last = file.last if file.last < until else max(file.first, now)
    return replace(file, size=UNSEEN, first=file.first if file.first >= EARLIEST else last - BACK, last=last)


def touched(files: Iterable[LogFile]) -> list[TimeWindow]:
    """Return the hours that any of the files has rows in, oldest first."""
    return sorted({hour for file in files for hour in file.hours}, key=lambda hour: hour.start)


def overlapping(files: Iterable[LogFile], window: TimeWindow) -> list[LogFile]:
    """Return the readable files that may have rows inside the window."""
    return [
        file for file in files
        if file.state in (FileState.NEW, FileState.OK) and file.first is not None and file.last is not None
        and file.first < window.end and file.last >= window.start
    ]
