"""Write the ops store into one file and read it back: every row of every table, its digest, and the audit chain's end.

The file is the same for SQLite and PostgreSQL, so it also moves a store from one to the other. Prediction logs, MLflow
and secrets are not in it.
"""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from sqlalchemy import Connection, MetaData, Table, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import EPOCH
from services.core.audit import GENESIS
from services.core.audit_chain import Head, Recorded, read_head, sign, verify
from services.errors import SourceMalformed, SourceUnavailable

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_SCHEMA_TABLE: Final = "alembic_version"
_CHUNK: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds: schema revision, rows and digest per table, and the signed end of the chain, if signed."""

    format: int
    schema: str
    at: str
    rows: Mapping[str, int]
    digests: Mapping[str, str]
    head: Mapping[str, Any] | None = None

    @property
    def total(self) -> int:
        """How many rows it holds."""
        return sum(self.rows.values())


def back_up(db: OpsDb, to: Path, *, now: datetime, key: bytes | None = None) -> Manifest:
    """Write the store as it is at one moment, while others go on writing; then read the file back and check it.

    Raises:
        SourceUnavailable: the store cannot be read, or the file not be written.
        SourceMalformed: what was written does not hold: the store's own audit chain is broken.
    """
    db.require_current()
    hidden = to.with_name(f".{to.name}.part")
    try:
        with db.read() as connection, ZipFile(hidden, "w", ZIP_DEFLATED, compresslevel=6) as archive:
            _one_moment(connection, is_sqlite=db.is_sqlite)
            tables = _tables(connection)
            schema = str(connection.execute(select(tables.pop(_SCHEMA_TABLE).c.version_num)).scalar_one())
            rows, digests, last = {}, {}, (0, GENESIS)
            for name, table in tables.items():
                digest, count = hashlib.sha256(), 0
                with archive.open(_member(name), "w", force_zip64=True) as out:
                    for row in _rows(connection, table):
                        line = _line(row)
                        digest.update(line)
                        out.write(line)
                        count += 1
                        if name == "audit":
                            last = (row["seq"], row["hash"])
                rows[name], digests[name] = count, digest.hexdigest()
            head = sign(*last, at=now, key=key).to_json() if key else None
            manifest = Manifest(format=FORMAT, schema=schema, at=now.isoformat(), rows=rows, digests=digests, head=head)
            archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=1))
        check(hidden, key=key)
        with hidden.open("rb") as written:
            os.fsync(written.fileno())
        hidden.chmod(0o600)  # it holds what the store holds
        hidden.rename(to)
    except OSError as error:
        raise SourceUnavailable(f"backup {to} cannot be written: {error.strerror or error}. Nothing was left there; "
                                "name a folder that has room and may be written") from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
    return manifest


def check(file: Path, *, key: bytes | None = None) -> Manifest:
    """Return what a backup holds after reading all of it: rows, digests, the audit chain, and its signed end.

    Raises:
        SourceUnavailable: it cannot be read.
        SourceMalformed: it is no backup, or not the one that was written.
    """
    try:
        with ZipFile(file) as archive:
            manifest = _manifest(archive, file)
            for name in manifest.rows:
                digest, count = hashlib.sha256(), 0
                for line in archive.open(_member(name)):
                    digest.update(line)
                    count += 1
                if (count, digest.hexdigest()) != (manifest.rows[name], manifest.digests.get(name)):
                    raise SourceMalformed(f"backup {file}: table {name} is not as it was written. Use another backup")
            faults = verify(_chain(archive), anchor=_anchor(manifest, key))
    except (BadZipFile, KeyError, ValueError, TypeError, EOFError, zlib.error) as error:
        raise SourceMalformed(f"{file} is no complete backup ({error}): make one with interlock backup FILE") from error
    except OSError as error:
        raise SourceUnavailable(f"backup {file} cannot be read: {error.strerror or error}") from error
    if faults:
        raise SourceMalformed(f"backup {file}: the audit chain in it does not hold: {faults[0].what}. See interlock "
                              "audit verify")
    return manifest


def rows_of(archive: ZipFile, table: str) -> Iterator[dict[str, Any]]:
    """Yield a table's rows as they were stored."""
    for line in archive.open(_member(table)):
        yield {name: base64.b64decode(value["bytes"]) if isinstance(value, dict) else value
               for name, value in json.loads(line).items()}


def _one_moment(connection: Connection, *, is_sqlite: bool) -> None:
    if is_sqlite:
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _tables(connection: Connection) -> dict[str, Table]:
    # As they are, not as this program declares them: columns keep their stored values, whatever they mean.
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables}


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_CHUNK)
    for row in connection.execute(query).mappings():
        yield dict(row)


def _line(row: Mapping[str, Any]) -> bytes:
    plain = {name: {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value
             for name, value in row.items()}
    return (json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"


def _manifest(archive: ZipFile, file: Path) -> Manifest:
    found = Manifest(**json.loads(archive.read(_MANIFEST)))
    if found.format != FORMAT:
        raise SourceMalformed(f"backup {file} has format {found.format}, this program reads {FORMAT}: restore it with "
                              "the version that wrote it")
    return found


def _anchor(manifest: Manifest, key: bytes | None) -> Head | None:
    return read_head(manifest.head, key=key) if key and manifest.head else None


def _chain(archive: ZipFile) -> Iterator[Recorded]:
    for row in rows_of(archive, "audit"):
        yield Recorded(**{**row, "at": EPOCH + timedelta(microseconds=row["at"]), "detail": json.loads(row["detail"])})
