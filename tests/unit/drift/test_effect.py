import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.drift.effect import POWER, chi_squared, merge_rare, min_effect, min_effects, rows_needed, tail
from services.profiles.bins import categorical_bins, numeric_bins

TEN = numeric_bins([i / 40 for i in range(41)], low=0.0, high=1.0, center=0.5)
LETTERS = categorical_bins({"a": 40, "b": 30, "c": 20, "d": 10}, rows=100)
counts = st.lists(st.integers(0, 400), min_size=13, max_size=13).map(lambda x: np.array(x, np.int64))


def one(window: list[int], baseline: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([window]), np.array([baseline])


def test_chi_squared_of_the_hand_computed_example() -> None:
    assert chi_squared(*one([30, 70], [50, 50]))[0] == pytest.approx(8.3333, abs=1e-4)


@given(counts, counts)
def test_chi_squared_is_that_of_scipy(window: np.ndarray, baseline: np.ndarray) -> None:
    keep = (window + baseline) > 0
    if keep.sum() < 2 or window.sum() == 0 or baseline.sum() == 0:
        return
    right = stats.chi2_contingency(np.array([window[keep], baseline[keep]]), correction=False).statistic
    assert chi_squared(window[None, :], baseline[None, :])[0] == pytest.approx(right, rel=1e-9, abs=1e-9)


def test_the_tail_is_that_of_scipy_and_never_negative() -> None:
    x = np.array([0.0, 5.0, 30.0, 60.0, 1e6])
    found = tail(x, np.full(5, 9), np.full(5, 20.0))
    np.testing.assert_allclose(found, stats.ncx2.sf(x, 9, 20.0), atol=1e-12)
    assert (found >= 0).all()


def test_one_outlier_in_a_thousand_rows_does_not_fake_drift() -> None:
    baseline = np.array([0, *[10_000] * 10, 0, 0])
    window = np.array([0, *[100] * 9, 99, 1, 0])
    found = min_effect(window, baseline, TEN, psi0=0.02)
    assert not found.fires
    assert found.effect < 0.01
    assert found.bins == 10


def test_sixty_percent_nulls_are_drift_though_no_value_changed() -> None:
    found = min_effect(np.array([0, *[40] * 10, 0, 600]), np.array([0, *[10_000] * 10, 0, 0]), TEN, psi0=0.02)
    assert found.fires
    assert found.p < 1e-12


def test_a_vanished_bin_is_seen_and_an_empty_window_is_not_a_number() -> None:
    assert min_effect(np.array([0, 0, *[100] * 9, 0, 0]), np.array([0, *[1000] * 10, 0, 0]), TEN, psi0=0.02).fires
    empty = min_effect(np.zeros(13, np.int64), np.array([0, *[1000] * 10, 0, 0]), TEN, psi0=0.02)
    assert (empty.n, empty.p, empty.power, empty.fires) == (0, 1.0, 0.0, False)


def test_a_constant_column_has_nothing_to_move_and_is_sure_with_rows_enough() -> None:
    found = min_effect(np.array([0, 900, 0, 0]), np.array([0, 9000, 0, 0]), TEN, psi0=0.02)
    assert (found.effect, found.fires, found.sure) == (0.0, False, True)
    few = min_effect(np.array([0, 9, 0, 0]), np.array([0, 9000, 0, 0]), TEN, psi0=0.02)
    assert not few.sure


@given(counts, counts)
def test_merged_bins_keep_every_row_and_none_is_rare(window: np.ndarray, baseline: np.ndarray) -> None:
    ours, theirs, left = merge_rare(window[None, :], baseline[None, :], np.array([True]))
    assert ours.sum() == window.sum()
    assert theirs.sum() == baseline.sum()
    n, m = window.sum(), baseline.sum()
    if min(n, m) >= 5:
        expected = (ours + theirs)[0, : left[0]] * min(n, m) / (n + m)
        assert (expected >= 5).all()


def test_rare_categories_are_merged_wherever_they_stand() -> None:
    window, baseline = np.array([[2, 500, 3, 495, 0, 0, 0]]), np.array([[2000, 500_000, 3000, 494_995, 0, 5, 0]])
    ours, _, left = merge_rare(window, baseline, np.array([False]))
    assert left[0] == 3
    assert sorted(ours[0, :3].tolist()) == [5, 495, 500]
    assert not min_effect(window[0], baseline[0], LETTERS, psi0=0.02).fires


@given(counts, counts)
def test_many_at_once_are_each_like_one_alone(window: np.ndarray, baseline: np.ndarray) -> None:
    both = np.array([window, baseline]), np.array([baseline, window])
    psi0 = np.array([0.02, 0.05])
    together = min_effects(*both, ordered=np.array([True, False]), psi0=psi0, alpha=0.01)
    assert together[0] == min_effect(window, baseline, TEN, psi0=0.02, alpha=0.01)
    assert together[1] == min_effect(baseline, window, LETTERS, psi0=0.05, alpha=0.01)


@given(counts)
def test_nothing_differs_from_itself(window: np.ndarray) -> None:
    found = min_effect(window, window, TEN, psi0=0.02)
    assert found.effect == pytest.approx(0.0, abs=1e-12)
    assert not found.fires


@pytest.mark.parametrize(("alpha", "m", "n", "least", "most"), [
    (0.001, 20_000, 1000, 0.91, 0.96),  # the lab's powers for .3 sigma, whose effect on ten bins is about .088
    (0.01, 4_000, 1000, 0.94, 0.99), (0.01, 20_000, 500, 0.77, 0.83), (0.01, 20_000, 50, 0.0, 0.1),
])
def test_power_agrees_with_the_measured_one(alpha: float, m: int, n: int, least: float, most: float) -> None:
    found = min_effect(np.full(10, n // 10), np.full(10, m // 10), TEN, psi0=0.02, alpha=alpha)
    assert least <= found.power <= most


def test_the_rows_needed_give_just_the_power_promised() -> None:
    needed = rows_needed(20_000, psi0=0.02, alpha=0.001)
    assert needed is not None
    found = min_effect(np.full(10, needed / 10), np.full(10, 2000), TEN, psi0=0.02, alpha=0.001)
    assert found.power == pytest.approx(POWER, abs=0.01)
    assert rows_needed(200, psi0=0.02, alpha=0.001) is None
