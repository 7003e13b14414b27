"""Rows that engines count differently unless told how: the one fixture of the profile contract."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from services.core.window import HOUR
from services.profiles.baseline import Baseline, Role
from services.profiles.bins import categorical_bins, numeric_bins
from services.profiles.count import count_rows
from services.profiles.profile import Layout, Profile
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)
NAN, INF = float("nan"), float("inf")


def nasty_rows() -> list[dict[str, Any]]:
    """Return rows with NaN, infinities, NULL, integers, float32, decimals, and values that lie on an edge."""
    doubles = [None, NAN, INF, -INF, 0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 9.9, 10.0, 10.000001, -0.000001, 1e300, -1e300]
    # As a log holds them: a double would lie on the other side of an edge that was read from float32.
    small = [x if x is None else float(np.float32(x)) for x in (
        None, NAN, INF, -INF, 0.5, 0.1, 0.25, 1.0, 0.0, -1.0, 0.7, 0.3, 0.2, 0.9, 7.0, 0.1)]
    integers = [None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, 10, 2, 2, 9]
    decimals = [None if i == 3 else Decimal(i) / 4 for i in range(16)]
    texts = [None, "AA", "B6", "o'hare", "", "new", "DL", "AA", "AA", "rare", "B6", "ΩΩ", "aa", " AA", "AA", "DL"]
    flags = [None, True, False, True, True, True, False, None, True, True, True, True, True, True, False, True]
    corrupt = ["1", "2.5", None, "abc", "", "nan", "10", "-3", "3", "7", "x", "4", "5", "6", "0", "9"]
    return [
        {"d": d, "f": s, "i": i, "n": n, "t": t, "b": b, "s": c, "k": None, "env": "production" if r % 3 else "staging"}
        for r, (d, s, i, n, t, b, c) in enumerate(
            zip(doubles, small, integers, decimals, texts, flags, corrupt, strict=True))
    ]


def nasty_table() -> pa.Table:
    """Return the same rows as Arrow, each column in the type that its name stands for."""
    rows = nasty_rows()
    types = {"d": pa.float64(), "f": pa.float32(), "i": pa.int32(), "n": pa.decimal128(6, 2), "t": pa.string(),
             "b": pa.bool_(), "s": pa.string(), "k": pa.float64(), "env": pa.string()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})


ANSWERS = ("d", "s", "t")  # which columns of the fixture a failed request has no value of


def logged_rows() -> list[dict[str, Any]]:
    """Return the nasty rows as a log holds them: some failed, two without an id, and three that repeat a request.

    The key is `id` and `env`; what repeats has other values and stands before the row that it repeats, and one of the
    rows that are repeated failed.
    """
    rows = [{**row, "id": None if r in (4, 5) else f"r{r}", "at": NOW + r * MINUTE,
             "status": "error" if r in (7, 8) else None if r == 9 else "ok"} for r, row in enumerate(nasty_rows())]
    again = [{**rows[r + 3], "id": rows[r]["id"], "env": rows[r]["env"], "at": NOW + HOUR, "status": "ok"}
             for r in (1, 2, 8)]
    return [*again, *rows, {**rows[3], "env": "production", "at": NOW + HOUR}]  # an id is one of its environment


def logged_table() -> pa.Table:
    """Return the same rows as Arrow."""
    rows, nasty = logged_rows(), nasty_table().schema
    types = {**{name: nasty.field(name).type for name in nasty.names}, "id": pa.string(),
             "at": pa.timestamp("us", "UTC"), "status": pa.string()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})


def count_log(layout: Layout, rows: list[dict[str, Any]]) -> Profile:
    """Count rows of a log one by one: the first of each id, and of failed ones no answer."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for row in sorted(rows, key=lambda row: row["at"]):
        if row["id"] is None or (row["id"], row["env"]) not in seen:
            kept.append(row)
            seen.add((row["id"], row["env"]))
    whole, answered = count_rows(layout, kept), count_rows(layout, [r for r in kept if r["status"] == "ok"])
    for name in ANSWERS:
        part, place = layout.parts[name], layout.places[name]
        whole.counts[part] = answered.counts[part]
        whole.corrupt[place], whole.moments[place] = answered.corrupt[place], answered.moments[place]
    return whole


def nasty_layout() -> Layout:
    """Return bins whose edges lie on values of the fixture; `i` has edges between integers, `k` was never seen."""
    tenths = [float(np.float32(x)) for x in np.linspace(0, 1, 41)]
    return Layout({
        "d": numeric_bins([i / 4 for i in range(41)], low=0.0, high=10.0, center=4.0),
        "f": numeric_bins(tenths, low=0.0, high=1.0, center=0.5),
        "i": numeric_bins([i * 9 / 40 for i in range(41)], low=0.0, high=9.0, center=4.5),
        "n": numeric_bins([i * 3.75 / 40 for i in range(41)], low=0.0, high=3.75, center=2.0),
        "t": categorical_bins({"AA": 600, "B6": 300, "o'hare": 95, "rare": 5}, rows=1000),
        "b": categorical_bins({"true": 10, "false": 1}, rows=11),
        "s": numeric_bins([float(i) / 4 for i in range(41)], low=0.0, high=10.0, center=5.0),
        "k": numeric_bins([], low=None, high=None, center=0.0),
    })


def baseline_of(layout: Layout, rows: list[dict[str, Any]], **more: Any) -> Baseline:
    """Return a baseline over rows counted one by one."""
    return Baseline(layout=layout, profile=count_rows(layout, rows), roles=dict.fromkeys(layout.columns, Role.FEATURE),
                    **more)
