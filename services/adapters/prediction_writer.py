"""Turn sealed journal segments into the Parquet prediction log, in a process of its own.

Run as `python -m services.adapters.prediction_writer` by the gateway, one path per line on standard input. A segment
becomes files whose names are made from its own, so doing one twice, after a crash in between, writes nothing twice.
A row that cannot be read is written without its features rather than dropped.
"""

import json
import logging
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from services.gateway.fault import InvocationFault
from services.gateway.journal import Entry, Schema, unpack
from services.gateway.protocol import CSV, Payload, parse, row_ids
from services.gateway.signature import Signature
from services.predictions.schema import PREDICTION_COLUMNS

_log = logging.getLogger(__name__)

_ARROW: Final = {"double": pa.float64(), "float": pa.float32(), "long": pa.int64(), "integer": pa.int32(),
                 "boolean": pa.bool_(), "string": pa.string(), "datetime": pa.timestamp("us", tz="UTC")}
_CONTRACT: Final = {"string": pa.string(), "double": pa.float64(),
                    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC")}
_RETRY_S: Final = 1.0
_SKIPPED: Final = "interlock_"  # a feature may not take the name of a contract column: it is set apart


def convert(segment: Path) -> int:
    """Write a segment's rows to the log and remove it; return the number of rows.

    Raises:
        OSError: the log cannot be written; the segment stays for another try.
    """
    if not segment.exists():
        return 0
    schemas: dict[tuple[str, str], Schema] = {}
    groups: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for read in unpack(segment.read_bytes()):
        if isinstance(read.item, Schema):
            schemas[read.item.model, read.item.version] = read.item
        else:
            day = datetime.fromtimestamp(read.item.ts_us / 1e6, UTC).strftime("%Y-%m-%d")
            groups[read.item.model, read.item.version, day].append(read.item)
    rows = 0
    for (model, version, day), entries in groups.items():
        schema = schemas.get((model, version))
        table = _table(entries, Signature.from_json(schema.signature) if schema else Signature())
        root = Path(schema.root) if schema else segment.parent / "unplaced" / model
        _write(root / f"date={day}", f"gateway-{segment.stem}-v{version}.parquet", table)
        rows += table.num_rows
    segment.unlink()
    return rows


def _table(entries: Sequence[Entry], signature: Signature) -> pa.Table:
    """Return the rows of one version, contract columns first, then one column per feature as served."""
    fixed: dict[str, list[Any]] = {name: [] for name in PREDICTION_COLUMNS}
    features: dict[str, list[Any]] = defaultdict(list)
    done = 0
    for entry in entries:
        rows, given, ids, entities = _rows(entry, signature)
        record = json.loads(entry.record) if entry.record else {}
        nothing = [None] * rows
        values: Mapping[str, Sequence[Any]] = {
            "request_id": ids, "entity_id": entities, "prediction": record.get("prediction") or nothing,
            "score": record.get("score") or nothing,
        }
        same = {"ts": entry.ts_us, "model": entry.model, "model_version": entry.version, "variant": entry.variant,
                "environment": entry.environment, "latency_ms": entry.latency_ms, "status": entry.status,
                "error_type": entry.error_type, "error": record.get("error", "")}
        for name, cells in fixed.items():
            cells.extend(values.get(name) or [same.get(name)] * rows)
        for name in {*given, *features}:
            column = features[name]
            column.extend([None] * (done - len(column)))
            column.extend(given.get(name) or nothing)
        done += rows
    types = {c.name: _ARROW.get(c.type) for c in signature.columns}
    arrays = {name: pa.array(cells, type=_CONTRACT[PREDICTION_COLUMNS[name][0]]) for name, cells in fixed.items()}
    for name in sorted(features):
        title = name if name not in PREDICTION_COLUMNS else _SKIPPED + name
        arrays[title] = _array(features[name], types.get(name))
    return pa.table(arrays)


def _rows(entry: Entry, signature: Signature) -> tuple[int, dict[str, list[Any]], list[str], list[str]]:
    """Return the number of rows, their features, their ids and their entities."""
    try:
        payload = parse(entry.body, entry.media)
    except InvocationFault:
        count = int(json.loads(entry.record).get("rows", 1)) if entry.record else 1
        return count, {}, row_ids((), entry.request_id, count), [entry.entity_id] * count
    ids = row_ids(payload.request_ids, entry.request_id, payload.rows)
    entities = list(payload.entity_ids) or [entry.entity_id] * payload.rows
    return payload.rows, _features(payload, signature, textual=entry.media == CSV), ids, entities


def _features(payload: Payload, signature: Signature, *, textual: bool) -> dict[str, list[Any]]:
    names = [c.name for c in signature.columns]
    if payload.columns is not None and payload.names:
        wanted = names or list(payload.columns)
        given = {name: list(payload.columns[name]) for name in wanted if name in payload.columns}
    else:
        table = payload.tensor if payload.columns is None else list(zip(*payload.columns.values(), strict=True))
        flat = all(isinstance(row, list | tuple) and len(row) == len(names) for row in table)
        given = {name: [row[i] for row in table] for i, name in enumerate(names)} if flat else {}
    if textual:
        numbers = {c.name for c in signature.columns if c.type in ("double", "float", "long", "integer")}
        given = {n: [None if v is None else float(v) for v in cells] if n in numbers else cells
                 for n, cells in given.items()}
    return given


def _array(cells: list[Any], wanted: pa.DataType | None) -> pa.Array:
    """Return a feature column in the signature's type, or in the plainest type that holds it."""
    unfit = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)
    if wanted is not None:
        try:
            return pa.array(cells, type=wanted)
        except unfit:
            # Of a request that was refused: a cell of the wrong type must not change the type of the column.
            return pa.array([c if _fits(c, wanted) else None for c in cells], type=wanted)
    try:
        return pa.array([json.dumps(c) if isinstance(c, list | dict) else c for c in cells])
    except unfit:
        return pa.array([None if c is None else str(c) for c in cells], type=pa.string())


def _fits(cell: Any, wanted: pa.DataType) -> bool:
    try:
        pa.scalar(cell, type=wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def _write(folder: Path, name: str, table: pa.Table) -> None:
    """Put a file in place, complete and on the disk, or leave nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{name}.{os.getpid()}.tmp"  # a killed gateway's writer may still be at the same segment
    try:
        pq.write_table(table, hidden, compression="zstd")
        _sync(hidden)
        hidden.rename(folder / name)
        _sync(folder)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def run(lines: Iterable[str]) -> None:
    """Convert each named segment, trying again while the disk is full, until the gateway hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in lines:
        segment = Path(line.strip())
        while True:
            try:
                convert(segment)
                break
            except OSError as error:
                _log.error("segment %s waits: the log cannot be written: %s", segment.name, error.strerror or error)
                time.sleep(_RETRY_S)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    run(sys.stdin)
