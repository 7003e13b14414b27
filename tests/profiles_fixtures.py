"""Rows that engines count differently unless told how: the one fixture of the profile contract."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from services.profiles.baseline import Baseline, Role
from services.profiles.bins import categorical_bins, numeric_bins
from services.profiles.count import count_rows
from services.profiles.profile import Layout

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
