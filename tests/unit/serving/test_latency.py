import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.serving.latency import BINS, Latency, bin_of


def counted(values: list[float]) -> Latency:
    counts = np.zeros(BINS, np.int64)
    for value in values:
        counts[bin_of(value)] += 1
    return Latency(counts)


def test_one_millisecond_lies_two_decades_above_the_least_edge():
    assert bin_of(1.0) == 79
    assert bin_of(0.0001) == 0
    assert bin_of(1e9) == BINS - 1


def test_quantiles_of_the_counts_are_within_six_percent_of_the_exact_ones():
    values = np.random.default_rng(3).lognormal(3, 0.7, 20_000)
    found = counted(values.tolist())
    for q in (0.5, 0.95, 0.99):
        exact = float(np.quantile(values, q))
        assert abs((found.quantile(q) or 0) - exact) / exact < 0.06


@given(st.lists(st.floats(0.001, 1e6), max_size=50), st.lists(st.floats(0.001, 1e6), max_size=50))
def test_the_counts_of_the_whole_are_the_sum_of_the_parts(a: list[float], b: list[float]):
    assert (counted(a).merge(counted(b)).counts == counted(a + b).counts).all()


def test_no_prediction_has_no_quantile_and_no_interval():
    assert Latency.empty().quantile(0.95) is None
    assert Latency.empty().interval(0.95) is None


def test_the_interval_holds_the_quantile_and_narrows_with_rows():
    few, many = counted([float(i % 100 + 1) for i in range(200)]), counted([float(i % 100 + 1) for i in range(20_000)])
    low, high = few.interval(0.95) or (0, 0)
    assert low <= (few.quantile(0.95) or 0) <= high
    tight = many.interval(0.95) or (0, 0)
    assert tight[1] - tight[0] < high - low


def test_counts_survive_being_stored():
    found = counted([1.0, 5.0, 5.0, 900.0])
    assert (Latency.of(found.sparse()).counts == found.counts).all()
