"""Read a prediction log in files: Parquet, JSON lines or CSV.

Which files changed, what is in them, and how their rows fall into bins. A file that cannot be read is quarantined by
name and never stops the others. Rows are counted by DuckDB and never reach Python. Writing is parquet_writer.py;
what to recount is decided in services/monitor/steps/profiles.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters import profile_engine
from services.adapters.profile_engine import SLICES, connect, first_line, slice_name
from services.adapters.profile_sql import Source, first_of_repeats, identifier, literal, utc
from services.core.window import TimeWindow
from services.errors import SourceUnavailable
from services.predictions.ledger import AHEAD, COMES, EARLIEST, Changes, FileState, Found, LogFile, changes, latest
from services.predictions.schema import CHAMPION
from services.profiles.baseline import LABEL, PREDICTION, SCORE
from services.profiles.bins import CategoricalBins
from services.profiles.ports import Ask, Counted, Place
from services.profiles.profile import Layout
from services.settings.sections import Model

# What a log without the column is taken to say; the time has no such value, and a file without it is quarantined.
_ABSENT: Final = {"version": "''", "variant": literal(CHAMPION), "environment": "'production'", "status": "'ok'"}


# How DuckDB reads each format. A CSV is read as text throughout, because guessing types per file makes files disagree;
# what is binned as a number is cast then.
_READERS: Final = {
    "parquet": (("*.parquet",), "read_parquet", "hive_partitioning=false"),
    "json": (("*.json", "*.jsonl", "*.ndjson"), "read_json", "format='newline_delimited', hive_partitioning=false"),
    "csv": (("*.csv",), "read_csv", "header=true, all_varchar=true, hive_partitioning=false"),
}


class ParquetLog:
    """The files of one model's predictions."""

    def __init__(self, model: str, root: Path, settings: Model) -> None:
        """Read below `root`, by the column names of the settings."""
        self.model, self._root, self._settings = model, root, settings
        self.name = f"predictions:{model}"

    def changes(self, known: Mapping[str, LogFile], *, now: datetime | None = None) -> Changes:  # noqa: ARG002
        """Compare the folder with what is known. A folder that is not there yet is an empty one."""
        try:
            found = [
                Found(path=str(path.relative_to(self._root)), size=stat.st_size,
                      mtime=datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1e6, UTC))
                for pattern in _READERS[self._settings.format][0] for path in self._root.rglob(pattern)
                # A name with a dot is being written.
                if not path.name.startswith(".") and (stat := path.stat())
            ]
        except OSError as error:
            raise SourceUnavailable(f"log folder {self._root} cannot be listed: {error.strerror}. Check models."
                                    f"{self.model}.log and the folder's permissions") from error
        return changes(known, found)

    def inspect(self, changes: Changes, *, now: datetime | None = None) -> list[LogFile]:
        """Return the facts of every file to look into, and the ones that are gone as gone."""
        read: list[tuple[Found, tuple[str, ...]]] = []
        facts: list[LogFile] = []
        for found in changes.look:
            try:
                names = self._names(found.path)
            except (pa.ArrowException, OSError, duckdb.Error) as error:
                facts.append(_quarantined(found, f"cannot be read: {first_line(error)}"))
                continue
            if self._settings.columns.timestamp not in names:
                facts.append(_quarantined(found, f"has no column {self._settings.columns.timestamp}: name the time "
                                                 f"column in models.{self.model}.columns.timestamp"))
                continue
            lacks = tuple(c for c in self._declared() if c not in names)
            read.append((found, lacks))
        facts += self._look(read, now)
        return facts + [replace(file, state=FileState.GONE) for file in changes.gone]

    def count(self, files: Sequence[LogFile], ask: Ask) -> tuple[list[Counted], list[LogFile]]:
        """Count rows of these files; a file whose pages turn out corrupt comes back quarantined, the rest counts."""
        if not files:
            return [], []
        with connect() as connection:
            found, bad = self._count(connection, list(files), ask)
        merged: dict[tuple[Place, TimeWindow], Counted] = {}
        for item in found:
            key = (item.place, item.bucket)
            old = merged.get(key)
            merged[key] = replace(item, profile=old.profile.merge(item.profile)) if old else item
        return list(merged.values()), bad

    def _names(self, path: str) -> list[str]:
        if self._settings.format == "parquet":
            # The footer alone: a damaged one is found without starting the engine.
            return list(pq.read_schema(self._root / path).names)
        with connect() as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {self._relation([path])}").fetchall()
        return [row[0] for row in found]

    def _declared(self) -> list[str]:
        """Return the columns that the settings name: mapped ones and features."""
        columns = self._settings.columns
        return [*(getattr(columns, field) for field in sorted(columns.model_fields_set)), *self._settings.features]

    def _count(
        self, connection: duckdb.DuckDBPyConnection, files: list[LogFile], ask: Ask
    ) -> tuple[list[Counted], list[LogFile]]:
        try:
            return self._query(connection, files, ask), []
        except SourceUnavailable:
            if len(files) == 1:
                damage = self._damage(connection, files[0])
                if not damage:
                    raise  # the file is sound: the engine is in trouble, and the file is no culprit
                return [], [replace(files[0], state=FileState.QUARANTINED, reason=damage)]
        # One bad page fails the whole query: halve until the file is found.
        middle = len(files) // 2
        left, bad_left = self._count(connection, files[:middle], ask)
        right, bad_right = self._count(connection, files[middle:], ask)
        return left + right, bad_left + bad_right

    def _query(self, connection: duckdb.DuckDBPyConnection, files: Sequence[LogFile], ask: Ask) -> list[Counted]:
        relation = self._relation([file.path for file in files])
        kinds = profile_engine.columns_of(connection, relation, f"log of {self.model}")
        names = self._settings.columns
        time = utc(names.timestamp, kinds[names.timestamp])
        where = [f"{time} >= {_moment(ask.window.start)}", f"{time} < {_moment(ask.window.end)}"]
        version = self._key("version", kinds)
        if ask.versions:
            where.append(f"{version} IN ({', '.join(literal(v) for v in ask.versions)})")
        narrowed = f"(SELECT * FROM {relation} WHERE {' AND '.join(where)})"
        if names.request_id in kinds and self._repeats(connection, narrowed, kinds):
            # Logged at least once: the first of equal (request_id, variant) counts.
            narrowed = first_of_repeats(narrowed, names.request_id, self._key("variant", kinds), time)
        cuts = [s for s in ask.slices if s in kinds]
        counted = profile_engine.count(
            connection, narrowed, ask.layout, self._sources(ask.layout, kinds), time=time, grain=ask.grain,
            keys=[version, self._key("environment", kinds), self._key("variant", kinds)],
            cuts=[_cut(c, ask.layout, narrowed) for c in cuts],
        )
        found = []
        for bucket, values, profile in counted:
            place = Place(model=self.model, version=values[0] or "", environment=values[1] or "",
                          variant=values[2] or "", slice=slice_name(cuts, values[3:]))
            start = bucket or ask.window.start
            found.append(Counted(place=place, bucket=TimeWindow(start, start + ask.grain), profile=profile))
        return found

    def _damage(self, connection: duckdb.DuckDBPyConnection, file: LogFile) -> str:
        """Return why a file cannot be read to its end, or nothing when it can."""
        try:
            connection.execute(f"SELECT bit_xor(hash(t)) FROM {self._relation([file.path])} t").fetchall()
        except duckdb.Error as error:
            return f"is damaged: {first_line(error)}"
        return ""

    def _repeats(self, connection: duckdb.DuckDBPyConnection, relation: str, kinds: Mapping[str, str]) -> bool:
        name = identifier(self._settings.columns.request_id)
        key = f"({name}, {self._key('variant', kinds)})"
        try:
            [(repeats,)] = connection.execute(
                f"SELECT count(*) > count(DISTINCT {key}) FROM {relation} WHERE {name} IS NOT NULL").fetchall()
        except duckdb.Error as error:
            raise SourceUnavailable(f"counting failed: {first_line(error)}") from error
        return bool(repeats)

    def _key(self, field: str, kinds: Mapping[str, str]) -> str:
        column = getattr(self._settings.columns, field)
        return f"CAST({identifier(column)} AS VARCHAR)" if column in kinds else _ABSENT[field]

    def _sources(self, layout: Layout, kinds: Mapping[str, str]) -> dict[str, Source]:
        """Return how the log holds each column; one it does not have at all is missing in every row."""
        names = self._settings.columns
        theirs = {PREDICTION: names.prediction, SCORE: names.score, LABEL: LABEL}
        # A failed request has no answer; counting it as a missing one would alarm twice.
        answered = f"{self._key('status', kinds)} = 'ok'" if names.status in kinds else ""
        return {
            column: Source(
                value=identifier(theirs.get(column, column)) if theirs.get(column, column) in kinds else "NULL::DOUBLE",
                kind=kinds.get(theirs.get(column, column), "DOUBLE"), where=answered if column in theirs else "",
            )
            for column in layout.columns
        }

    def _relation(self, paths: Sequence[str], more: str = "") -> str:
        listed = ", ".join(literal(str(self._root / path)) for path in paths)
        _, reader, options = _READERS[self._settings.format]
        return f"{reader}([{listed}], union_by_name=true, {options}{more})"

    def _look(self, read: Sequence[tuple[Found, tuple[str, ...]]], now: datetime | None) -> list[LogFile]:
        """Return rows, first and last time and versions of many files by one query; halve where it fails."""
        if not read:
            return []
        try:
            with connect() as connection:
                rows = self._facts(connection, [found.path for found, _ in read], now)
        except duckdb.Error as error:
            if len(read) == 1:
                return [_quarantined(read[0][0], f"cannot be read: {first_line(error)}")]
            middle = len(read) // 2
            return self._look(read[:middle], now) + self._look(read[middle:], now)
        facts = []
        for found, lacks in read:
            mine = rows.get(str(self._root / found.path), [])
            dated = [row for row in mine if row["first"] is not None]
            facts.append(LogFile(
                path=found.path, size=found.size, mtime=found.mtime, state=FileState.NEW,
                rows=sum(row["n"] for row in mine), undated=sum(row["undated"] for row in mine), lacks=lacks,
                first=min((row["first"] for row in dated), default=None),
                last=max((row["last"] for row in dated), default=None),
                versions={row["version"] or "": row["n"] for row in mine}, later=sum(row["later"] for row in mine),
                due=min((row["due"] for row in mine if row["due"] is not None), default=None),
            ))
        return facts

    def _facts(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[str], now: datetime | None
    ) -> dict[str, list[dict[str, Any]]]:
        relation = self._relation(paths, ", filename='interlock_file'")
        kinds = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
        time = utc(self._settings.columns.timestamp, kinds[self._settings.columns.timestamp])
        until = latest(now)
        later = f"CASE WHEN {time} >= {_moment(until)} AND {time} < {_moment(until - AHEAD + COMES)} THEN {time} END"
        time = f"CASE WHEN {time} >= {_moment(EARLIEST)} AND {time} < {_moment(until)} THEN {time} END"
        cursor = connection.execute(
            f"SELECT interlock_file AS file, {self._key('version', kinds)} AS version, count(*) AS n, "
            f"count(*) - count({time}) - count({later}) AS undated, count({later}) AS later, "
            f"epoch_us(min({time})) AS first, epoch_us(max({time})) AS last, epoch_us(min({later})) AS due "
            f"FROM {relation} GROUP BY ALL")
        names = [column[0] for column in cursor.description or ()]
        found: dict[str, list[dict[str, Any]]] = {}
        for values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            for end in ("first", "last", "due"):
                row[end] = None if row[end] is None else datetime.fromtimestamp(row[end] / 1e6, UTC)
            found.setdefault(row["file"], []).append(row)
        return found


def _cut(column: str, layout: Layout, relation: str) -> str:
    """Return SQL for the slice of a row: its value, or nothing where that is not one of a bounded number of values.

    Of a category these are the values that the baseline remembers: a slice without a baseline is compared with nothing.
    Of anything else they are the most frequent ones of the relation: a column of ids would be as many slices as rows.
    """
    bins, name = layout.columns.get(column), identifier(column)
    if isinstance(bins, CategoricalBins):
        known = ", ".join(literal(value) for value in (*bins.named, *bins.rare))
        return f"CASE WHEN CAST({name} AS VARCHAR) IN ({known}) THEN {name} END" if known else "NULL::VARCHAR"
    most = f"SELECT {name} FROM {relation} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {SLICES}"
    return f"CASE WHEN {name} IN ({most}) THEN {name} END"


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ {literal(moment.astimezone(UTC).isoformat())}"


def _quarantined(found: Found, reason: str) -> LogFile:
    return LogFile(path=found.path, size=found.size, mtime=found.mtime, state=FileState.QUARANTINED, reason=reason)
