"""Read what was serving: every split that was read back from a target, with its time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.releases import served
from services.core.window import TimeWindow
from services.releases.canary import Span
from services.releases.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One split of one model in one environment, from `at` until the next one."""

    model: str
    environment: str
    at: datetime
    weights: dict[str, float]
    generation: int
    release_id: str


class ServedTable:
    """The history of splits in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def at(self, moment: datetime, *, model: str = "", environment: str = "") -> list[Served]:
        """Return what was serving at a time, for every model and environment that had been released by then."""
        query = select(served).where(served.c.at <= moment).order_by(served.c.at, served.c.id)
        if model:
            query = query.where(served.c.model == model)
        if environment:
            query = query.where(served.c.environment == environment)
        newest: dict[tuple[str, str], Served] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                newest[row.model, row.environment] = _served(row)
        return [newest[key] for key in sorted(newest)]

    def spans(self, release: Release) -> list[Span]:
        """Return the times in which the split of a release under way did not change, as read back, oldest first."""
        query = select(served).where(served.c.release_id == release.id).order_by(served.c.at, served.c.id)
        with self._db.read() as connection:
            rows = [_served(row) for row in connection.execute(query)]
        ends = [*(row.at for row in rows[1:]), None][: len(rows)]
        return [
            Span(start=row.at, end=end, weight_pct=row.weights[release.version])
            for row, end in zip(rows, ends, strict=True)
            if 0 < row.weights.get(release.version, 0.0) < 100
        ]

    def during(self, window: TimeWindow, *, model: str, environment: str) -> list[Served]:
        """Return the splits of one place that began in a window, oldest first."""
        query = (
            select(served)
            .where(served.c.model == model, served.c.environment == environment, served.c.at >= window.start,
                   served.c.at < window.end)
            .order_by(served.c.at, served.c.id)
        )
        with self._db.read() as connection:
            return [_served(row) for row in connection.execute(query)]


def _served(row: Row[Any]) -> Served:
    return Served(model=row.model, environment=row.environment, at=row.at, weights=row.weights,
                  generation=row.generation, release_id=row.release_id)
