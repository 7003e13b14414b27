"""Keep how big each registered version is, as it was read from the logged model itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.quota import model_sizes
from services.quota.suits import ModelSize


class ModelSizeTable:
    """Sizes in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def tried(self) -> dict[tuple[str, str], tuple[datetime, str]]:
        """Return per model and version when its size was read, and what went wrong, empty where nothing did."""
        c = model_sizes.c
        with self._db.read() as connection:
            return {(r.model, r.version): (r.read_at, r.problem) for r in connection.execute(
                select(c.model, c.version, c.read_at, c.problem))}

    def of(self, model: str, version: str) -> ModelSize | None:
        """Return a version's size; None where it was not read, or could not be."""
        c = model_sizes.c
        with self._db.read() as connection:
            row = connection.execute(select(model_sizes).where(c.model == model, c.version == version)).first()
        return _size(row) if row is not None and not row.problem else None

    def save(self, model: str, version: str, found: Mapping[str, Any], *, now: datetime) -> None:
        """Store what was read of a version, replacing what was known."""
        values = {"params": None, "bytes": None, "operations": None, "architecture": "", "problem": "", **found}
        with self._db.write() as connection:
            connection.execute(delete(model_sizes).where(
                model_sizes.c.model == model, model_sizes.c.version == version))
            connection.execute(insert(model_sizes).values(model=model, version=version, read_at=now, **values))


def _size(row: Row[Any]) -> ModelSize:
    return ModelSize(params=row.params, bytes=row.bytes, operations=row.operations, architecture=row.architecture,
                     source=f"read from {row.model} v{row.version}")
