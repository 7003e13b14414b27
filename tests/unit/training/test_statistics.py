import math

import numpy as np
import pymannkendall
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.statistics import changes, detectable, is_step, percentile, robust_z, shift_p, trend, wilson

noise = np.random.default_rng(7)


def test_wilson_of_a_hand_computed_example() -> None:
    # 1 of 10 with z = 1.96: centre (0.1 + 0.19208) / 1.38416, half width 1.96 / 1.38416 * sqrt(0.009 + 0.009604)
    low, high = wilson(1, 10)
    assert (round(low, 3), round(high, 3)) == (0.018, 0.404)


@given(st.integers(1, 500), st.data())
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    from scipy.stats import binomtest

    k = data.draw(st.integers(0, n))
    found = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((found.low, found.high), abs=1e-9)


def test_nothing_counted_is_anything_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_trend_by_hand() -> None:
    # 1..10 rises in all 45 pairs; without ties the variance is 10 * 9 * 25 / 18 = 125, and z = 44 / sqrt(125) = 3.935.
    found = trend([float(i) for i in range(1, 11)])
    assert (found.slope, found.n) == (1.0, 10)
    assert found.p < 0.001


def test_a_slow_wave_weighs_less_than_its_ranks_and_a_rise_under_noise_is_a_trend() -> None:
    wave = [math.sin(i / 6) + 0.01 * noise.normal() for i in range(40)]
    assert trend(wave).p > 10 * pymannkendall.original_test(wave).p
    rise = [0.05 * i + noise.normal(0, 0.3) for i in range(40)]
    assert trend(rise).p < 0.01
    assert trend(rise).slope == pytest.approx(0.05, rel=0.4)


def test_values_that_swing_against_each_other_still_have_a_probability() -> None:
    for n in (12, 30, 60):
        found = trend([10.0 + (-1) ** i + 0.01 * i for i in range(n)])
        assert 0.0 <= found.p <= 1.0


@given(st.lists(st.floats(0.01, 1e6), max_size=40))
def test_any_durations_have_a_trend_and_changes_that_can_be_read(values: list[float]) -> None:
    found = trend(values)
    assert 0.0 <= found.p <= 1.0
    assert math.isfinite(found.slope)
    starts = changes(values)
    assert starts == sorted(set(starts))
    assert all(3 <= start <= len(values) - 3 for start in starts)


def test_a_flat_series_has_no_trend() -> None:
    assert trend([5.0] * 20).p == 1.0


def test_a_step_is_found_where_it_is_and_a_flat_series_has_none() -> None:
    flat = [10.0, 10.2, 9.9, 10.1, 10.05, 9.95, 10.1, 9.9, 10.0, 10.2]
    assert changes(flat) == []
    assert changes([*flat, *(v + 5 for v in flat)]) == [10]


def test_a_line_is_not_taken_for_a_step_nor_a_step_for_a_line() -> None:
    assert not is_step([float(i) for i in range(20)], 10)
    assert is_step([1.0] * 10 + [2.0] * 10, 10)


def test_a_robust_z_by_hand() -> None:
    # median 10, absolute deviations 1, 0, 0, 0, 2: their median is 0, so the floor of 0.5 stands
    assert robust_z(12.0, [9.0, 10.0, 10.0, 10.0, 12.0], floor=0.5) == 4.0


def test_the_same_values_before_and_after_are_no_shift() -> None:
    assert shift_p([5.0] * 20, [5.0] * 5) == 1.0
    assert shift_p(list(range(20)), list(range(100, 105))) < 0.001


@given(st.floats(0.01, 0.3))
def test_what_can_be_seen_grows_with_the_noise(sigma: float) -> None:
    values = np.exp(np.random.default_rng(1).normal(5, sigma, 40)).tolist()
    wider = np.exp(np.random.default_rng(1).normal(5, 2 * sigma, 40)).tolist()
    assert detectable(wider, before=20, after=5, alpha=0.01) > detectable(values, before=20, after=5, alpha=0.01)


def test_the_percentile_of_nothing_is_none() -> None:
    assert percentile([], 99) is None
