import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profiles.bins import bins_from_json, categorical_bins, numeric_bins

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def tenths() -> list[float]:
    return [i / 40 for i in range(41)]


def test_ten_test_bins_are_unions_of_forty_fine_ones() -> None:
    bins = numeric_bins(tenths(), low=0.0, high=1.0, center=0.5)
    assert len(bins.uppers) == 40
    assert bins.test_uppers() == pytest.approx([i / 10 for i in range(1, 11)])
    folded = bins.fold(np.arange(43))
    assert folded.tolist() == [0, *(sum(range(4 * i + 1, 4 * i + 5)) for i in range(10)), 41, 42]


def test_a_value_on_an_edge_belongs_to_the_bin_that_ends_there() -> None:
    bins = numeric_bins(tenths(), low=0.0, high=1.0, center=0.5)
    assert bins.place(0.0) == 1
    assert bins.place(0.025) == 1
    assert bins.place(math.nextafter(0.025, 1)) == 2
    assert bins.place(1.0) == 40


def test_missing_below_and_above_have_places_of_their_own() -> None:
    bins = numeric_bins(tenths(), low=0.0, high=1.0, center=0.5)
    places = [bins.place(x) for x in (None, math.nan, "abc", -math.inf, -1e-300, math.inf, 1.0000001)]
    assert places == [42, 42, 42, 0, 0, 41, 41]


def test_a_constant_column_has_one_bin() -> None:
    bins = numeric_bins([7.0] * 41, low=7.0, high=7.0, center=7.0)
    assert bins.uppers == (7.0,)
    assert [bins.place(x) for x in (6.9, 7, 7.1, None)] == [0, 1, 2, 3]


def test_a_minimum_that_holds_many_rows_is_a_bin_of_its_own() -> None:
    bins = numeric_bins([0.0] * 20 + [i / 20 for i in range(21)], low=0.0, high=1.0, center=0.2)
    assert bins.uppers[0] == 0.0
    assert bins.place(0.0) == 1
    assert bins.place(0.01) == 2


def test_a_baseline_without_values_calls_every_value_above() -> None:
    bins = numeric_bins([], low=None, high=None, center=0.0)
    assert [bins.place(x) for x in (-math.inf, 0.0, math.inf, None)] == [0, 1, 1, 2]


def test_a_sample_whose_quantiles_miss_the_ends_still_covers_them() -> None:
    bins = numeric_bins([0.1 + i / 50 for i in range(41)], low=0.0, high=2.0, center=0.5)
    assert bins.place(0.0) == 1
    assert bins.place(2.0) == len(bins.uppers)


@given(st.lists(finite, min_size=1, max_size=80), finite)
def test_bins_survive_json_and_place_alike(values: list[float], probe: float) -> None:
    ordered = sorted(values)
    quantiles = [ordered[min(len(ordered) - 1, i * len(ordered) // 40)] for i in range(41)]
    bins = numeric_bins(quantiles, low=ordered[0], high=ordered[-1], center=0.0)
    assert list(bins.uppers) == sorted(set(bins.uppers))
    assert bins.ends[-1] == len(bins.uppers) - 1
    again = bins_from_json(bins.to_json())
    assert again == bins
    assert again.place(probe) == bins.place(probe)
    assert bins.fold(np.ones(bins.size, np.int64)).sum() == bins.size
    for value in values:
        assert 1 <= bins.place(value) <= len(bins.uppers)


def test_rare_known_and_unknown_categories_are_told_apart() -> None:
    bins = categorical_bins({"AA": 900, "B6": 95, "HA": 5}, rows=1000)
    assert bins.named == ("AA", "B6")
    assert [bins.labels()[bins.place(x)] for x in ("AA", "HA", "ZZ", None, "")] == [
        "AA", "other", "unseen", "missing", "unseen"]


def test_too_many_categories_leave_no_value_unseen() -> None:
    bins = categorical_bins({f"v{i}": 1 for i in range(1051)}, rows=1_000_000)
    assert bins.open
    assert bins.named == ()
    assert len(bins.rare) == 1000
    assert bins.labels()[bins.place("never")] == "other"
    assert bins_from_json(bins.to_json()) == bins
