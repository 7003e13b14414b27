"""Turn one file of a foreign prediction log into Parquet under the names that the settings give its columns.

JSON lines and CSV keep their columns. A Databricks inference table keeps whole requests and answers as JSON, and
becomes one row per row that was asked. TF Serving's `PredictionLog` records are read in tf_serving_log.py. A request
without its answer becomes a row without a prediction, with a status that says so: it is counted, not dropped.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.profile_engine import connect, first_line
from services.adapters.profile_sql import literal
from services.errors import SourceMalformed
from services.gateway.fault import InvocationFault
from services.gateway.protocol import parse, row_ids
from services.settings.sections import Columns, Model

PATTERNS: Final[Mapping[str, tuple[str, ...]]] = {
    "parquet": ("*.parquet",), "json": ("*.json", "*.jsonl", "*.ndjson", "*.json.gz", "*.jsonl.gz"),
    "csv": ("*.csv", "*.csv.gz"), "databricks": ("*.parquet",), "tfrecord": ("*",),
}
_READERS: Final = {
    "json": "read_json({}, format='newline_delimited')",
    # As text throughout: types guessed per file make files disagree.
    "csv": "read_csv({}, header=true, all_varchar=true)",
}
_BATCH: Final = 20_000  # rows in memory at once

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose file it is, what it is called in its log, and when it was written."""

    model: str
    name: str
    written: datetime


def unpack(file: Path, target: Path, settings: Model, origin: Origin) -> None:
    """Write `file` as Parquet to `target`.

    Raises:
        SourceMalformed: the file is not what `format` says; the message is the reason for its quarantine.
        OSError: it cannot be written.
    """
    try:
        match settings.format:
            case "databricks":
                _write(_databricks(file, settings.columns), target)
            case "tfrecord":
                from services.adapters.tf_serving_log import rows

                _write(rows(file, settings.columns, origin_of=origin.name, written=origin.written), target)
            case "json" | "csv" as form:
                # The name decides whether it is compressed; the copy was fetched under another.
                named = file.with_name(f"{file.name}{''.join(Path(origin.name).suffixes[-2:])}")
                file.rename(named)
                try:
                    _convert(_READERS[form].format(literal(str(named))), target)
                finally:
                    named.unlink(missing_ok=True)
            case _:
                pq.read_schema(file)
                shutil.move(file, target)
    except (duckdb.Error, pa.ArrowException) as error:
        raise SourceMalformed(f"cannot be read as {settings.format}: {first_line(error)}") from error


def _convert(relation: str, target: Path) -> None:
    with connect() as connection:
        connection.execute(f"COPY (SELECT * FROM {relation}) TO {literal(str(target))} (FORMAT parquet)")


def _write(rows: Iterator[Row], target: Path) -> None:
    """Write rows in batches; a column may appear late, and its type is the plainest that holds all its values."""
    batches: list[pa.Table] = []
    while batch := list(islice(rows, _BATCH)):
        names = dict.fromkeys(name for row in batch for name in row)
        batches.append(pa.table({name: _array([row.get(name) for row in batch]) for name in names}))
    if not batches:
        raise SourceMalformed("holds no request: look at what writes it")
    try:
        table = pa.concat_tables(batches, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [pa.table({n: c.cast(pa.string()) for n, c in zip(b.column_names, b.columns, strict=True)})
                 for b in batches]
        table = pa.concat_tables(texts, promote_options="permissive")
    pq.write_table(table, target)


def _array(cells: Sequence[Any]) -> pa.Array:
    try:
        return pa.array([json.dumps(c) if isinstance(c, list | dict) else c for c in cells])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if c is None else str(c) for c in cells], type=pa.string())


def _databricks(file: Path, names: Columns) -> Iterator[Row]:
    """Yield the rows of an inference table, of today's columns or of those before 2024."""
    reader = pq.ParquetFile(file)
    there = set(reader.schema_arrow.names)
    if not {"request", "response"} <= there:
        raise SourceMalformed("is no inference table: it has no columns request and response")
    for batch in reader.iter_batches(batch_size=2_000):
        for record in batch.to_pylist():
            yield from _request(record, names)


def _request(record: Mapping[str, Any], names: Columns) -> Iterator[Row]:
    moment = record.get("request_time") or record.get("timestamp_ms")
    meta = record.get("request_metadata")
    meta = dict(meta) if meta else {}
    code = record.get("status_code")
    took = record.get("execution_duration_ms", record.get("execution_time_ms"))
    same: Row = {
        # Milliseconds since 1970 in the older tables; a number is read as seconds.
        names.timestamp: moment / 1000 if isinstance(moment, int) else moment,
        names.version: str(meta.get("model_version") or record.get("served_entity_id") or ""),
        names.latency_ms: None if took is None else float(took),
    }
    try:
        payload = parse((record.get("request") or "").encode(), "application/json")
        count, columns = payload.rows, payload.columns or {}
    except InvocationFault:
        count, columns = 1, {}
    answers = _answers(record.get("response"), count)
    fault = f"http {code}" if code is not None and code != 200 else "" if answers else "no answer"
    asked = str(record.get("client_request_id") or record.get("databricks_request_id") or "")
    for place, request_id in enumerate(row_ids((), asked, count)):
        yield {
            **{name: cells[place] for name, cells in columns.items()}, **same,
            names.request_id: request_id or None, names.status: "error" if fault else "ok", "error_type": fault,
            **(_named(answers[place], names) if answers and not fault else {}),
        }


def _answers(text: Any, rows: int) -> list[Any]:
    """Return one answer per row, or nothing where the response has not as many."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return []
    found = found.get("predictions", found.get("outputs")) if isinstance(found, dict) else found
    if isinstance(found, dict):
        # One list per output.
        lists = {name: value for name, value in found.items() if isinstance(value, list) and len(value) == rows}
        found = [{name: value[place] for name, value in lists.items()} for place in range(rows)] if lists else []
    return found if isinstance(found, list) and len(found) == rows else []


def _named(answer: Any, names: Columns) -> Row:
    """Return an answer's values as columns: its own names, or the prediction's where it has none."""
    return dict(answer) if isinstance(answer, dict) else {names.prediction: answer}
