"""Bring an ops store back from a backup, into an empty store, as one transaction that the audit chain then proves.

An older backup is restored into the schema it was made with, and migrated from there.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

from sqlalchemy import Connection, Integer, MetaData, Table, func, insert, select, text

from services.adapters.audit_table import AuditTable
from services.adapters.backup import Manifest, check, rows_of
from services.adapters.ops_db import OpsDb
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.errors import Refused, SourceMalformed

_CHUNK: Final = 1_000


def restore(
    db: OpsDb, file: Path, *, actor: Actor, reason: str, op_id: str, now: datetime, key: bytes | None = None
) -> Manifest:
    """Fill an empty store from a backup and record that it was done.

    Raises:
        Refused: the store holds rows, or the backup was made by a newer version.
        SourceMalformed: the backup is damaged, or the chain does not hold afterwards.
    """
    manifest = check(file, key=key)
    held = _held(db)
    if held:
        raise Refused(f"{db!r} holds rows already ({', '.join(held[:3])}): name an empty store in store.url; nothing "
                      "was changed")
    db.migrate(manifest.schema)
    with ZipFile(file) as archive, db.write() as connection:
        for table in _tables(connection):
            # The first revision may put rows of its own into a new store; the backup has its own.
            connection.execute(table.delete())
            for rows in _batches(rows_of(archive, table.name) if table.name in manifest.rows else ()):
                connection.execute(insert(table), rows)
            _count_on(connection, table)
    db.migrate()
    faults = AuditTable(db).verify()
    if faults:
        raise SourceMalformed(f"the restored chain does not hold: {faults[0].what}. Use another backup")
    db.command(op_id, actor=actor, command="restore", subject="store", now=now, work=lambda _: ({}, [AuditEntry(
        at=now, actor=actor, action="restore", subject="store", reason=reason,
        detail={"backup_of": manifest.at, "rows": manifest.total, "schema": manifest.schema})]))
    return manifest


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows a thousand at a time."""
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _held(db: OpsDb) -> list[str]:
    with db.read() as connection:
        return [table.name for table in _tables(connection)
                if connection.execute(select(func.count()).select_from(table)).scalar_one()]


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows behind the restored ones; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer) and column.server_default is not None:
            connection.execute(text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), "
                f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name}), false)"))
