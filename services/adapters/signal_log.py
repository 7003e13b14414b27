"""Count a Parquet prediction log for serving and quality: hours of traffic, and answers joined with late labels.

Everything is counted by DuckDB where it lies; what reaches Python is one row of numbers per hour or day and place. How
files are found, inspected and quarantined is prediction_log.py; the SQL of the label join is label_sql.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from services.adapters import label_sql
from services.adapters.mirrored_log import MirroredLog
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import connect, first_line
from services.adapters.profile_sql import identifier, literal, parquet, utc
from services.core.window import DAY, TimeWindow
from services.errors import SourceUnavailable
from services.predictions.ledger import CLOCKS, LogFile, overlapping
from services.predictions.schema import CHAMPION, PREDICTION_COLUMNS
from services.quality.day import ScoreDay
from services.serving.latency import BINS, LOW_MS, PER_DECADE, Latency
from services.serving.traffic import Traffic
from services.settings.sections import Columns, Model, Settings

LATE: Final = timedelta(days=35)  # how long after its prediction a label still restates history
EARLY: Final = timedelta(days=1)
_KINDS: Final = 20  # classes of error told apart in one hour
Files = Callable[[], Mapping[str, LogFile]]
_ABSENT: Final = {"variant": literal(CHAMPION), "environment": "'production'", "status": "'ok'", "version": "''"}


class SignalLog:
    """One model's prediction and label logs, read for aggregates only."""

    def __init__(
        self, model: str, settings: Model, *, root: Path, files: Files, label_root: Path | None = None,
        label_files: Files = dict,
    ) -> None:
        """Read below `root` and `label_root`; `files` are what the ledger knows of each."""
        self.model, self._settings = model, settings
        self._root, self._files = root, files
        self._label_root, self._label_files = label_root, label_files

    def traffic(self, hours: Sequence[TimeWindow], *, now: datetime) -> list[Traffic]:
        """Return what was asked in these hours, per environment, version and variant.

        An answer dated later than `now` counts, and is not the last that was delivered.
        """
        if not hours:
            return []
        window = TimeWindow(hours[0].start, hours[-1].end)
        wanted = {hour.start for hour in hours}
        with connect() as connection:
            source = self._answers(connection, window)
            if source is None:
                return []
            rows = _run(connection, _TRAFFIC.format(source=source, scale=PER_DECADE, low=LOW_MS, last=BINS - 1,
                                                    until=_moment(now + CLOCKS)))
            errors = _run(connection, _ERRORS.format(source=source))
            peaks = {(hour, place): (second, int(minute))
                     for hour, place, second, minute in _run(connection, _BUSIEST.format(source=source))}
        kinds: dict[tuple[Any, ...], dict[str, int]] = {}
        for *place, kind, number in errors:
            mine = kinds.setdefault(tuple(place), {})
            if len(mine) < _KINDS:
                mine[kind or "unnamed"] = number
        return [self._hour(row, kinds.get(tuple(row[:4]), {}), peaks.get(tuple(row[:2]), (None, None)))
                for row in rows if _stamp(row[0]) in wanted]

    def score(self, days: Sequence[TimeWindow]) -> list[ScoreDay]:
        """Return coverage and scores of these days, per environment, version, variant and slice."""
        if not days:
            return []
        window = TimeWindow(days[0].start, days[-1].end)
        wanted = {day.start for day in days}
        with connect() as connection:
            source = self._answers(connection, window, also=self._settings.slices)
            if source is None:
                return []
            labels = self._labels(connection, TimeWindow(window.start - EARLY, window.end + LATE))
            cuts = [s for s in self._settings.slices if s in self._columns(connection, source)]
            query = label_sql.scores(self._settings.task, source, labels, cuts)
            rows = _run_named(connection, query)
            found = label_sql.read(self.model, self._settings.task, rows, cuts)
        return [day for day in found if day.day in wanted]

    def days_of_labels(self, paths: Sequence[str], span: TimeWindow) -> list[TimeWindow]:
        """Return the days whose answers the labels in these files belong to: the days to be counted again."""
        if not paths:
            return []
        with connect() as connection:
            source = self._answers(connection, TimeWindow(span.start - LATE, span.end + EARLY))
            if source is None:
                return []
            labels = self._relation(self._label_root, paths)
            rows = _run(connection, f"SELECT DISTINCT epoch_us(date_trunc('day', ts)) FROM {source} "
                                    f"WHERE request_id IN (SELECT request_id FROM {labels}) ORDER BY 1")
        return [TimeWindow(_stamp(row[0]), _stamp(row[0]) + DAY) for row in rows]

    def unknown_labels(self, window: TimeWindow) -> int:
        """Return how many requests were labelled in a window without ever having been logged."""
        with connect() as connection:
            labels = self._labels(connection, window)
            source = self._answers(connection, TimeWindow(window.start - LATE, window.end + EARLY))
            if labels is None:
                return 0
            known = f"WHERE request_id NOT IN (SELECT request_id FROM {source} WHERE request_id IS NOT NULL)"
            rows = _run(connection, f"SELECT count(DISTINCT request_id) FROM {labels} {known if source else ''}")
        return int(rows[0][0])

    def labelled_rows(
        self, window: TimeWindow, features: Sequence[str], *, environment: str, rows: int, labelled: bool
    ) -> pa.Table | None:
        """Return at most `rows` answers of a window with their features, the same ones each time: for an estimate.

        `labelled` keeps those with one usable label and adds it.
        """
        with connect() as connection:
            source = self._answers(connection, window, also=features)
            if source is None:
                return None
            kinds = self._columns(connection, source)
            labels = self._labels(connection, TimeWindow(window.start - EARLY, window.end + LATE))
            if labelled and labels is None:
                return None
            named = ", ".join(f"a.{identifier(f)}" if f in kinds else f"NULL::DOUBLE AS {identifier(f)}"
                              for f in features)
            join = (f"JOIN (SELECT request_id, any_value(label) AS label, min(label_ts) AS label_ts FROM {labels} "
                    "WHERE label IS NOT NULL GROUP BY request_id HAVING count(DISTINCT label) = 1) l "
                    "ON l.request_id = a.request_id AND l.label_ts >= a.ts AND isfinite(l.label)" if labelled else "")
            query = (f"SELECT date_trunc('day', a.ts) AS day, a.prediction, {'l.label, ' if labelled else ''}{named} "
                     f"FROM {source} a {join} WHERE a.status = 'ok' AND isfinite(a.prediction) "
                     "AND a.variant <> 'shadow' "
                     f"AND a.environment = {literal(environment)} ORDER BY hash(a.request_id) LIMIT {rows}")
            try:
                found: pa.Table = connection.sql(query).to_arrow_table()
            except duckdb.Error as error:
                raise SourceUnavailable(f"drawing answers failed: {first_line(error)}") from error
        return found

    def _hour(self, row: Sequence[Any], errors: Mapping[str, int], peak: tuple[int | None, int | None]) -> Traffic:
        hour, environment, version, variant, rows, failed, timeouts, duplicates, first, last, bins = row
        return Traffic(
            model=self.model, environment=environment, version=version, variant=variant, hour=_stamp(hour), rows=rows,
            failed=failed, timeouts=timeouts, duplicates=duplicates, errors=errors,
            first=_stamp(first) if first is not None else None, last=_stamp(last) if last is not None else None,
            latency=Latency.of({int(k): int(v) for k, v in (bins or {}).items()}),
            busiest_second=peak[0], busiest_minute=peak[1],
        )

    def _answers(
        self, connection: duckdb.DuckDBPyConnection, window: TimeWindow, *, also: Sequence[str] = ()
    ) -> str | None:
        """Return SQL for the rows of a window under the contract's names, or None where there is no file."""
        there = overlapping(self._files().values(), window)
        if not there:
            return None
        relation = self._relation(self._root, [file.path for file in there])
        kinds = self._columns(connection, relation)
        names = self._settings.columns
        time = utc(names.timestamp, kinds.get(names.timestamp, "TIMESTAMP"))

        def text(field: str) -> str:
            column = getattr(names, field)
            absent = _ABSENT.get(field, "NULL::VARCHAR")
            return f"coalesce(CAST({identifier(column)} AS VARCHAR), {absent})" if column in kinds else absent

        def number(column: str) -> str:
            return f"TRY_CAST({identifier(column)} AS DOUBLE)" if column in kinds else "NULL::DOUBLE"

        kind = f"CAST({identifier('error_type')} AS VARCHAR)" if "error_type" in kinds else "NULL::VARCHAR"
        slices = "".join(f", {identifier(s)}" for s in also if s in kinds and s not in PREDICTION_COLUMNS)
        return (
            f"(SELECT {time} AS ts, {text('request_id')} AS request_id, {text('environment')} AS environment, "
            f"{text('version')} AS version, {text('variant')} AS variant, {text('status')} AS status, "
            f"{kind} AS error_type, {number(names.latency_ms)} AS latency_ms, {number(names.prediction)} AS prediction,"
            f" {number(names.score)} AS score{slices} FROM {relation} WHERE {time} >= {_moment(window.start)} "
            f"AND {time} < {_moment(window.end)})"
        )

    def _labels(self, connection: duckdb.DuckDBPyConnection, window: TimeWindow) -> str | None:
        if self._label_root is None:
            return None
        there = overlapping(self._label_files().values(), window)
        if not there:
            return None
        relation = self._relation(self._label_root, [file.path for file in there])
        kinds = self._columns(connection, relation)
        time = utc("label_ts", kinds["label_ts"])
        absent = "CAST(absent_reason AS VARCHAR)" if "absent_reason" in kinds else "NULL::VARCHAR"
        return (f"(SELECT CAST(request_id AS VARCHAR) AS request_id, TRY_CAST(label AS DOUBLE) AS label, "
                f"{time} AS label_ts, {absent} AS absent_reason FROM {relation} "
                f"WHERE {time} >= {_moment(window.start)} AND {time} < {_moment(window.end)})")

    def _columns(self, connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
        return {row[0]: row[1] for row in _run(connection, f"DESCRIBE SELECT * FROM {relation}")}

    @staticmethod
    def _relation(root: Path | None, paths: Sequence[str]) -> str:
        return parquet(str((root or Path()) / path) for path in paths)


def label_files(settings: Settings, model: str) -> ParquetLog | MirroredLog:
    """Return the label log of a model as files that are found, inspected and quarantined like those of predictions."""
    setting, root = settings.models[model], settings.label_root(model)
    # What is set here is declared, so that a file without it is told apart.
    columns = Columns(timestamp="label_ts", request_id="request_id", prediction="label")
    mapped = setting.model_copy(update={"columns": columns, "features": [], "format": setting.labels_format})
    log: ParquetLog | MirroredLog
    if setting.labels_mirrored:
        location = setting.labels if "://" in setting.labels else str(settings.resolve(setting.labels))
        log = MirroredLog(model, location, mapped, mirror=root or Path())
    else:
        log = ParquetLog(model, root or Path(), mapped)
    log.name = f"labels:{model}"
    return log


_TRAFFIC: Final = """
WITH a AS (
  SELECT *, date_trunc('hour', ts) AS hour,
    CASE WHEN status = 'ok' AND latency_ms > 0 AND isfinite(latency_ms) THEN
      least(greatest(ceil(log10(latency_ms / {low}) * {scale}) - 1, 0), {last})::INTEGER END AS bin,
    row_number() OVER (PARTITION BY request_id, variant ORDER BY ts) AS repeat
  FROM {source}
)
SELECT epoch_us(hour), environment, version, variant,
  count(*) FILTER (WHERE request_id IS NULL OR repeat = 1) AS rows,
  count(*) FILTER (WHERE status <> 'ok' AND (request_id IS NULL OR repeat = 1)) AS failed,
  count(*) FILTER (WHERE status <> 'ok' AND lower(coalesce(error_type, '')) LIKE '%time%out%') AS timeouts,
  count(*) FILTER (WHERE request_id IS NOT NULL AND repeat > 1) AS duplicates,
  epoch_us(min(ts)), epoch_us(max(ts) FILTER (WHERE status = 'ok' AND ts <= {until})), histogram(bin)
FROM a GROUP BY ALL ORDER BY ALL
"""

_ERRORS: Final = """
SELECT epoch_us(date_trunc('hour', ts)), environment, version, variant, error_type, count(*)
FROM {source} WHERE status <> 'ok' GROUP BY ALL ORDER BY 6 DESC, 5
"""

# At most 3,600 groups an hour. A repeated request was work too. Times that are all whole minutes tell no second apart.
_BUSIEST: Final = """
SELECT hour * 3600000000, environment, max(n), max(of_minute)
FROM (SELECT second // 3600 AS hour, environment, second, n,
        sum(n) OVER (PARTITION BY environment, second // 60) AS of_minute
      FROM (SELECT epoch_us(ts) // 1000000 AS second, environment, count(*) AS n FROM {source}
            WHERE variant <> 'shadow' GROUP BY ALL))
GROUP BY ALL HAVING bool_or(second % 60 <> 0)
"""


def _run(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    try:
        found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise SourceUnavailable(f"counting the log failed: {first_line(error)}") from error
    return found


def _run_named(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    try:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except duckdb.Error as error:
        raise SourceUnavailable(f"joining the labels failed: {first_line(error)}") from error


def _stamp(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ {literal(moment.astimezone(UTC).isoformat())}"
