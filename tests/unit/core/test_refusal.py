"""Which denied commands the audit chain carries: the first, the tenth, the hundredth, and so on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.refusal import is_audited


def test_the_first_and_each_tenfold_are_audited():
    assert [n for n in range(1, 1001) if is_audited(n)] == [1, 10, 100, 1000]


@given(st.integers(1, 10**9))
def test_a_flood_adds_as_many_rows_as_its_count_has_digits(count):
    audited = [10**k for k in range(12) if 10**k <= count]
    assert all(is_audited(n) for n in audited)
    assert len(audited) == len(str(count))
    assert is_audited(count) == (count in audited)


def test_there_is_no_refusal_number_nought():
    with pytest.raises(ValueError, match="number 0"):
        is_audited(0)
