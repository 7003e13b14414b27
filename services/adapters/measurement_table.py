"""Keep measurements: the history for charts and rules, and the newest of each question for the first screens.

What a measurement means is told in services/core/measurement.py. Saving the same window twice replaces it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final

from sqlalchemy import Row, Select, delete, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.alerts import standings
from services.adapters.ops_tables.measurements import measurements, measurements_now
from services.core.audit import digest
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow

_CHUNK: Final = 500


class MeasurementTable:
    """Measurements in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def save(self, found: Iterable[Measurement]) -> None:
        """Store measurements and move the newest of each question forward; an older window never replaces a newer."""
        everything = list(found)
        for start in range(0, len(everything), _CHUNK):
            self._save_chunk(everything[start : start + _CHUNK])

    def _save_chunk(self, chunk: Sequence[Measurement]) -> None:
        history = {digest([*m.key, m.version, m.window.end.isoformat()]): m for m in chunk}
        newest: dict[str, Measurement] = {}
        for m in chunk:
            key = digest(list(m.key))
            if key not in newest or newest[key].window.end <= m.window.end:
                newest[key] = m
        with self._db.write() as connection:
            connection.execute(delete(measurements).where(measurements.c.key.in_(list(history))))
            connection.execute(insert(measurements), [{"key": k, **_values(m)} for k, m in history.items()])
            known = {
                row.key: row
                for row in connection.execute(
                    select(
                        measurements_now.c.key,
                        measurements_now.c.verdict,
                        measurements_now.c.since,
                        measurements_now.c.window_end,
                    ).where(measurements_now.c.key.in_(list(newest)))
                )
            }
            fresh = {k: m for k, m in newest.items() if k not in known or known[k].window_end <= m.window.end}
            if not fresh:
                return
            connection.execute(delete(measurements_now).where(measurements_now.c.key.in_(list(fresh))))
            connection.execute(
                insert(measurements_now),
                [
                    {
                        "key": k,
                        **_values(m),
                        "since": known[k].since if k in known and known[k].verdict == m.verdict else m.at,
                    }
                    for k, m in fresh.items()
                ],
            )

    def retire(self, found: Iterable[Measurement]) -> None:
        """Take questions that nobody asks any more off the newest; the history keeps what was answered."""
        keys = [digest(list(m.key)) for m in found]
        for start in range(0, len(keys), _CHUNK):
            with self._db.write() as connection:
                connection.execute(delete(measurements_now).where(
                    measurements_now.c.key.in_(keys[start : start + _CHUNK])))

    def withdraw(self, subject: str, pipeline: Pipeline) -> None:
        """Take every question about a thing that is gone off the newest; the history keeps what was answered.

        Where a question stood is forgotten with it: nothing can answer it any more, so no incident waits for that.
        """
        theirs = (measurements_now.c.subject == subject, measurements_now.c.pipeline == str(pipeline))
        with self._db.write() as connection:
            connection.execute(delete(standings).where(
                standings.c.key.in_(select(measurements_now.c.key).where(*theirs))))
            connection.execute(delete(measurements_now).where(*theirs))

    def subjects(self, pipeline: Pipeline) -> list[str]:
        """Return what a pipeline has a newest measurement of."""
        with self._db.read() as connection:
            return list(connection.execute(select(measurements_now.c.subject).distinct().where(
                measurements_now.c.pipeline == str(pipeline))).scalars())

    def newest(
        self, *, subject: str | None = None, name: str | None = None, pipeline: Pipeline | None = None,
        environment: str | None = None,
    ) -> list[tuple[Measurement, datetime]]:
        """Return the newest measurement of each question with the time since which its verdict has held."""
        query = _where(select(measurements_now), measurements_now, subject, name, pipeline, environment)
        with self._db.read() as connection:
            return [(_read(row), row.since) for row in connection.execute(query)]

    def history(
        self, window: TimeWindow, *, subject: str | None = None, name: str | None = None,
        pipeline: Pipeline | None = None, environment: str | None = None, column: str | None = None,
        slice_: str | None = None,
    ) -> list[Measurement]:
        """Return the measurements whose window ends in (start, end], oldest first."""
        table = measurements
        query = _where(select(table), table, subject, name, pipeline, environment).where(
            table.c.window_end > window.start, table.c.window_end <= window.end
        )
        if column is not None:
            query = query.where(table.c.column_name == column)
        if slice_ is not None:
            query = query.where(table.c.slice == slice_)
        with self._db.read() as connection:
            return [_read(row) for row in connection.execute(query.order_by(table.c.window_end))]


def _where(
    query: Select[Any], table: Any, subject: str | None, name: str | None, pipeline: Pipeline | None,
    environment: str | None,
) -> Select[Any]:
    for column, wanted in (("subject", subject), ("name", name), ("pipeline", pipeline), ("environment", environment)):
        if wanted is not None:
            query = query.where(table.c[column] == str(wanted))
    return query


def _values(m: Measurement) -> dict[str, Any]:
    # JSON and SQL have no NaN that compares: a value that is not finite is no value, and the reason says so.
    value = m.value if m.value is not None and isfinite(m.value) else None
    return {
        "name": m.name, "pipeline": str(m.pipeline), "subject": m.subject, "environment": m.environment,
        "version": m.version, "column_name": m.column, "slice": m.slice, "window_start": m.window.start,
        "window_end": m.window.end, "at": m.at, "verdict": str(m.verdict), "why": str(m.why), "reason": m.reason,
        "value": value, "unit": m.unit, "n": m.n, "detail": dict(m.detail),
    }


def _read(row: Row[Any]) -> Measurement:
    return Measurement(
        name=row.name, pipeline=Pipeline(row.pipeline), subject=row.subject, environment=row.environment,
        version=row.version, column=row.column_name, slice=row.slice,
        window=TimeWindow(row.window_start, row.window_end), at=row.at, verdict=Verdict(row.verdict), why=Why(row.why),
        reason=row.reason, value=row.value, unit=row.unit, n=row.n, detail=row.detail,
    )
