import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as spatial

from services.drift import distance
from services.profiles.bins import numeric_bins

ONE, TWO = np.array([30, 70]), np.array([50, 50])
counts = st.lists(st.integers(0, 300), min_size=6, max_size=6).map(lambda x: np.array(x, np.int64)).filter(
    lambda x: x.sum() > 0)


def test_each_distance_of_the_hand_computed_example() -> None:
    assert distance.psi(ONE, TWO) == pytest.approx(0.1695, abs=1e-4)
    assert distance.js_divergence(ONE, TWO) == pytest.approx(0.0210, abs=1e-4)
    assert distance.js_distance(ONE, TWO) == pytest.approx(0.1449, abs=1e-4)
    assert distance.l_infinity(ONE, TWO) == pytest.approx(0.2)
    assert distance.hellinger(ONE, TWO) == pytest.approx(0.1453, abs=1e-4)
    assert distance.ks(ONE, TWO) == pytest.approx(0.2)
    assert distance.wasserstein(ONE, TWO, np.array([0.0, 1.0]), std=0.5) == pytest.approx(0.4)


@given(counts, counts)
def test_each_agrees_with_scipy(window: np.ndarray, baseline: np.ndarray) -> None:
    places = np.arange(6.0)
    p, q = window / window.sum(), baseline / baseline.sum()
    assert distance.js_distance(window, baseline) == pytest.approx(
        np.nan_to_num(spatial.jensenshannon(p, q)), abs=1e-7)
    assert distance.wasserstein(window, baseline, places, std=1.0) == pytest.approx(
        stats.wasserstein_distance(places, places, p, q), abs=1e-9)
    ours, theirs = np.repeat(places, window), np.repeat(places, baseline)
    assert distance.ks(window, baseline) == pytest.approx(stats.ks_2samp(ours, theirs, method="asymp").statistic)
    if (window > 0).all() and (baseline > 0).all():
        symmetric = stats.entropy(p, q) + stats.entropy(q, p)
        assert distance.psi(window, baseline) == pytest.approx(symmetric, rel=1e-9, abs=1e-12)


@given(counts, counts)
def test_none_is_negative_and_each_is_zero_on_itself(window: np.ndarray, baseline: np.ndarray) -> None:
    for measure in (distance.psi, distance.js_divergence, distance.l_infinity, distance.hellinger, distance.ks):
        assert measure(window, baseline) >= 0
        assert measure(window, window * 3) == pytest.approx(0.0, abs=1e-9)


def test_an_empty_bin_is_given_a_floor_so_that_psi_stays_finite() -> None:
    expected = (0 - 1e-4 + 0.5) * np.log(0.5 / 1e-4) + 0.5 * np.log(2)
    assert distance.psi(np.array([0, 100]), np.array([50, 50])) == pytest.approx(expected, rel=1e-3)


def test_open_ends_stand_at_the_extremes() -> None:
    bins = numeric_bins([float(i) for i in range(41)], low=0.0, high=40.0, center=0.0)
    found = distance.middles(bins, least=-100.0, greatest=1000.0)
    assert (found[0], found[1], found[-2], found[-1]) == (-100.0, 0.5, 39.5, 1000.0)


def test_a_constant_baseline_has_no_unit_to_move_in() -> None:
    assert distance.wasserstein(ONE, TWO, np.array([0.0, 1.0]), std=0.0) == 0.0
