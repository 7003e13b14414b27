"""Ask a prediction log about its faulty rows: how many, with which values, and a handful of them to look at.

The only place where values of rows reach Python, five rows at a time; a column named sensitive shows none.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from services.adapters.profile_engine import connect, first_line
from services.adapters.profile_sql import identifier, literal, parquet, utc
from services.checks.ports import Offending
from services.checks.schema import ColumnSchema
from services.core.window import TimeWindow
from services.errors import SourceUnavailable
from services.predictions.ledger import LogFile, overlapping
from services.predictions.schema import LABEL_COLUMNS, PREDICTION_COLUMNS
from services.settings.sections import Model

SAMPLES: Final = 5
PER_CLASS: Final = 3  # failed requests of each class of error, answers of each repeated request
CLASSES: Final = 4
VALUES: Final = 10
_LONGEST: Final = 200  # characters of a value that are shown


class SignalRows:
    """One model's prediction log, asked about single columns."""

    def __init__(self, settings: Model, *, root: Path, files: Callable[[], Mapping[str, LogFile]]) -> None:
        """Read below `root`; `files` is what the ledger knows."""
        self._settings, self._root, self._files = settings, root, files

    @property
    def own(self) -> Collection[str]:
        """Columns that every log has beside what a model reads."""
        return {*PREDICTION_COLUMNS, *LABEL_COLUMNS, *self._settings.columns.model_dump().values()}

    def kinds(self, window: TimeWindow) -> Mapping[str, str] | None:
        """Return column to type of the newest file with rows in the window, or None where there is none."""
        there = overlapping(self._files().values(), window)
        if not there:
            return None
        newest = max(there, key=lambda file: (file.last or window.start, file.path))
        with connect() as connection:
            return {row[0]: row[1] for row in _run(connection, f"DESCRIBE SELECT * FROM {self._relation([newest])}")}

    def offending(
        self, column: ColumnSchema, check: str, window: TimeWindow, *, environment: str, sensitive: bool
    ) -> Offending:
        """Return the rows that fail a check of a column; without values and samples where it is sensitive."""
        there = overlapping(self._files().values(), window)
        if not there:
            return Offending(rows=0)
        with connect() as connection:
            relation = self._relation(there)
            kinds = {row[0]: row[1] for row in _run(connection, f"DESCRIBE SELECT * FROM {relation}")}
            if column.name not in kinds:
                return Offending(rows=0)
            rows = f"(SELECT {self._columns(column, kinds)} FROM {relation})"
            names = self._settings.columns
            scope = [f"ts >= {_moment(window.start)}", f"ts < {_moment(window.end)}", "variant <> 'shadow'",
                     f"environment = {literal(environment)}", fault(column, check)]
            where = " AND ".join(part for part in scope if part)
            total = int(_run(connection, f"SELECT count(*) FROM {rows} WHERE {where}")[0][0])
            if sensitive or total == 0:
                return Offending(rows=total)
            values = _run(connection, f"SELECT coalesce(left(v, {_LONGEST}), 'missing'), count(*) FROM {rows} "
                                      f"WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {VALUES}")
            sample = _run(connection, "SELECT request_id, CAST(ts AS VARCHAR), version, "
                                      f"left(v, {_LONGEST}) FROM {rows}"
                                      f" WHERE {where} ORDER BY ts DESC LIMIT {SAMPLES}")
        shown = [{names.request_id: r[0], "ts": r[1], "version": r[2], column.name: r[3]} for r in sample]
        return Offending(rows=total, values=dict(values), samples=shown)

    def repeated(self, window: TimeWindow, *, environment: str, sensitive: bool) -> Offending:
        """Return the rows that repeat an earlier request id: the ids most often, and all answers of a few of them."""
        there = overlapping(self._files().values(), window)
        if not there:
            return Offending(rows=0)
        names = self._settings.columns
        with connect() as connection:
            relation = self._relation(there)
            kinds = {row[0]: row[1] for row in _run(connection, f"DESCRIBE SELECT * FROM {relation}")}
            said = f"CAST({identifier(names.prediction)} AS VARCHAR)" if names.prediction in kinds else "NULL"
            known = (f"(SELECT *, count(*) OVER (PARTITION BY request_id, variant) AS n FROM (SELECT "
                     f"{self._place(kinds)}, {said} AS said FROM {relation}) WHERE ts >= {_moment(window.start)} "
                     f"AND ts < {_moment(window.end)} AND variant <> 'shadow' "
                     f"AND environment = {literal(environment)} AND request_id IS NOT NULL)")
            ids = _run(connection, f"SELECT left(request_id, {_LONGEST}), max(n) FROM {known} WHERE n > 1 "
                                   f"GROUP BY request_id ORDER BY 2 DESC, 1 LIMIT {VALUES}")
            total = int(_run(connection, "SELECT count(*) - count(DISTINCT (request_id, variant)) "
                                         f"FROM {known}")[0][0])
            if sensitive or not ids:
                return Offending(rows=total)
            named = ", ".join(literal(row[0]) for row in ids[:2])
            rows = _run(connection, f"SELECT request_id, CAST(ts AS VARCHAR), version, variant, said FROM {known} "
                                    f"WHERE left(request_id, {_LONGEST}) IN ({named}) QUALIFY "
                                    f"row_number() OVER (PARTITION BY request_id ORDER BY ts) <= {PER_CLASS} "
                                    "ORDER BY n DESC, 1, 2")
        return Offending(rows=total, values=dict(ids), samples=[
            {names.request_id: r[0], "ts": r[1], "version": r[2], "variant": r[3], "prediction": r[4]} for r in rows])

    def failed(self, window: TimeWindow, *, environment: str, sensitive: Sequence[str]) -> list[dict[str, Any]]:
        """Return the newest failed requests of a window, a few of each class of error, the most frequent class first.

        Each has request_id, ts, version, variant, error_type, error (what it said; empty where the log does not say)
        and `features`, what was asked. A model with a sensitive column says nothing of what it raised: the words of an
        exception may quote any value.
        """
        there = overlapping(self._files().values(), window)
        if not there:
            return []
        with connect() as connection:
            relation = self._relation(there)
            kinds = {row[0]: row[1] for row in _run(connection, f"DESCRIBE SELECT * FROM {relation}")}
            if "status" not in kinds:
                return []
            shown = [f for f in self._settings.features if f in kinds and f not in sensitive]
            asked = ", ".join(f"{literal(f)}: left(CAST({identifier(f)} AS VARCHAR), {_LONGEST})" for f in shown)
            said = "left(CAST(error AS VARCHAR), 4000)" if "error" in kinds and not sensitive else "''"
            kind = "coalesce(CAST(error_type AS VARCHAR), '')" if "error_type" in kinds else "''"
            place = self._place(kinds)
            rows = _run(connection, f"""
WITH f AS (SELECT {place}, {kind} AS error_type, {said} AS error, {f"{{{asked}}}" if asked else "NULL"} AS features
  FROM {relation} WHERE status <> 'ok'),
g AS (SELECT *, count(*) OVER (PARTITION BY error_type) AS n,
  row_number() OVER (PARTITION BY error_type ORDER BY ts DESC) AS place FROM f
  WHERE ts >= {_moment(window.start)} AND ts < {_moment(window.end)} AND environment = {literal(environment)}),
h AS (SELECT *, dense_rank() OVER (ORDER BY n DESC, error_type) AS class FROM g WHERE place <= {PER_CLASS})
SELECT request_id, CAST(ts AS VARCHAR), version, variant, error_type, coalesce(error, ''), features, n FROM h
WHERE class <= {CLASSES} ORDER BY n DESC, error_type, ts DESC""")
        return [{"request_id": r[0], "ts": r[1], "version": r[2], "variant": r[3], "error_type": r[4] or "unnamed",
                 "error": r[5], "features": {k: v for k, v in (r[6] or {}).items() if v is not None}, "of": r[7]}
                for r in rows]

    def _columns(self, column: ColumnSchema, kinds: Mapping[str, str]) -> str:
        value = f"CAST({identifier(column.name)} AS VARCHAR)"
        number = f"TRY_CAST({identifier(column.name)} AS DOUBLE)"
        return f"{self._place(kinds)}, {value} AS v, {number} AS x"

    def _place(self, kinds: Mapping[str, str]) -> str:
        """Return SQL for a row's time, id, version, variant and environment."""
        names = self._settings.columns

        def text(name: str, absent: str) -> str:
            return f"CAST({identifier(name)} AS VARCHAR)" if name in kinds else absent

        return (f"{utc(names.timestamp, kinds.get(names.timestamp, 'TIMESTAMP'))} AS ts, "
                f"{text(names.request_id, 'NULL')} AS request_id, {text(names.version, literal(''))} AS version, "
                f"{text(names.variant, literal('champion'))} AS variant, "
                f"{text(names.environment, literal('production'))} AS environment")

    def _relation(self, files: Sequence[LogFile]) -> str:
        return parquet(str(self._root / file.path) for file in files)


def fault(column: ColumnSchema, check: str) -> str:
    """Return SQL that is true where a row fails the check, over its value as text (v) and as a number (x)."""
    if check == "missing_rate":
        return "(v IS NULL OR isnan(x))"
    if check == "wrong_type_rate":
        return "v IS NOT NULL AND x IS NULL"
    if column.open:
        return "false"
    if check == "out_of_range_rate":
        if column.low is None or column.high is None:
            return "x IS NOT NULL AND NOT isnan(x)"
        return f"NOT isnan(x) AND (x < {column.low!r}::DOUBLE OR x > {column.high!r}::DOUBLE)"
    known = ", ".join(literal(value) for value in (*column.categories, *column.accepted))
    return f"v IS NOT NULL AND v NOT IN ({known})" if known else "v IS NOT NULL"


def _run(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    try:
        found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise SourceUnavailable(f"looking for failing rows failed: {first_line(error)}") from error
    return found


def _moment(moment: Any) -> str:
    return f"TIMESTAMPTZ {literal(moment.isoformat())}"
