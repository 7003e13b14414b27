"""Count where the rows lie, on any engine that Ibis reaches: Spark, PostgreSQL, BigQuery, Snowflake, ClickHouse, Trino.

Each row's bins become one array of integers, one per column; unnested and grouped they are every count of every column
in one query. Moments and corrupt values are a second one. Only sums leave the engine. The bins' rule is that of
services/profiles/bins.py, and no engine's own histogram or bucket function is used, because no two agree on NaN.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isnan
from types import MappingProxyType
from typing import Any, Final

import ibis
import numpy as np

from services.core.window import HOUR
from services.errors import SourceUnavailable
from services.profiles.bins import CategoricalBins, NumericBins
from services.profiles.count import MOMENT_LIMIT
from services.profiles.profile import NO_MOMENTS, Layout, Profile

_NOWHERE: Final = -1  # the place of a row in a column that it is not counted in
# What every engine casts to a double without an error; anything else is corrupt.
_NUMBER: Final = r"^\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?[iI]nf(inity)?|[nN]a[nN])\s*$"


def count(
    table: Any, layout: Layout, columns: Mapping[str, Any], *, time: Any = None, grain: timedelta = HOUR,
    keys: Sequence[Any] = (), cut: Any = None, where: Mapping[str, Any] = MappingProxyType({}),
) -> list[tuple[datetime | None, tuple[str, ...], Profile]]:
    """Count every column of a layout, grouped by bucket, keys and a cut.

    Args:
        table: an Ibis table, already narrowed to the rows that count.
        layout: the bins.
        columns: the Ibis value of each column of the layout; None where the table has none, then every row is missing.
        time: an Ibis timestamp in UTC, or None for one bucket; the session's zone must be UTC.
        grain: an hour or a day.
        keys: Ibis values to group by.
        cut: one further Ibis value to group by, or None.
        where: which rows a column is counted on, as an Ibis condition; a column without one is counted on all.

    Raises:
        SourceUnavailable: the engine refused or did not answer.
    """
    named = (*keys, *([cut] if cut is not None else []))
    groups = {f"g{i}": key.cast("string").coalesce("") for i, key in enumerate(named)}
    if time is not None:
        groups["bucket"] = time.truncate("h" if grain == HOUR else "D")
    numbers = {name: as_double(columns[name]) for name, bins in layout.columns.items() if isinstance(bins, NumericBins)}
    none, zero = ibis.null("float64"), ibis.literal(0)
    base = table.select(
        **groups, **{f"n{layout.places[name]}": _only(where, name, v, none) for name, v in numbers.items()},
        **{f"t{layout.places[name]}": _text(columns[name]) for name in layout.columns if name not in numbers},
        **{f"k{layout.places[name]}": _only(where, name, _corrupt(columns[name]), zero) for name in numbers},
        **{f"w{layout.places[name]}": condition for name, condition in where.items()},
    )
    places = [layout.parts[name].start + place(base, layout.places[name], bins)
              for name, bins in layout.columns.items()]
    counts_in = {name: base[f"w{layout.places[name]}"] for name in where}
    places = [_only(counts_in, name, code, ibis.literal(_NOWHERE)).cast("int64")
              for name, code in zip(layout.columns, places, strict=True)]
    coded = base.select(*groups, code=ibis.array(places).unnest())
    try:
        counted = coded.group_by([*groups, "code"]).aggregate(n=coded.count()).to_pyarrow().to_pylist()
        sums = base.group_by(list(groups)).aggregate(**_moments(base, layout)) if groups else base.aggregate(
            **_moments(base, layout))
        summed = sums.to_pyarrow().to_pylist()
    except Exception as error:  # each backend raises errors of its own driver
        raise SourceUnavailable(f"counting failed in the engine: {str(error).strip().splitlines()[0]}") from error
    return _profiles(layout, list(groups), counted, summed)


def first_of_repeats(table: Any, key: Sequence[str], time: Any) -> Any:
    """Return a table with the earliest row only of each key; a row without the key's first column repeats none.

    Raises:
        SourceUnavailable: the engine refused or did not answer.
    """
    known = table.filter(table[key[0]].notnull())
    of_each = known.group_by(list(key)).aggregate(interlock_n=known.count())
    try:  # asked first: numbering moves every column of every row
        repeats = of_each.filter(of_each["interlock_n"] > 1).limit(1).to_pyarrow().num_rows
    except Exception as error:  # each backend raises errors of its own driver
        raise SourceUnavailable(f"counting failed in the engine: {str(error).strip().splitlines()[0]}") from error
    if not repeats:
        return table
    numbered = table.mutate(interlock_nth=ibis.row_number().over(ibis.window(group_by=list(key), order_by=time)))
    return numbered.filter(numbered[key[0]].isnull() | (numbered["interlock_nth"] == 0)).drop("interlock_nth")


def as_double(value: Any) -> Any:
    """Return a column as a double; text that is no number, and a column that is not there, as NULL."""
    if value is None:
        return ibis.null("float64")
    if value.type().is_timestamp() or value.type().is_date():
        return value.cast("timestamp").epoch_seconds().cast("float64")
    if value.type().is_string():
        return ibis.cases((value.re_search(_NUMBER), value.nullif("").cast("float64")), else_=ibis.null("float64"))
    if value.type().is_boolean():
        return value.ifelse(1.0, 0.0)
    return value.cast("float64")


def place(base: Any, index: int, bins: NumericBins | CategoricalBins) -> Any:
    """Return the place of each row among a column's counts, as an Ibis integer."""
    if isinstance(bins, CategoricalBins):
        text = base[f"t{index}"]
        unknown = bins.size - 3 if bins.open else bins.size - 2
        rare = text.isin(list(bins.rare)).ifelse(bins.size - 3, unknown) if bins.rare else ibis.literal(unknown)
        known = [(text == value, i) for i, value in enumerate(bins.named)]
        return ibis.cases((text.isnull(), bins.size - 1), *known, else_=rare).cast("int64")
    x = base[f"n{index}"]
    missing = x.isnull() | x.isnan()
    if bins.low is None:
        inside = (x == float("-inf")).ifelse(0, bins.size - 2)
    else:
        inside = (x < bins.low).ifelse(0, _search(x, bins.uppers, 1))
    return ibis.cases((missing, bins.size - 1), else_=inside).cast("int64")


def _search(x: Any, uppers: Sequence[float], first: int) -> Any:
    """Return the place of x among bins (a, b] by halves: six comparisons instead of forty."""
    if not uppers:
        return ibis.literal(first)
    middle = len(uppers) // 2
    return (x <= uppers[middle]).ifelse(_search(x, uppers[:middle], first),
                                        _search(x, uppers[middle + 1 :], first + middle + 1))


def _only(where: Mapping[str, Any], name: str, value: Any, other: Any) -> Any:
    """Return a column's value in the rows that it is counted on, else the other."""
    return ibis.cases((where[name], value), else_=other) if name in where else value


def _text(value: Any) -> Any:
    return ibis.null("string") if value is None else value.cast("string")


def _corrupt(value: Any) -> Any:
    if value is None or not value.type().is_string():
        return ibis.literal(0)
    # Asked of the text, not of the number: to Spark a NaN is null as well.
    return (value.notnull() & ~value.re_search(_NUMBER)).ifelse(1, 0)


def _moments(base: Any, layout: Layout) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": base.count()}
    for name, bins in layout.columns.items():
        if not isinstance(bins, NumericBins):
            continue
        i = layout.places[name]
        x = base[f"n{i}"]
        # Compared, not asked: Spark's own test for infinities finds none.
        endless = (x == float("inf")) | (x == float("-inf"))
        finite = ibis.cases((x.isnull() | x.isnan() | endless, ibis.null("float64")), else_=x)
        away = finite - bins.center
        away = ibis.cases((away > MOMENT_LIMIT, MOMENT_LIMIT), (away < -MOMENT_LIMIT, -MOMENT_LIMIT), else_=away)
        found |= {f"m0_{i}": finite.count(), f"m1_{i}": away.sum(), f"m2_{i}": (away * away).sum(),
                  f"m3_{i}": finite.min(), f"m4_{i}": finite.max(), f"k{i}": base[f"k{i}"].sum()}
    return found


def _profiles(
    layout: Layout, groups: Sequence[str], counted: Sequence[Mapping[str, Any]], summed: Sequence[Mapping[str, Any]]
) -> list[tuple[datetime | None, tuple[str, ...], Profile]]:
    counts: dict[tuple[Any, ...], Any] = {}
    for row in counted:
        key = tuple(row[g] for g in groups)
        mine = counts.setdefault(key, np.zeros(layout.size, np.int64))
        if row["code"] != _NOWHERE:
            mine[int(row["code"])] += int(row["n"])
    found = []
    for row in summed:
        if not row["rows"]:
            continue
        corrupt = np.zeros(len(layout.columns), np.int64)
        moments = np.tile(np.array(NO_MOMENTS), (len(layout.columns), 1))
        for name, i in layout.places.items():
            if isinstance(layout.columns[name], NumericBins):
                corrupt[i] = int(row[f"k{i}"] or 0)
                for which in range(5):
                    value = row[f"m{which}_{i}"]
                    moments[i, which] = NO_MOMENTS[which] if value is None or isnan(value) else float(value)
        bucket = row.get("bucket")
        names = tuple(str(row[g]) for g in groups if g != "bucket")
        profile = Profile(layout=layout, rows=int(row["rows"]), counts=counts[tuple(row[g] for g in groups)],
                          corrupt=corrupt, moments=moments)
        found.append((None if bucket is None else bucket.replace(tzinfo=UTC), names, profile))
    return sorted(found, key=lambda item: (item[0] or datetime.min.replace(tzinfo=UTC), item[1]))
