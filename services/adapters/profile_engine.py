"""Fit a baseline on a table or file, and count any log into its bins: by one query of DuckDB for all columns.

Whole files are counted without a query where that is faster (services/adapters/parquet_count.py). Either way rows never
become Python objects. How to log a baseline with a training run:

    from services.adapters.profile_engine import fit_baseline
    baseline = fit_baseline(frame, features=["carrier", "distance"], score="score", timestamp="ts")
    mlflow.log_text(baseline.to_json(), "interlock/baseline.json")

`frame` is the training rows as a pyarrow Table, a pandas DataFrame or the path of Parquet files. `prediction`, `score`
and `label` name the columns that hold the model's own answers and the truth on those rows (on a held-out part, where
there is one: a model is too sure of the rows it learned). With `timestamp` the usual change between days is calibrated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from services.adapters import parquet_count
from services.adapters import profile_sql as sql
from services.adapters.parquet_count import Files
from services.adapters.profile_sql import Source, identifier
from services.core.window import DAY, TimeWindow
from services.drift.calibrate import calibrated
from services.errors import SourceMalformed, SourceUnavailable
from services.profiles.baseline import LABEL, PREDICTION, SCORE, Baseline, Role
from services.profiles.bins import FINE, NAMED, REMEMBERED, Bins, categorical_bins, numeric_bins
from services.profiles.profile import Layout, Profile, joined, merged

SLICES: Final = 200  # slices kept in a baseline, the largest ones
SAMPLE: Final = 200_000  # rows that quantiles are read from; counts, minimum and maximum are of all rows
SHARED: Final = 4  # queries that the columns' quantiles are shared out among: each ends on one processor

_PLACE: Final = ("file_index", "file_row_number")  # what DuckDB knows of each row of a file

NEVER: Final = Source(value="NULL::DOUBLE", kind="DOUBLE")  # a column that nothing holds

_ROLES: Final = {PREDICTION: Role.PREDICTION, SCORE: Role.PREDICTION, LABEL: Role.LABEL}


def connect() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection in memory, in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def fit_baseline(
    source: Any, *, features: Sequence[str], prediction: str = "", score: str = "", label: str = "",
    timestamp: str = "", slices: Sequence[str] = (), where: str = "", name: str = "the baseline's data",
) -> Baseline:
    """Return the baseline of a data set.

    Args:
        source: pyarrow Table, pandas DataFrame, or the path (a glob is allowed) of Parquet files.
        features: feature columns; their kind (number or category) follows from their type.
        prediction: column with the model's answer on these rows, if any.
        score: column with the probability of the positive class, if any.
        label: column with the truth, if any.
        timestamp: column that dates the rows; with it, change between days is calibrated per column.
        slices: columns whose values each get a baseline of their own, in the same bins.
        where: SQL condition that selects rows.
        name: what to call the data in an error.

    Raises:
        SourceMalformed: a named column is missing, or there are no rows.
        SourceUnavailable: the path cannot be read.
    """
    answers = {PREDICTION: prediction, SCORE: score, LABEL: label}
    columns = {**{f: f for f in features}, **{ours: theirs for ours, theirs in answers.items() if theirs}}
    with connect() as connection:
        given = _register(connection, source, name)
        relation = f"(SELECT * FROM {given} WHERE {where})" if where else given
        kinds = columns_of(connection, relation, name)
        for column in (*columns.values(), *([timestamp] if timestamp else []), *slices):
            if column not in kinds:
                raise SourceMalformed(f"{name} has no column {column}: it has {', '.join(sorted(kinds))}")
        sources = {ours: Source(value=identifier(theirs), kind=kinds[theirs]) for ours, theirs in columns.items()}
        # A column of the data's own hides DuckDB's of that name, in whatever case.
        placed = _is_path(source) and not {column.lower() for column in kinds} & set(_PLACE)
        files = [] if timestamp or where else _files(connection, source)
        layout = _fit(connection, relation, sources, columns=columns, files=Files(name, files),
                      sample=partial(_sample, given, where, placed=placed))
        days: list[tuple[datetime | None, tuple[str | None, ...], Profile]]
        if files:
            days = [(None, (), count_files(files, layout, columns, name=name))]
        else:
            days = count(connection, relation, layout, sources, time=identifier(timestamp) if timestamp else "",
                         grain=DAY)
        response = _response(connection, relation, layout, sources)
        cut = count(connection, relation, layout, sources, cuts=[identifier(s) for s in slices]) if slices else []
    total = merged(layout, (profile for _, _, profile in days))
    if total.rows == 0:
        raise SourceMalformed(f"{name} has no rows: nothing can be compared with it")
    dated = [bucket for bucket, _, _ in days if bucket]
    baseline = Baseline(
        layout=layout, profile=total, roles={c: _ROLES.get(c, Role.FEATURE) for c in columns},
        window=TimeWindow(dated[0], dated[-1] + DAY) if dated else None, slices=_largest(cut, slices),
        response=response,
    )
    return calibrated(baseline, {bucket: profile for bucket, _, profile in days if bucket})


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str, name: str) -> dict[str, str]:
    """Return the columns of a relation with their DuckDB types.

    Raises:
        SourceUnavailable: the relation cannot be read; `name` is what the message calls it.
    """
    try:
        return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    except duckdb.Error as error:
        raise SourceUnavailable(f"{name} cannot be read: {first_line(error)}. Check the path and its permissions",
                                retryable=False) from error


def count(
    connection: duckdb.DuckDBPyConnection, relation: str, layout: Layout, sources: Mapping[str, Source], *,
    time: str = "", grain: timedelta = DAY, keys: Sequence[str] = (), cuts: Sequence[str] = (), where: str = "",
) -> list[tuple[datetime | None, tuple[str | None, ...], Profile]]:
    """Count every column of a layout in one scan.

    Args:
        connection: where the relation is visible.
        relation: a table, view or subquery.
        layout: the bins.
        sources: how the relation holds each column of the layout.
        time: SQL for the rows' time; empty counts everything as one bucket.
        grain: length of a bucket.
        keys: SQL expressions to group by.
        cuts: SQL expressions; for each, the rows are grouped by it as well, beside the groups that ignore it.
        where: SQL condition that selects rows.

    Returns:
        (bucket start or None, values of keys then cuts, profile), oldest first; a cut that a group ignores is None.
    """
    groups = [f"g{i}" for i in range(len(keys) + len(cuts))]
    seconds = int(grain.total_seconds())
    head = {"bucket": f"floor(epoch({time}) / {seconds})::BIGINT * {seconds}"} if time else {}
    # A NULL key would be taken for "ignores this cut".
    head |= {g: f"coalesce(CAST({e} AS VARCHAR), '')" for e, g in zip((*keys, *cuts), groups, strict=True)}
    always = [name for name in head if name not in groups[len(keys) :]]
    sets = [always, *([*always, cut] for cut in groups[len(keys) :])]
    rows = f"{relation} WHERE {where}" if where else relation
    try:
        table: pa.Table = connection.sql(sql.query(rows, layout, sources, head=head, sets=sets)).to_arrow_table()
        if sql.enormous(table, layout):
            careful = sql.query(rows, layout, sources, head=head, sets=sets, bounded=True)
            table = connection.sql(careful).to_arrow_table()
    except duckdb.Error as error:
        raise SourceUnavailable(f"counting failed: {first_line(error)}. Look for damaged files, and for room in "
                                "memory and on disk") from error
    stamps = table["bucket"].to_pylist() if time else [None] * len(table)
    buckets = [None if stamp is None else datetime.fromtimestamp(stamp, UTC) for stamp in stamps]
    names = list(zip(*(table[g].to_pylist() for g in groups), strict=True)) or [()] * len(buckets)
    return list(zip(buckets, names, sql.profiles(table, layout, sources), strict=True))


def count_files(files: Sequence[Path], layout: Layout, held: Mapping[str, str], *, name: str) -> Profile:
    """Count every row of Parquet files as one bucket.

    Args:
        files: the files; a column that one of them lacks is missing in its rows.
        layout: the bins.
        held: column of the layout to the files' name of it; one that is not named, or in no file, is always missing.
        name: what to call the data in an error.

    Raises:
        SourceUnavailable: a file cannot be read.
    """
    columns = {ours: (held[ours], bins) for ours, bins in layout.columns.items() if ours in held}
    data = Files(name, files)
    sortable = parquet_count.countable(data, columns)
    found = [parquet_count.count(data, {ours: columns[ours] for ours in columns if ours in sortable})]
    rest = Layout({ours: bins for ours, bins in layout.columns.items() if ours not in sortable})
    if rest.columns:
        relation = sql.parquet([str(file) for file in files])
        with connect() as connection:
            kinds = columns_of(connection, relation, name)
            sources = {ours: Source(value=identifier(held[ours]), kind=kinds[held[ours]])
                       if held.get(ours) in kinds else NEVER for ours in rest.columns}
            found.append(merged(rest, (profile for _, _, profile in count(connection, relation, rest, sources))))
    return joined(layout, found)


def first_line(error: Exception) -> str:
    """Return the first line of an engine's message."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _response(
    connection: duckdb.DuckDBPyConnection, relation: str, layout: Layout, sources: Mapping[str, Source]
) -> dict[str, tuple[float | None, ...]]:
    """Return the mean answer per test bin of each feature; nothing where the data holds no answers."""
    answer = next((name for name in (SCORE, PREDICTION) if name in sources), None)
    if answer is None:
        return {}
    value = sql.as_double(sources[answer])
    finite = f"CASE WHEN isfinite({value}) THEN {value} END"
    found = {}
    for name, bins in layout.columns.items():
        if name in _ROLES:
            continue
        rows = connection.execute(f"SELECT {sql.place_in_test(bins, sources[name])}, avg({finite}) FROM {relation} "
                                  "GROUP BY 1").fetchall()
        means: dict[int, float | None] = dict(rows)
        found[name] = tuple(means.get(place) for place in range(len(bins.labels())))
    return found


def slice_name(columns: Sequence[str], values: Sequence[str | None]) -> str:
    """Return `column=value` for the one column that a group is cut by; empty for the group that ignores every cut."""
    return next((f"{c}={v}" for c, v in zip(columns, values, strict=True) if v is not None), "")


def _largest(cut: Sequence[tuple[datetime | None, tuple[str | None, ...], Profile]], slices: Sequence[str],
             ) -> dict[str, Profile]:
    named = {slice_name(slices, values): profile for _, values, profile in cut}
    named.pop("", None)
    kept = sorted(named, key=lambda s: -named[s].rows)[:SLICES]
    return {name: named[name] for name in sorted(kept)}


def _register(connection: duckdb.DuckDBPyConnection, source: Any, name: str) -> str:
    if _is_path(source):
        return sql.parquet([_glob(source)])
    try:
        connection.register("given", source)
    except duckdb.Error as error:
        raise SourceMalformed(f"{name} cannot be read: {first_line(error)}") from error
    return "given"


def _glob(source: str | Path) -> str:
    return f"{str(source).rstrip('/')}/**/*.parquet" if Path(source).is_dir() else str(source)


def _files(connection: duckdb.DuckDBPyConnection, source: Any) -> list[Path]:
    """Return the files on this machine that a path stands for; none for anything else."""
    if not _is_path(source):
        return []
    found = [Path(row[0]) for row in connection.execute("SELECT file FROM glob(?)", [_glob(source)]).fetchall()]
    return found if all(file.is_file() for file in found) else []


def _is_path(source: Any) -> bool:
    return isinstance(source, str | Path)


def _sample(given: str, where: str, rows: int, *, placed: bool) -> str:
    """Return SQL for about SAMPLE of the rows: the same ones each time, whatever order they are read in."""
    if placed:
        # A reservoir is filled by one processor. Every k-th row would be a trap: rows may come hour by hour.
        drawn = f"hash({', '.join(_PLACE)}) % {rows} < {SAMPLE}"
        return f"(SELECT * FROM {given} WHERE {f'({where}) AND {drawn}' if where else drawn})"
    whole = f"(SELECT * FROM {given} WHERE {where})" if where else given
    return f"(SELECT * FROM {whole} USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (1))"


def _fit(
    connection: duckdb.DuckDBPyConnection, relation: str, sources: Mapping[str, Source], *,
    columns: Mapping[str, str], files: Files, sample: Callable[[int], str],
) -> Layout:
    numbers = {name: source for name, source in sources.items() if sql.is_number(source.kind)}
    bins: dict[str, Bins] = {}
    if files.paths:
        bins |= _fit_files(files, {name: columns[name] for name in numbers})
    if numbers.keys() - bins.keys():
        rest = {name: source for name, source in numbers.items() if name not in bins}
        bins |= _fit_numbers(connection, relation, rest, sample=sample)
    for name, source in sources.items():
        if name not in numbers:
            bins[name] = _fit_category(connection, relation, source)
    return Layout({name: bins[name] for name in sources})


def _fit_files(files: Files, columns: Mapping[str, str]) -> dict[str, Bins]:
    found = parquet_count.survey(files, sorted(set(columns.values())), sample=SAMPLE)
    return {ours: _bins(one.quantiles(FINE), one.low, one.high, one.half) if one.n else _bins(None, None, None, None)
            for ours, theirs in columns.items() if (one := found.get(theirs))}


def _fit_numbers(
    connection: duckdb.DuckDBPyConnection, relation: str, sources: Mapping[str, Source], *,
    sample: Callable[[int], str],
) -> dict[str, Bins]:
    finite = {n: f"CASE WHEN isfinite({sql.as_double(s)}) THEN {sql.as_double(s)} END" for n, s in sources.items()}
    # The mean of enormous values overflows; the centre only has to be near.
    ends = ", ".join(f"min({x}), max({x}), avg({x} / 2)" for x in finite.values())
    [found] = connection.execute(f"SELECT count(*), {ends} FROM {relation}").fetchall()
    shares = "[" + ", ".join(repr(i / FINE) for i in range(FINE + 1)) + "]"
    over = sample(found[0]) if found[0] > SAMPLE else relation
    columns = [f"quantile_disc({x}, {shares})" for x in finite.values()]
    width = -(-len(columns) // SHARED)
    shared = (f"(SELECT {', '.join(columns[i : i + width])} FROM {over})" for i in range(0, len(columns), width))
    [quantiles] = connection.execute(f"SELECT * FROM {', '.join(shared)}").fetchall()
    return {name: _bins(quantiles[i], *found[1 + 3 * i : 4 + 3 * i]) for i, name in enumerate(finite)}


def _bins(quantiles: Sequence[float] | None, low: float | None, high: float | None, half: float | None) -> Bins:
    return numeric_bins(quantiles or [low or 0.0] * (FINE + 1), low=low, high=high,
                        center=float(np.clip(2.0 * (half or 0.0), -1e150, 1e150)))


def _fit_category(connection: duckdb.DuckDBPyConnection, relation: str, source: Source) -> Bins:
    rows = connection.execute(
        f"SELECT CAST({source.value} AS VARCHAR) AS v, count(*), sum(count(*)) OVER () FROM {relation} "
        f"WHERE {source.value} IS NOT NULL GROUP BY v ORDER BY 2 DESC, 1 LIMIT {NAMED + REMEMBERED + 1}"
    ).fetchall()
    return categorical_bins({v: n for v, n, _ in rows}, rows=int(rows[0][2]) if rows else 0)
