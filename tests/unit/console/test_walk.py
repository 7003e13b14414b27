import pytest

from console.widgets.walk import BEFORE_KEY, LIST_KEY, NEXT_KEY, around

KEYS = ["r-3", "r-2", "r-1"]


@pytest.mark.parametrize(("current", "before", "after", "words"), [
    ("r-3", "", "r-2", "1 of 3"),
    ("r-2", "r-3", "r-1", "2 of 3"),
    ("r-1", "r-2", "", "3 of 3"),
])
def test_the_neighbours_are_those_of_the_list_and_there_is_none_beyond_its_ends(current, before, after, words):
    assert around(KEYS, current) == (before, after, words)


def test_one_that_is_not_listed_has_no_neighbours():
    assert around(KEYS, "r-9") == ("", "", "")


def test_no_key_is_one_that_streamlit_keeps_or_that_two_things_share():
    keys = {NEXT_KEY, BEFORE_KEY, LIST_KEY}
    assert len(keys) == 3
    assert not keys & {"C", "R"}
