"""Keep the reports of validated versions."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.signals import gate_results
from services.validation.gate import Gate, Report


class GateTable:
    """Reports in the ops store; every one stays."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def save(self, report: Report) -> None:
        """Store a report."""
        with self._db.write() as connection:
            connection.execute(insert(gate_results).values(
                id=uuid4().hex, model=report.model, version=report.version, champion=report.champion,
                artefact=report.artefact, verdict=str(report.verdict), gates=[g.to_json() for g in report.gates],
                at=report.at))

    def latest(self, model: str, version: str) -> Report | None:
        """Return the newest report of a version, or None where it was never validated."""
        table = gate_results
        with self._db.read() as connection:
            row = connection.execute(select(table).where(table.c.model == model, table.c.version == version)
                                     .order_by(table.c.at.desc()).limit(1)).first()
        return _report(row) if row else None

    def recent(self, model: str, *, limit: int = 20) -> Sequence[Report]:
        """Return the newest report of each version, newest first."""
        table = gate_results
        newest: dict[str, Report] = {}
        with self._db.read() as connection:
            for row in connection.execute(select(table).where(table.c.model == model).order_by(table.c.at.desc())
                                          .limit(20 * limit)):
                newest.setdefault(row.version, _report(row))
        return list(newest.values())[:limit]


def _report(row: Row[Any]) -> Report:
    return Report(model=row.model, version=row.version, champion=row.champion, artefact=row.artefact, at=row.at,
                  gates=tuple(Gate.from_json(gate) for gate in row.gates))
