"""The bins of one column: fitted once on the baseline, then only carried along.

Where each value falls is the same on every engine:

- numeric: NULL and NaN are *missing*; -inf and everything under the baseline's minimum are *below*; +inf and
  everything over its maximum are *above*; bins are (a, b], the first is [minimum, b]. Text that is not a number is
  *missing*, and counted as corrupt beside it.
- categorical: NULL is *missing*; a value the baseline never had is *unseen*; one it had, but rarely, is *other*.

Counting the values is the engines' work (services/adapters/profile_engine.py); the arithmetic is in profile.py.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import isfinite, isnan
from typing import Any, Final

import numpy as np

FINE: Final = 40  # bins of the picture; every fourth edge is an edge of the test's ten bins
TEST: Final = 10
NAMED: Final = 50  # categories with a bin of their own, at most
RARE_SHARE: Final = 0.01  # a category below this share of the baseline is `other`
REMEMBERED: Final = 1_000  # categories told apart from unseen; beyond, a baseline cannot say what is new

BELOW, ABOVE, MISSING, OTHER, UNSEEN = "below", "above", "missing", "other", "unseen"

Counts = np.ndarray[Any, np.dtype[np.int64]]


class Kind(StrEnum):
    """How a column's values are binned."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericBins:
    """[low, uppers[0]], (uppers[0], uppers[1]], … with below, above and missing around them.

    `ends[i]` is the index in `uppers` of the last fine bin inside test bin i, so a test bin is a union of fine
    bins. `low` is None where the baseline held no finite value: then every finite value is above.
    `center` is what moments are taken about, so that large values keep their digits.
    Counts are laid out as [below, fine…, above, missing].
    """

    low: float | None
    uppers: tuple[float, ...]
    ends: tuple[int, ...]
    center: float = 0.0

    @property
    def kind(self) -> Kind:
        """Numeric."""
        return Kind.NUMERIC

    @property
    def size(self) -> int:
        """How many counts a column of these bins has."""
        return len(self.uppers) + 3

    def place(self, value: object) -> int:
        """Return the index of the count that a value belongs to: the rule every engine must agree with."""
        number = as_number(value)
        if number is None:
            return self.size - 1
        if self.low is None:
            return 0 if number == float("-inf") else self.size - 2
        if number < self.low:
            return 0
        return 1 + bisect_left(self.uppers, number)  # past the last edge this is the place of `above`

    def fold(self, counts: Counts) -> Counts:
        """Return the test's counts, [below, test bins…, above, missing], from the fine ones along the last axis."""
        if not self.ends:
            return counts
        starts = [1, *(end + 2 for end in self.ends[:-1])]
        inner = np.add.reduceat(counts[..., :-2], starts, axis=-1)
        return np.concatenate((counts[..., :1], inner, counts[..., -2:]), axis=-1)

    def test_uppers(self) -> tuple[float, ...]:
        """Return the upper edges of the test bins."""
        return tuple(self.uppers[end] for end in self.ends)

    def labels(self) -> tuple[str, ...]:
        """Return a name per test count, as people read it."""
        edges = (self.low, *self.test_uppers())
        inner = [_short(b) if a == b else f"{_short(a)} to {_short(b)}" for a, b in pairwise(edges)]
        return (BELOW, *inner, ABOVE, MISSING)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": str(self.kind), "low": self.low, "uppers": list(self.uppers), "ends": list(self.ends),
                "center": self.center}


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalBins:
    """A bin per named category, then other, unseen and missing.

    `rare` are the categories that the baseline had below 1%. `open` says that it had more than can be remembered:
    then a value outside both lists is counted as other, because nobody can say that it is new.
    Counts are laid out as [named…, other, unseen, missing].
    """

    named: tuple[str, ...]
    rare: tuple[str, ...] = ()
    open: bool = False

    @property
    def kind(self) -> Kind:
        """Categorical."""
        return Kind.CATEGORICAL

    @property
    def size(self) -> int:
        """How many counts a column of these bins has."""
        return len(self.named) + 3

    def place(self, value: object) -> int:
        """Return the index of the count that a value belongs to: the rule every engine must agree with."""
        if value is None:
            return self.size - 1
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if text in self.named:
            return self.named.index(text)
        return self.size - 3 if self.open or text in self.rare else self.size - 2

    def fold(self, counts: Counts) -> Counts:
        """Return the test's counts; for categories these are the counts themselves."""
        return counts

    def labels(self) -> tuple[str, ...]:
        """Return a name per count, as people read it."""
        return (*self.named, OTHER, UNSEEN, MISSING)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": str(self.kind), "named": list(self.named), "rare": list(self.rare), "open": self.open}


Bins = NumericBins | CategoricalBins


def as_number(value: object) -> float | None:
    """Return a value as a double, or None where it is missing or no number."""
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return None if isnan(number) else number


def numeric_bins(quantiles: Sequence[float], *, low: float | None, high: float | None, center: float) -> NumericBins:
    """Return bins from FINE + 1 baseline quantiles (0, 1/40, …, 1) and the exact minimum and maximum.

    Equal quantiles (many rows of one value) collapse into one bin; a minimum that holds a bin's share of the rows
    becomes a bin of that single value.
    """
    if low is None or high is None:
        return NumericBins(low=None, uppers=(), ends=())
    # Quantiles may come from a sample: the ends are the exact ones, and nothing may lie outside them.
    inner = [min(max(q, low), high) for q in quantiles[1:-1]]
    uppers = sorted({*inner, high})
    step = FINE // TEST
    ends = sorted({bisect_left(uppers, q) for q in (*inner[step - 1 :: step], high)})
    return NumericBins(low=low, uppers=tuple(uppers), ends=tuple(ends), center=center if isfinite(center) else 0.0)


def categorical_bins(counts: Mapping[str, int], *, rows: int) -> CategoricalBins:
    """Return bins from how often the baseline had each value among its `rows` that are not missing.

    `counts` may stop after the most frequent NAMED + REMEMBERED + 1 values: more are never told apart.
    """
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    named = [value for value in ranked if counts[value] >= RARE_SHARE * rows][:NAMED]
    rare = ranked[len(named) :]
    return CategoricalBins(named=tuple(sorted(named)), rare=tuple(sorted(rare[:REMEMBERED])),
                           open=len(rare) > REMEMBERED)


def bins_from_json(value: Mapping[str, Any]) -> Bins:
    """Return the bins that `to_json` wrote."""
    if value["kind"] == Kind.NUMERIC:
        return NumericBins(low=value["low"], uppers=tuple(value["uppers"]), ends=tuple(value["ends"]),
                           center=value["center"])
    return CategoricalBins(named=tuple(value["named"]), rare=tuple(value["rare"]), open=value["open"])


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
