"""Two files of one table, a baseline and a day of serving: 40 numbers and 10 categories, a few of which moved."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS, CATEGORIES = 40, 10
MOVED = 5  # numbers whose mean moved by .3 sigma in the second file
CHUNK = 100_000
START = datetime(2026, 3, 1, tzinfo=UTC)


def names() -> tuple[list[str], list[str]]:
    """Return the numeric and the categorical columns."""
    return [f"number_{i:02}" for i in range(NUMBERS)], [f"category_{i:02}" for i in range(CATEGORIES)]


def features(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> dict[str, pa.Array]:
    """Return drawn columns: normal and lognormal numbers, 1% of them missing, and categories of Zipf's law."""
    numbers, categories = names()
    found: dict[str, pa.Array] = {}
    for place, name in enumerate(numbers):
        values = rng.standard_normal(n) + (shift if place < MOVED else 0.0)
        found[name] = pa.array(np.exp(values) if place % 2 else values, mask=rng.random(n) < 0.01)
    weights = np.arange(1, 31) ** -1.2
    values = pa.array([f"value {i}" for i in range(30)])
    for name in categories:
        drawn = pa.array(rng.choice(30, n, p=weights / weights.sum()).astype(np.int32))
        found[name] = pa.DictionaryArray.from_arrays(drawn, values).cast(pa.string())
    return found


def write(path: Path, rows: int, *, seed: int, shift: float = 0.0) -> None:
    """Write one file in chunks, so that the bench itself needs little memory."""
    rng, writer = np.random.default_rng(seed), None
    for start in range(0, rows, CHUNK):
        table = pa.table(features(rng, min(CHUNK, rows - start), shift=shift))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def log_days(root: Path, rows: int, *, days: int, end: datetime) -> Iterator[Path]:
    """Write a log of `rows` rows, one file per day up to `end`; the days differ in their times only."""
    per_day = rows // days
    step = timedelta(days=1).total_seconds() * 1e6 / per_day
    drawn = features(np.random.default_rng(3), per_day)
    for k in range(days, 0, -1):
        start = end - timedelta(days=k)
        first = int(start.timestamp() * 1e6)
        stamps = (first + np.arange(per_day) * step).astype("int64")
        table = pa.table({"ts": pa.array(stamps, pa.timestamp("us", "UTC")), **drawn})
        folder = root / f"date={start:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "part.parquet")
        yield folder / "part.parquet"
