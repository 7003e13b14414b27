"""Read the audit chain: a page of it for people, all of it to verify and export. Nothing here writes a row."""

import os
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import audit
from services.core.audit import GENESIS
from services.core.audit_chain import Fault, Head, Recorded, sign, verify
from services.core.window import TimeWindow
from services.errors import SettingsError

KEY_VARIABLE: Final = "INTERLOCK_AUDIT_KEY"
_CHUNK: Final = 2_000
_SHORTEST_KEY: Final = 16


class AuditTable:
    """The audit chain in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def newest(
        self, *, window: TimeWindow | None = None, actor: str = "", action: str = "", subject: str = "",
        people_only: bool = False, limit: int = 500,
    ) -> list[Recorded]:
        """Return rows, newest first; each filter that is given narrows them, `subject` by its beginning."""
        query: Select[Any] = select(audit)
        if window:
            query = query.where(audit.c.at >= window.start, audit.c.at < window.end)
        if actor:
            query = query.where(audit.c.actor == actor)
        if action:
            query = query.where(audit.c.action == action)
        if subject:
            query = query.where(audit.c.subject.startswith(subject, autoescape=True))
        if people_only:
            query = query.where(audit.c.method != "system")
        with self._db.read() as connection:
            return [_row(row) for row in connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))]

    def of(self, subject: str) -> list[Recorded]:
        """Return every row about one subject, oldest first."""
        with self._db.read() as connection:
            return [_row(row) for row in connection.execute(
                select(audit).where(audit.c.subject == subject).order_by(audit.c.seq))]

    def all(self, *, after: int = 0) -> Iterator[Recorded]:
        """Yield the chain from its beginning, or behind row `after`, a few thousand rows at a time."""
        while True:
            with self._db.read() as connection:
                rows = connection.execute(
                    select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(_CHUNK)).all()
            if not rows:
                return
            yield from (_row(row) for row in rows)
            after = rows[-1].seq

    def verify(self, *, anchor: Head | None = None) -> list[Fault]:
        """Return every place where the chain does not hold."""
        return verify(self.all(), anchor=anchor)

    def head(self, *, now: datetime, key: bytes) -> Head:
        """Return the end of the chain, signed."""
        with self._db.read() as connection:
            row = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
        return sign(row.seq if row else 0, row.hash if row else GENESIS, at=now, key=key)

    def count(self) -> int:
        """Return how many rows the chain has."""
        with self._db.read() as connection:
            return int(connection.execute(select(func.count()).select_from(audit)).scalar_one())


def signing_key() -> bytes:
    """Return the key that heads are signed with.

    Raises:
        SettingsError: it is not set, or too short to mean anything.
    """
    text = os.environ.get(KEY_VARIABLE, "")
    if len(text) < _SHORTEST_KEY:
        raise SettingsError(f"{KEY_VARIABLE} is {'too short' if text else 'not set'}: give it at least {_SHORTEST_KEY} "
                            "characters, kept away from the ops store, so that a head can be signed and checked")
    return text.encode()


def _row(row: Row[Any]) -> Recorded:
    return Recorded(**{field.name: getattr(row, field.name) for field in fields(Recorded)})
