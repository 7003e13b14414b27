"""Count rows into bins one value at a time.

This is the plain statement of the rule; engines do the same in one query and are compared with it in
tests/contract/test_profile_engines.py.
"""

from collections.abc import Iterable, Mapping
from math import isinf
from typing import Any, Final

import numpy as np

from services.profiles.bins import Counts, NumericBins, as_number
from services.profiles.profile import NO_MOMENTS, Floats, Layout, Profile

# A square must stay finite: beyond this the moments say only "enormous", the bins still count exactly.
MOMENT_LIMIT: Final = 1e150


def count_rows(layout: Layout, rows: Iterable[Mapping[str, Any]]) -> Profile:
    """Return the profile of rows given as mappings from column to value; an absent column is missing."""
    counts = np.zeros(layout.size, np.int64)
    corrupt = np.zeros(len(layout.columns), np.int64)
    moments = np.tile(np.array(NO_MOMENTS), (len(layout.columns), 1))
    total = 0
    for row in rows:
        total += 1
        for place, (name, bins) in enumerate(layout.columns.items()):
            value = row.get(name)
            counts[layout.parts[name].start + bins.place(value)] += 1
            if isinstance(bins, NumericBins):
                corrupt[place] += _is_corrupt(value)
                _add(moments[place], bins, value)
    return Profile(layout=layout, rows=total, counts=counts, corrupt=corrupt, moments=moments)


def count_sorted(values: Floats, bins: NumericBins) -> tuple[Counts, Floats]:
    """Return the counts and the moments of one column.

    Args:
        values: (n,) numbers in ascending order, what is missing as NaN at the end.
        bins: the column's bins.
    """
    numbers = values[: np.searchsorted(values, np.nan)]
    finite = numbers[np.searchsorted(numbers, -np.inf, side="right") : np.searchsorted(numbers, np.inf)]
    below = np.searchsorted(numbers, -np.inf, side="right") if bins.low is None else np.searchsorted(numbers, bins.low)
    ends = np.searchsorted(numbers, bins.uppers, side="right")
    counts = np.diff([0, below, *ends, len(numbers), len(values)])
    if not len(finite):
        return counts, np.array(NO_MOMENTS)
    away = finite - bins.center
    if max(abs(finite[0]), abs(finite[-1])) > MOMENT_LIMIT / 2:
        away = np.clip(away, -MOMENT_LIMIT, MOMENT_LIMIT)
    return counts, np.array([len(finite), away.sum(), (away * away).sum(), finite[0], finite[-1]])


def _is_corrupt(value: object) -> bool:
    """Tell whether a value of a numeric column is there and is no number; NaN is a number that says "missing"."""
    if value is None:
        return False
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return False


def _add(moments: Floats, bins: NumericBins, value: object) -> None:
    number = as_number(value)
    if number is None or isinf(number):
        return
    away = min(max(number - bins.center, -MOMENT_LIMIT), MOMENT_LIMIT)
    moments[:3] += (1.0, away, away * away)
    moments[3] = min(moments[3], number)
    moments[4] = max(moments[4], number)
