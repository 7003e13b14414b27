"""Append rows to a Parquet dataset under `date=YYYY-MM-DD/`, whole files at a time.

A file appears under its final name only when it is complete and on the disk, so a reader never sees half of one.
"""

import os
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.errors import SourceUnavailable


def append(root: Path, rows: pa.Table, *, time_column: str, stem: str = "part", sync: bool = True) -> list[Path]:
    """Write `rows` below `root`, one file per UTC day of `time_column`; return the files, each complete.

    Raises:
        SourceUnavailable: the folder cannot be written or the disk is full; nothing half-written stays behind.
    """
    if rows.num_rows == 0:
        return []
    days = pc.strftime(rows[time_column].cast(pa.timestamp("us", tz="UTC")), format="%Y-%m-%d")
    written = []
    for day in pc.unique(days).to_pylist():
        part = rows.filter(pc.equal(days, day))
        written.append(_write(root / f"date={day}", part, f"{stem}-{uuid4().hex}.parquet", sync))
    return written


def _write(folder: Path, rows: pa.Table, name: str, sync: bool) -> Path:
    hidden = folder / f".{name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, hidden, compression="zstd")
        if sync:
            _fsync(hidden)
        hidden.rename(folder / name)
        if sync:
            _fsync(folder)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        raise SourceUnavailable(f"log folder {folder} cannot be written: {error.strerror or error}. Free space or "
                                "mend its permissions") from error
    return folder / name


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
