"""Count whole Parquet files column by column: numbers by sorting them, texts by the dictionaries they are kept in.

A sorted column answers every edge with one binary search, its ends and its missing values included, and numpy sorts
faster than an engine looks each value up. Only columns of plain types are counted here, and only all rows at once;
services/adapters/profile_engine.py gives every other question to DuckDB. The contract suite holds both equal.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.errors import SourceUnavailable
from services.profiles.bins import Bins, CategoricalBins, Counts, NumericBins
from services.profiles.count import count_sorted
from services.profiles.profile import NO_MOMENTS, Floats, Layout, Profile, joined

BATCH: Final = 131_072  # rows in memory at a time: a column of them is sorted within the processor's cache

T = TypeVar("T")
Columns = Mapping[str, tuple[str, Bins]]  # our name of a column to the files' name of it and its bins


@dataclass(frozen=True, slots=True)
class Files:
    """Parquet files, and what to call their data in an error."""

    name: str
    paths: Sequence[Path]

    @contextmanager
    def opened(self, path: Path, texts: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        """Open one to be read a column after the other: several at once, or ahead, would all be kept in memory.

        Raises:
            SourceUnavailable: it cannot be read, now or later in the block.
        """
        try:
            with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
                yield file
        except (pa.ArrowException, OSError, KeyError) as error:  # a column is gone where it was written anew meanwhile
            line = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
            raise SourceUnavailable(f"{self.name} cannot be read: {path.name}: {line}. Write the file again, or take "
                                    "it away", retryable=False) from error

    def look(self, path: Path) -> tuple[int, pa.Schema]:
        """Return how many rows one has, and its columns as they will be read: the footer alone knows fewer types."""
        with self.opened(path) as file:
            return file.metadata.num_rows, file.schema_arrow


def countable(files: Files, columns: Columns) -> frozenset[str]:
    """Return the columns that `count` takes: those that every file holds in a plain type that fits the bins.

    Raises:
        SourceUnavailable: a file cannot be read.
    """
    schemas = [schema for _, schema in map(files.look, files.paths)]
    return frozenset(name for name, (theirs, bins) in columns.items()
                     if all(_plain(s, theirs, number=isinstance(bins, NumericBins)) for s in schemas))


@dataclass(frozen=True, slots=True)
class Survey:
    """What bins are fitted on: the ends and half the mean of all n finite values, and a sorted sample of them."""

    n: int = 0
    low: float = math.inf
    high: float = -math.inf
    half: float = 0.0
    sample: Floats = field(default_factory=lambda: np.empty(0))

    def quantiles(self, n: int) -> list[float]:
        """Return the n + 1 quantiles 0, 1/n, …, 1 of the sample, each one of its values; none where it is empty."""
        last = len(self.sample)
        return [float(self.sample[max(0, -(-last * i // n) - 1)]) for i in range(n + 1)] if last else []


def survey(files: Files, names: Sequence[str], *, sample: int) -> dict[str, Survey]:
    """Return what bins are fitted on for those of the columns that are plain numbers in every file.

    Args:
        files: the data.
        names: columns, as the files call them.
        sample: about how many rows the sample is of: the same ones each time.

    Raises:
        SourceUnavailable: a file cannot be read.
    """
    looks = [*map(files.look, files.paths)]
    part = sample / max(1, sum(rows for rows, _ in looks))
    plain = [name for name in names if all(_plain(schema, name, number=True) for _, schema in looks)]
    shared = _shared(lambda share: _surveyed(files, share, part), plain)
    return {name: found for share in shared for name, found in share.items()}


def count(files: Files, columns: Columns) -> Profile:
    """Return the profile of all rows of the files, in `countable` columns.

    Raises:
        SourceUnavailable: a file cannot be read.
    """
    layout = Layout({name: bins for name, (_, bins) in columns.items()})
    return joined(layout, _shared(lambda share: _share(files, {name: columns[name] for name in share}), list(columns)))


def _shared(work: Callable[[Sequence[str]], T], names: Sequence[str]) -> list[T]:
    """Share columns out among the processors."""
    if not names:
        return []
    threads = min(os.cpu_count() or 1, len(names))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, [names[place::threads] for place in range(threads)]))


def _surveyed(files: Files, names: Sequence[str], part: float) -> dict[str, Survey]:
    """Return what the bins of a few columns are fitted on, on one processor."""
    found: dict[str, list[Survey]] = {name: [] for name in names}
    for place, path in enumerate(files.paths):
        with files.opened(path) as file:
            for name in names:
                for number, batch in enumerate(file.iter_batches(BATCH, columns=[name], use_threads=False)):
                    found[name].append(_survey(_numbers(batch.column(name)), part, seed=(place, number)))
    return {name: _together(parts) for name, parts in found.items()}


def _survey(values: Floats, part: float, *, seed: tuple[int, int]) -> Survey:
    drawn = values
    if part < 1:
        # One row of each few, at random: every k-th would be a trap where rows come hour by hour.
        rng = np.random.default_rng(seed)
        k = int(len(values) * part + rng.random())  # on average the part, of small files too
        drawn = values[((np.arange(k) + rng.random(k)) * (len(values) / max(k, 1))).astype(int)]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Survey()
    with np.errstate(over="ignore", invalid="ignore"):  # the mean of enormous values only has to be near
        half = float((finite / 2).mean())
    return Survey(n=len(finite), low=float(finite.min()), high=float(finite.max()), half=half,
                  sample=drawn[np.isfinite(drawn)])


def _together(parts: Sequence[Survey]) -> Survey:
    kept = [part for part in parts if part.n]
    if not kept:
        return Survey()
    half = np.average([part.half for part in kept], weights=[part.n for part in kept])
    return Survey(n=sum(part.n for part in kept), low=min(part.low for part in kept), half=float(half),
                  high=max(part.high for part in kept), sample=np.sort(np.concatenate([p.sample for p in kept])))


def _share(files: Files, columns: Columns) -> Profile:
    """Return the profile of a few columns, on one processor."""
    total = Profile.empty(Layout({name: bins for name, (_, bins) in columns.items()}))
    for path in files.paths:
        texts = [theirs for theirs, bins in columns.values() if isinstance(bins, CategoricalBins)]
        with files.opened(path, texts) as file:
            found = [_column(file, theirs, bins) for theirs, bins in columns.values()]
            total = total.merge(Profile(
                layout=total.layout, rows=file.metadata.num_rows, counts=np.concatenate([c for c, _ in found]),
                corrupt=np.zeros(len(columns), np.int64), moments=np.array([m for _, m in found])))
    return total


def _column(file: pq.ParquetFile, name: str, bins: Bins) -> tuple[Counts, Floats]:
    """Return the counts and the moments of one column of a file."""
    counts, moments = np.zeros(bins.size, np.int64), np.array(NO_MOMENTS)
    for batch in file.iter_batches(BATCH, columns=[name], use_threads=False):
        found, more = _counted(batch.column(name), bins)
        counts += found
        moments = np.array([*(moments[:3] + more[:3]), min(moments[3], more[3]), max(moments[4], more[4])])
    return counts, moments


def _plain(schema: pa.Schema, name: str, *, number: bool) -> bool:
    if len(schema.get_all_field_indices(name)) != 1:
        return False
    kind = schema.field(name).type
    if number:
        return bool(pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind))
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _counted(values: pa.Array, bins: Bins) -> tuple[Counts, Floats]:
    if isinstance(bins, NumericBins):
        return count_sorted(np.sort(_numbers(values)), bins)
    known = [*bins.named, *bins.rare]
    codes = pc.index_in(values.dictionary, value_set=pa.array(known, values.dictionary.type))
    places = np.append(codes.fill_null(len(known)).to_numpy(zero_copy_only=False), len(known) + 1)
    there = values.indices.fill_null(len(values.dictionary)).to_numpy(zero_copy_only=False)
    seen = np.bincount(places[there], minlength=len(known) + 2)
    named, rare, (unknown, missing) = seen[: len(bins.named)], seen[len(bins.named) : -2].sum(), seen[-2:]
    other, unseen = (rare + unknown, 0) if bins.open else (rare, unknown)
    return np.array([*named, other, unseen, missing], np.int64), np.array(NO_MOMENTS)


def _numbers(values: pa.Array) -> Floats:
    """Return numbers as doubles; NULL becomes NaN, since both are missing."""
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
