"""Keep the ledger of log files in the ops store."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.profiles import log_files
from services.predictions.ledger import EARLIEST, FileState, LogFile

_CHUNK = 400


class LogLedger:
    """Files per log, by path."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def files(self, log: str) -> dict[str, LogFile]:
        """Return every file of a log."""
        with self._db.read() as connection:
            rows = connection.execute(select(log_files).where(log_files.c.log == log))
            return {row.path: _read(row) for row in rows}

    def quarantined(self, log: str | None = None) -> list[tuple[str, LogFile]]:
        """Return (log, file) of what cannot be read, by path."""
        query = select(log_files).where(log_files.c.state == str(FileState.QUARANTINED)).order_by(log_files.c.path)
        if log is not None:
            query = query.where(log_files.c.log == log)
        with self._db.read() as connection:
            return [(row.log, _read(row)) for row in connection.execute(query)]

    def save(self, log: str, files: Iterable[LogFile], *, now: datetime) -> None:
        """Store what is now known about files."""
        everything = list(files)
        for start in range(0, len(everything), _CHUNK):
            chunk = everything[start : start + _CHUNK]
            with self._db.write() as connection:
                paths = [file.path for file in chunk]
                connection.execute(delete(log_files).where(log_files.c.log == log, log_files.c.path.in_(paths)))
                connection.execute(insert(log_files), [_row(log, f, now) for f in chunk])

    def settle(self, log: str, files: Iterable[LogFile]) -> None:
        """Mark files as counted, unless they changed meanwhile; forget those that are gone."""
        with self._db.write() as connection:
            for file in files:
                same = and_(log_files.c.log == log, log_files.c.path == file.path, log_files.c.mtime_us == file.mtime)
                if file.state is FileState.GONE:
                    connection.execute(delete(log_files).where(same, log_files.c.state == str(FileState.GONE)))
                else:
                    connection.execute(update(log_files).where(same, log_files.c.state == str(FileState.NEW))
                                       .values(state=str(FileState.OK)))


    def swap(self, log: str, old: Iterable[LogFile], new: LogFile) -> None:
        """Know one file instead of several that held the same rows, in one transaction.

        It counts as seen when the last of them was: who has read up to then has read it.
        """
        paths = [file.path for file in old]
        mine = and_(log_files.c.log == log, log_files.c.path.in_([*paths, new.path]))
        with self._db.write() as connection:
            seen = connection.execute(select(func.max(log_files.c.seen_at)).where(mine)).scalar_one()
            connection.execute(delete(log_files).where(mine))
            connection.execute(insert(log_files), [_row(log, new, seen)])


def _row(log: str, f: LogFile, seen: datetime) -> dict[str, Any]:
    return {"log": log, "path": f.path, "size": f.size, "mtime_us": f.mtime, "state": str(f.state), "reason": f.reason,
            "rows": f.rows, "min_ts": f.first, "max_ts": f.last, "detail": f.detail(), "seen_at": seen}


def _read(row: Row[Any]) -> LogFile:
    undated, due = row.detail["undated"], row.detail.get("due")
    if undated and "due" not in row.detail:
        due = EARLIEST.isoformat()  # ledgers were written that told rows of later days from no others
    return LogFile(
        path=row.path, size=row.size, mtime=row.mtime_us, state=FileState(row.state), reason=row.reason, rows=row.rows,
        first=row.min_ts, last=row.max_ts, versions=row.detail["versions"], undated=undated,
        lacks=tuple(row.detail["lacks"]), later=row.detail.get("later", 0),
        due=datetime.fromisoformat(due) if due else None,
    )
