"""Write the one DuckDB query that counts every column of a layout, and read its answer back into profiles.

`histogram(x, edges)` counts (a, b] in one pass, with -inf before the first edge and +inf past the last. Where it puts
NaN depends on its version, so NaN is taken out first. Each value is guarded once, in a subquery that all aggregates
read: a FILTER or a CASE in each would cost more than the aggregate. Nothing here opens a connection.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.profiles.bins import Bins, CategoricalBins, NumericBins
from services.profiles.count import MOMENT_LIMIT
from services.profiles.profile import NO_MOMENTS, Layout, Profile

TEXT: Final = ("VARCHAR", "BLOB", "ENUM")
TEMPORAL: Final = ("TIMESTAMP", "DATE", "TIME", "INTERVAL")
NUMBERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                  "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One column as the log holds it: SQL for its value, its DuckDB type, and which rows it is counted on at all."""

    value: str
    kind: str
    where: str = ""


def identifier(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_of_repeats(relation: str, key: str, variant: str, time: str) -> str:
    """Return SQL for the rows with the earliest only of each key and variant; a row without a key repeats none."""
    nth = f"row_number() OVER (PARTITION BY {identifier(key)}, {variant} ORDER BY {time})"
    return f"(SELECT * FROM {relation} QUALIFY {identifier(key)} IS NULL OR {nth} = 1)"


def parquet(paths: Iterable[str]) -> str:
    """Return SQL that reads Parquet files by name; what only some of them have is NULL in the others."""
    return f"read_parquet([{', '.join(map(literal, paths))}], union_by_name=true, hive_partitioning=false)"


def is_number(kind: str) -> bool:
    """Tell whether a DuckDB type is binned as a number; dates and times are, as seconds since 1970."""
    return kind.startswith((*NUMBERS, *TEMPORAL))


def as_double(source: Source) -> str:
    """Return SQL for a column's value as DOUBLE; what is no number becomes NULL.

    Casting comes before anything else: `histogram` would cast its edges to the column's type, not the reverse.
    """
    if source.kind.startswith(TEMPORAL):
        return f"epoch({source.value})::DOUBLE"
    return f"TRY_CAST({source.value} AS DOUBLE)"


def query(relation: str, layout: Layout, sources: Mapping[str, Source], *, head: Mapping[str, str],
          sets: Sequence[Sequence[str]], bounded: bool = False) -> str:
    """Return the query that counts every column of a layout.

    Args:
        relation: a table, view or subquery, with the condition on its rows.
        layout: the bins.
        sources: how the relation holds each column of the layout.
        head: name to SQL of what the rows are grouped by.
        sets: the names to group by, as many times over as there are sets.
        bounded: whether distances to the centre are cut at the limit; needed where `enormous` finds some beyond it.
    """
    columns = [(i, bins, sources[name]) for i, (name, bins) in enumerate(layout.columns.items())]
    items = [*(f"{what} AS {name}" for name, what in head.items()), *(x for c in columns for x in _prepared(*c))]
    kept = [*head, *(x for c in columns for x in _guarded(*c))]
    away = ["*", *(x for i, bins, _ in columns for x in _away(i, bins, bounded=bounded))]
    sums = [*head, "count(*) AS rows", *(x for c in columns for x in _aggregates(*c))]
    # One bucket of everything is counted faster without a GROUP BY.
    groups = ", ".join(f"({', '.join(names)})" for names in sets)
    end = f"GROUP BY GROUPING SETS ({groups}) ORDER BY ALL" if head else "HAVING count(*) > 0"
    return (f"WITH given AS (SELECT {', '.join(items)} FROM {relation}),\n"
            f"guarded AS (SELECT {', '.join(kept)} FROM given),\n"
            f"source AS (SELECT {', '.join(away)} FROM guarded)\nSELECT {', '.join(sums)} FROM source\n{end}")


def enormous(table: pa.Table, layout: Layout) -> bool:
    """Tell whether an answer holds finite values so large that their squares may overflow."""
    return any(
        abs(found) > MOMENT_LIMIT / 2
        for index, bins in enumerate(layout.columns.values()) if isinstance(bins, NumericBins)
        for which in (3, 4) for found in table[f"m{which}_{index}"].to_pylist() if found is not None)


def _prepared(index: int, bins: Bins, source: Source) -> Iterator[str]:
    """Yield the select items that the aggregates over column `index` need."""
    if isinstance(bins, NumericBins):
        yield f"{as_double(source)} AS x{index}"
        if source.kind.startswith(TEXT):
            yield f"{source.value} AS t{index}"
    else:
        text = f"CAST({source.value} AS VARCHAR)"
        yield f"{text} AS t{index}"
        yield f"{_code(bins, text)} AS x{index}"
    if source.where:
        yield f"({source.where}) AS w{index}"


def _guarded(index: int, bins: Bins, source: Source) -> Iterator[str]:
    """Yield the select items over those of `_prepared`: the number, infinite or not, and the finite value beside it."""
    if isinstance(bins, CategoricalBins) or source.kind.startswith(TEXT):
        yield f"x{index}"
        yield f"t{index}"
    if source.where:
        yield f"w{index}"
    if isinstance(bins, NumericBins):
        yield f"CASE WHEN NOT isnan(x{index}) THEN x{index} END AS n{index}"
        yield f"CASE WHEN isfinite(x{index}) THEN x{index} END AS f{index}"


def _away(index: int, bins: Bins, *, bounded: bool) -> Iterator[str]:
    """Yield the distance of the finite value to the centre."""
    if isinstance(bins, CategoricalBins):
        return
    away, limit = f"f{index} - ({bins.center!r})::DOUBLE", f"{MOMENT_LIMIT!r}::DOUBLE"
    if bounded:  # greatest and least skip NULL: they must not see one
        away = f"CASE WHEN f{index} IS NOT NULL THEN greatest(least({away}, {limit}), -{limit}) END"
    yield f"{away} AS a{index}"


def _aggregates(index: int, bins: Bins, source: Source) -> Iterator[str]:
    """Yield the aggregates of column `index` over those of `_guarded` and `_away`, named by a letter and the index."""
    only = f" FILTER (WHERE w{index})" if source.where else ""
    yield f"count(*){only} AS r{index}"
    if isinstance(bins, CategoricalBins):
        yield f"count(t{index}){only} AS p{index}"
        # Codes are few, so no edges are needed: finding each among them costs twice as much.
        yield f"histogram(x{index}){only} AS h{index}"
        return
    yield f"map_values(histogram(n{index}, {edges(bins)}){only}) AS h{index}"
    yield f"count(n{index}){only} AS p{index}"
    if source.kind.startswith(TEXT):
        yield f"count(t{index}){only} - count(x{index}){only} AS k{index}"
    yield f"count(f{index}){only} AS m0_{index}"
    yield f"sum(a{index}){only} AS m1_{index}"
    yield f"sum(a{index} * a{index}){only} AS m2_{index}"
    yield f"min(f{index}){only} AS m3_{index}"
    yield f"max(f{index}){only} AS m4_{index}"


def _code(bins: CategoricalBins, text: str) -> str:
    """Return SQL for a category's place among the known ones; NULL for a value in no list.

    A map with constant keys is asked once per distinct value where the file holds a dictionary, and costs little where
    it does not: a chain of comparisons is paid per row, and a cast to an enum fifty times over where it fails.
    """
    known = [literal(value) for value in (*bins.named, *bins.rare)]
    if not known:
        return "NULL::DOUBLE"
    return f"MAP([{', '.join(known)}], [{', '.join(f'{i}.0::DOUBLE' for i in range(len(known)))}])[{text}]"


def place_in_test(bins: Bins, source: Source) -> str:
    """Return SQL for the place of a value among a column's test counts (`bins.labels()`)."""
    if isinstance(bins, NumericBins):
        x, last = as_double(source), len(bins.ends) + 2
        if bins.low is None:
            inside = f"CASE WHEN {x} = '-infinity' THEN 0 ELSE {last - 1} END"
        else:
            over = " + ".join(f"({x} > {edge!r}::DOUBLE)::INTEGER" for edge in bins.test_uppers())
            inside = f"CASE WHEN {x} < {bins.low!r}::DOUBLE THEN 0 ELSE 1 + {over} END"
        return f"CASE WHEN {x} IS NULL OR isnan({x}) THEN {last} ELSE {inside} END"
    text = f"CAST({source.value} AS VARCHAR)"
    known = " ".join(f"WHEN {text} = {literal(value)} THEN {place}" for place, value in enumerate(bins.named))
    rare = f"WHEN {text} IN ({', '.join(map(literal, bins.rare))}) THEN {bins.size - 3} " if bins.rare else ""
    unknown = bins.size - 3 if bins.open else bins.size - 2
    return f"CASE WHEN {text} IS NULL THEN {bins.size - 1} {known} {rare}ELSE {unknown} END"


def edges(bins: NumericBins) -> str:
    """Return the edges for `histogram`: one below the minimum first, so that the minimum's own bin begins at it."""
    if bins.low is None:
        return "['-infinity'::DOUBLE]"
    under = float(np.nextafter(bins.low, -np.inf))
    first = repr(under) if np.isfinite(under) else "'-infinity'"
    return f"[{', '.join([first, *map(repr, bins.uppers)])}]::DOUBLE[]"


def profiles(table: pa.Table, layout: Layout, sources: Mapping[str, Source]) -> list[Profile]:
    """Return one profile per row of the query's answer."""
    rows = table["rows"].to_numpy().astype(np.int64)
    counts = np.zeros((len(rows), layout.size), np.int64)
    corrupt = np.zeros((len(rows), len(layout.columns)), np.int64)
    moments = np.tile(np.array(NO_MOMENTS), (len(rows), len(layout.columns), 1))
    for index, (name, bins) in enumerate(layout.columns.items()):
        counts[:, layout.parts[name]] = _column_counts(table, index, bins)
        if isinstance(bins, NumericBins):
            if sources[name].kind.startswith(TEXT):
                corrupt[:, index] = _integers(table, f"k{index}")
            for which in range(5):
                found = table[f"m{which}_{index}"].to_numpy()
                moments[:, index, which] = np.where(np.isnan(found), NO_MOMENTS[which], found)
    return [Profile(layout=layout, rows=int(n), counts=c, corrupt=k, moments=m)
            for n, c, k, m in zip(rows, counts, corrupt, moments, strict=True)]


def _column_counts(table: pa.Table, index: int, bins: Bins) -> np.ndarray[Any, np.dtype[np.int64]]:
    rows = _integers(table, f"r{index}")
    if isinstance(bins, NumericBins):
        numbers, binned = _integers(table, f"p{index}"), _binned(table, index, len(bins.uppers) + 1)
        return np.column_stack((binned, numbers - binned.sum(axis=1), rows - numbers))
    known, text = _coded(table, index, len(bins.named) + len(bins.rare)), _integers(table, f"p{index}")
    named, other = known[:, : len(bins.named)], known[:, len(bins.named) :].sum(axis=1)
    unseen = text - known.sum(axis=1)
    if bins.open:
        other, unseen = other + unseen, np.zeros_like(unseen)
    return np.column_stack((named, other, unseen, rows - text))


def _integers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(table[name].to_numpy(), np.int64)


def _binned(table: pa.Table, index: int, width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the first `width` counts of each histogram: the overflow bin is there only when something is in it."""
    lists = table[f"h{index}"].combine_chunks()
    offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy()
    out = np.zeros((len(lists), width), np.int64)
    # A group without one value answers NULL, not zeros.
    there = np.flatnonzero(np.asarray(lists.is_valid()))
    if len(there):
        out[there] = values[offsets[there][:, None] + np.arange(width)]
    return out


def _coded(table: pa.Table, index: int, width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how often each code was counted: the maps hold only those that were."""
    maps = table[f"h{index}"].combine_chunks()
    out = np.zeros((len(maps), width), np.int64)
    lengths = np.diff(maps.offsets.to_numpy())
    first, last = int(maps.offsets[0].as_py()), int(maps.offsets[-1].as_py())
    codes = maps.keys.to_numpy()[first:last].astype(np.int64)
    out[np.repeat(np.arange(len(maps)), lengths), codes] = maps.items.to_numpy()[first:last]
    return out


def utc(column: str, kind: str) -> str:
    """Return SQL for a time as TIMESTAMPTZ; a time without a zone is taken as UTC, a number as seconds since 1970."""
    name = identifier(column)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return name
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"timezone('UTC', CAST({name} AS TIMESTAMP))"
    if kind.startswith("VARCHAR"):
        return f"TRY_CAST({name} AS TIMESTAMPTZ)"
    return f"to_timestamp(CAST({name} AS DOUBLE))"
