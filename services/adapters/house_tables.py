"""Keep the house's own rows: as-of times of every source, the fenced lease, and the audit chain for reading."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import house


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """When a source (or a step of the monitor) last worked, and what it said last. `cursor` is its watermark."""

    name: str
    as_of: datetime | None
    tried_at: datetime
    ok: bool
    message: str
    took_s: float
    cursor: Any = None


class SourceTable:
    """As-of times and watermarks, one row per source."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def all(self) -> list[SourceState]:
        """Return every source, by name."""
        with self._db.read() as connection:
            rows = connection.execute(select(house.sources).order_by(house.sources.c.name)).all()
        return [_state(row) for row in rows]

    def get(self, name: str) -> SourceState | None:
        """Return one source, or None when it was never tried."""
        with self._db.read() as connection:
            row = connection.execute(select(house.sources).where(house.sources.c.name == name)).first()
        return _state(row) if row else None

    def save(self, state: SourceState) -> None:
        """Store a source's state; a failure keeps the as-of time and cursor of the last success."""
        with self._db.write() as connection:
            old = connection.execute(select(house.sources).where(house.sources.c.name == state.name)).first()
            keep = old if old and not state.ok else None
            connection.execute(delete(house.sources).where(house.sources.c.name == state.name))
            connection.execute(insert(house.sources).values(
                name=state.name, as_of=keep.as_of if keep else state.as_of, tried_at=state.tried_at, ok=int(state.ok),
                message=state.message, took_s=state.took_s, cursor=keep.cursor if keep else state.cursor))

    @contextmanager
    def timed(self, name: str, *, now: datetime) -> Iterator[list[str]]:
        """Record the success of the block under `name`, with the text put into the yielded list."""
        started = time.perf_counter()
        said: list[str] = []
        yield said
        self.save(SourceState(name=name, as_of=now, tried_at=now, ok=True, message=" ".join(said),
                              took_s=time.perf_counter() - started))


class Cursor:
    """One source's watermark, for a step that remembers how far it got."""

    def __init__(self, sources: SourceTable, name: str) -> None:
        """Keep the watermark of source `name`."""
        self._sources = sources
        self._name = name

    def load(self) -> Any:
        """Return what was kept last, or None."""
        state = self._sources.get(self._name)
        return state.cursor if state else None

    def keep(self, cursor: Any, *, now: datetime) -> None:
        """Keep plain JSON values."""
        self._sources.save(SourceState(name=self._name, as_of=now, tried_at=now, ok=True, message="", took_s=0.0,
                                       cursor=cursor))


def _state(row: Any) -> SourceState:
    return SourceState(name=row.name, as_of=row.as_of, tried_at=row.tried_at, ok=bool(row.ok), message=row.message,
                       took_s=row.took_s, cursor=row.cursor)


class LeaseTable:
    """One holder at a time, with a fence number that grows at every change of holder."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def acquire(self, name: str, holder: str, *, length: timedelta, now: datetime) -> int | None:
        """Take or renew the lease; return its fence number, or None while another holds it."""
        table = house.leases
        with self._db.write() as connection:
            row = connection.execute(select(table).where(table.c.name == name).with_for_update()).first()
            if row is None:
                connection.execute(insert(table).values(name=name, holder=holder, fence=1, expires_at=now + length))
                return 1
            if row.holder != holder and row.expires_at > now:
                return None
            fence = row.fence if row.holder == holder else row.fence + 1
            connection.execute(update(table).where(table.c.name == name)
                               .values(holder=holder, fence=fence, expires_at=now + length))
            return int(fence)

    def release(self, name: str, holder: str) -> None:
        """Give the lease back, keeping its fence number."""
        table = house.leases
        with self._db.write() as connection:
            connection.execute(update(table).where(table.c.name == name, table.c.holder == holder)
                               .values(expires_at=datetime(1970, 1, 1, tzinfo=UTC)))

    def current(self, name: str) -> tuple[str, int, datetime] | None:
        """Return holder, fence and expiry, or None when nobody ever held it."""
        with self._db.read() as connection:
            row = connection.execute(select(house.leases).where(house.leases.c.name == name)).first()
        return (row.holder, row.fence, row.expires_at) if row else None
