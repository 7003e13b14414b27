"""The always-valid tests keep their error rate with a look at every request, and find harm soon enough."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from services.releases.canary import Metric
from services.releases.eprocess import PRIOR, log_e_path, lower, share_log_e, upper
from services.releases.judge import ALPHA, SPLIT

NINE = 9  # champion requests to one of the candidate: a canary at 10 %


OF_ERRORS = ALPHA * SPLIT[Metric.ERRORS]  # what the judge itself spends on errors


def simulate(p_a: float, p_b: float, *, runs: int, blocks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return log E at every look of every run, and whether the candidate looked worse then."""
    draw = np.random.default_rng(seed)
    y_a = draw.binomial(NINE, p_a, size=(runs, blocks))
    y_b = draw.binomial(1, p_b, size=(runs, blocks))
    return log_e_path(np.full(blocks, NINE), y_a, y_b), np.cumsum(y_b, axis=1) * NINE > np.cumsum(y_a, axis=1)


def crossed(path: np.ndarray, worse: np.ndarray, alpha: float) -> np.ndarray:
    """Return the candidate request at which each run would have been rolled back, or 0 for never."""
    over = (path >= -np.log(alpha)) & worse
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05])
def test_a_harmless_candidate_is_rolled_back_in_at_most_five_percent_of_releases(rate: float) -> None:
    seen = simulate(rate, rate, runs=2000, blocks=444, seed=1)
    for alpha in (ALPHA, OF_ERRORS):
        assert (crossed(*seen, alpha) > 0).mean() <= alpha


@pytest.mark.parametrize(("p_a", "p_b", "at_most"), [(0.01, 0.10, 60), (0.01, 0.05, 190), (0.05, 0.20, 60)])
def test_harm_is_found_within_the_published_number_of_canary_requests(p_a: float, p_b: float, at_most: int) -> None:
    seen = simulate(p_a, p_b, runs=1000, blocks=1500, seed=2)
    for alpha in (ALPHA, OF_ERRORS):
        found = crossed(*seen, alpha)
        assert (found > 0).all()
        assert np.median(found) <= at_most


def test_a_factor_expects_at_most_one_when_nothing_differs() -> None:
    for rate in (0.01, 0.1, 0.5):
        expected = 0.0
        history_a, history_b = np.array([1, 0, 2]), np.array([0, 0, 1])
        before = log_e_path(np.full(3, NINE), history_a, history_b)[-1]
        for bad_a, bad_b in product(range(NINE + 1), range(2)):
            chance = binom.pmf(bad_a, NINE, rate) * (rate if bad_b else 1 - rate)
            after = log_e_path(np.full(4, NINE), np.append(history_a, bad_a), np.append(history_b, bad_b))[-1]
            expected += chance * np.exp(after - before)
        assert expected <= 1 + 1e-9


def test_one_block_is_as_counted_by_hand() -> None:
    # Before anything was seen both estimates are 1/2, so the first block tells nothing.
    assert log_e_path(np.array([1]), np.array([0]), np.array([1]))[0] == pytest.approx(0.0)
    second = log_e_path(np.array([1, 1]), np.array([0, 0]), np.array([1, 1]))[1]
    ta, tb = PRIOR / (1 + 2 * PRIOR), (1 + PRIOR) / (1 + 2 * PRIOR)
    t0 = (ta + tb) / 2
    assert second == pytest.approx(np.log((1 - ta) * tb / (t0 * (1 - t0))))


def test_the_sample_ratio_alarm_keeps_its_rate_with_a_look_at_every_request() -> None:
    draw = np.random.default_rng(3)
    alarms = 0
    for _ in range(200):
        hits = np.cumsum(draw.random(1000) < 0.1)
        alarms += any(share_log_e(int(hits[i]), i + 1, 0.1) >= np.log(20) for i in range(0, 1000, 7))
    assert alarms / 200 <= 0.05
    assert share_log_e(300, 1000, 0.1) > np.log(1000)


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_the_confidence_sequence_holds_the_observed_share_and_narrows(n: int, share: float) -> None:
    hits = round(share * n)
    assert 0 <= lower(hits, n, alpha=0.05) <= hits / n + 1e-9
    assert hits / n - 1e-9 <= upper(hits, n, alpha=0.05) <= 1
    assert upper(hits * 4, n * 4, alpha=0.05) <= upper(hits, n, alpha=0.05) + 1e-9


def test_the_upper_bound_covers_at_all_looks_together() -> None:
    draw = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        hits = np.cumsum(draw.random(600) < 0.05)
        missed += any(upper(int(hits[i]), i + 1, alpha=0.05) < 0.05 for i in range(9, 600, 29))
    assert missed / 200 <= 0.05
