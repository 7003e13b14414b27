"""Counting a sorted column gives what counting one value at a time gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.profiles.bins import numeric_bins
from services.profiles.count import count_rows, count_sorted
from services.profiles.profile import Layout

values = st.one_of(st.floats(), st.sampled_from([0.0, 0.25, 0.5, 1.0, 1e200, -1e200]))
bins = st.sampled_from([
    numeric_bins([i / 40 for i in range(41)], low=0.0, high=1.0, center=0.5),
    numeric_bins([0.25] * 41, low=0.25, high=0.25, center=0.25),
    numeric_bins([], low=None, high=None, center=0.0),
])


@given(arrays(np.float64, st.integers(0, 30), elements=values), bins)
def test_a_sorted_column_is_counted_like_one_value_at_a_time(column, its):
    counts, moments = count_sorted(np.sort(column), its)
    right = count_rows(Layout({"x": its}), [{"x": float(value)} for value in column])
    assert counts.tolist() == right.counts.tolist()
    n, total, *others = right.moments[0]
    assert moments[[0, 2, 3, 4]] == pytest.approx([n, *others], rel=1e-9)
    # What is left of large values that cancel out depends on the order of adding.
    assert moments[1] == pytest.approx(total, rel=1e-9, abs=1e-12 * np.sqrt(n * others[0]))
