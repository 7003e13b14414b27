"""What the gateway was told, and how it may change."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Refused, SourceMalformed
from services.gateway.state import (
    Route,
    from_json,
    seeded,
    to_json,
    with_held,
    with_mirror,
    with_weights,
    without_canary,
    without_held,
)
from services.releases.target import StaleGeneration

TWO = with_held(seeded(Route(), "1"), "2")


def test_a_seeded_route_gives_all_to_its_version_and_yields_to_any_order():
    assert (TWO.champion, TWO.weights, TWO.generation) == ("1", {"1": 100.0}, 0)
    assert with_weights(TWO, {"2": 100}, 0).weights == {"2": 100.0}


def test_the_old_champion_stays_champion_until_it_has_nothing_left():
    canary = with_weights(TWO, {"1": 1, "2": 99}, 1)
    assert (canary.champion, canary.variant("2"), canary.variant("1")) == ("1", "canary", "champion")
    promoted = with_weights(canary, {"2": 100}, 2)
    assert (promoted.champion, promoted.variant("2")) == ("2", "champion")


def test_an_older_generation_is_stale_and_an_equal_one_is_not():
    at_five = with_weights(TWO, {"1": 90, "2": 10}, 5)
    assert with_weights(at_five, {"1": 90, "2": 10}, 5) == at_five
    with pytest.raises(StaleGeneration, match="generation 4 is out of date: the gateway obeys 5"):
        with_weights(at_five, {"1": 100}, 4)
    with pytest.raises(StaleGeneration):
        with_mirror(at_five, "2", 10, 4)


@pytest.mark.parametrize(("weights", "says"), [
    ({"1": 50}, "sum to 50"), ({}, "sum to 0"), ({"1": 150, "2": -50}, "from 0 to 100"),
    ({"1": float("nan")}, "from 0 to 100"), ({"1": 50, "9": 50}, "version 9 is not loaded"),
])
def test_weights_that_are_no_split_are_refused(weights, says):
    with pytest.raises(Refused, match=says):
        with_weights(TWO, weights, 1)


def test_a_mirror_is_a_share_for_a_loaded_version():
    assert with_mirror(TWO, "2", 20, 1).mirror == {"2": 20.0}
    assert with_mirror(with_mirror(TWO, "2", 20, 1), None, 0, 2).mirror == {}
    for version, percent in (("2", 101), ("2", -1), ("9", 5)):
        with pytest.raises(Refused):
            with_mirror(TWO, version, percent, 1)


def test_a_version_with_traffic_or_mirror_is_not_let_go():
    with pytest.raises(Refused):
        without_held(TWO, "1")
    with pytest.raises(Refused):
        without_held(with_mirror(TWO, "2", 5, 1), "2")
    assert without_held(TWO, "2").held == ("1",)
    assert without_held(TWO, "7") == TWO


def test_without_its_canary_a_route_keeps_its_generation_and_says_that_it_expired():
    alone = without_canary(with_mirror(with_weights(TWO, {"1": 90, "2": 10}, 5), "2", 5, 6))
    assert (alone.weights, alone.mirror, alone.generation, alone.expired) == ({"1": 100.0}, {}, 6, True)
    assert not with_weights(alone, {"1": 90, "2": 10}, 6).expired


@given(st.dictionaries(st.tuples(st.text(), st.text()), st.builds(
    Route, generation=st.integers(0), champion=st.text(), weights=st.dictionaries(st.text(), st.floats(0, 100)),
    mirror=st.dictionaries(st.text(), st.floats(0, 100)), held=st.lists(st.text()).map(tuple), expired=st.booleans())))
def test_the_state_survives_its_way_through_json(routes):
    assert from_json(json.loads(json.dumps(to_json(routes)))) == routes


@pytest.mark.parametrize("document", [None, [], {}, {"format": 2, "routes": []}, {"format": 1, "routes": [{}]}])
def test_a_state_that_is_none_is_never_guessed_at(document):
    with pytest.raises(SourceMalformed):
        from_json(document)
