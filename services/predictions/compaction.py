"""Decide which files of a log are to become one: many small ones of one closed hour. Rewriting them is the adapter's.

Only files that our own writers made are touched, told by their names: what a team writes stays as they wrote it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.core.window import HOUR, floor_to
from services.predictions.ledger import FileState, LogFile

OURS: Final = re.compile(r"(?:.*/)?date=\d{4}-\d{2}-\d{2}/(?:gateway|part)-[^/]+\.parquet")
CLOSED: Final = timedelta(hours=2)  # after its end an hour may still get rows that were held up on the way
WORTH: Final = 8  # fewer files are quickly opened
MOST_ROWS: Final = 2_000_000  # in one file


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Files of one folder whose rows all lie in one hour."""

    folder: str
    hour: datetime
    files: tuple[LogFile, ...]


def batches(files: Iterable[LogFile], *, now: datetime) -> list[Batch]:
    """Return what is worth compacting, oldest first.

    A file counts when it is ours, is counted already, and lies with all its rows in one hour that ended CLOSED ago.
    """
    groups: dict[tuple[str, datetime], list[LogFile]] = {}
    for file in files:
        if file.state is not FileState.OK or file.first is None or file.last is None or not OURS.fullmatch(file.path):
            continue
        hour = floor_to(file.first, HOUR)
        # Rows without a time lie in no hour, later ones in another: a file that has some stays itself.
        if floor_to(file.last, HOUR) != hour or hour + HOUR + CLOSED > now or file.undated or file.later:
            continue
        groups.setdefault((file.path.rpartition("/")[0], hour), []).append(file)
    found = []
    for (folder, hour), mine in sorted(groups.items(), key=lambda item: item[0][1]):
        if len(mine) >= WORTH and sum(f.rows for f in mine) <= MOST_ROWS:
            found.append(Batch(folder=folder, hour=hour, files=tuple(sorted(mine, key=lambda f: f.path))))
    return found


def merged(files: Iterable[LogFile], *, path: str, size: int, mtime: datetime) -> LogFile:
    """Return what the ledger knows of the file that holds the rows of all these; they are counted already."""
    together = list(files)
    versions: dict[str, int] = {}
    for file in together:
        for version, rows in file.versions.items():
            versions[version] = versions.get(version, 0) + rows
    return LogFile(
        path=path, size=size, mtime=mtime, state=FileState.OK, rows=sum(f.rows for f in together),
        first=min(f.first for f in together if f.first), last=max(f.last for f in together if f.last),
        versions=versions, lacks=tuple(sorted({c for f in together for c in f.lacks})),
    )
