"""How many rows a batch may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pace import BOUND_S, Pace


def _after(call_s: float, row_s: float, *, rounds: int = 60) -> int:
    """Return the room after so many full batches of a model with these costs."""
    pace = Pace()
    for _ in range(rounds):
        rows = pace.room
        pace.saw(rows, call_s + row_s * rows)
    return pace.room


@pytest.mark.parametrize(("call_s", "row_s", "room"), [
    (0.0, BOUND_S / 10.5, 10),  # dear rows: ten fit the bound
    (0.005, 0.002, 10),         # (25 - 5) / 2
    (0.100, 0.010, 10),         # a dear call may be doubled: (200 - 100) / 10
    (0.0, 1.0, 1),              # one row is beyond the bound already
])
def test_the_room_is_what_the_costs_allow(call_s, row_s, room):
    assert _after(call_s, row_s) == pytest.approx(room, abs=1)


def test_a_call_that_costs_the_same_whatever_its_rows_takes_all_there_is():
    assert _after(0.007, 0.0) > 1_000


def test_nothing_is_tried_that_is_twice_what_was_tried():
    pace = Pace()
    assert pace.room == 1
    pace.saw(1, 5.0)
    assert pace.room == 2


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 10)), max_size=40))
def test_there_is_always_room_for_one(calls):
    pace = Pace()
    for rows, took in calls:
        pace.saw(rows, took)
        assert 1 <= pace.room <= 4_096
