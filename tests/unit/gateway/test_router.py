"""The sticky split: shares, stickiness, and who moves when weights change."""

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.router import choose, draw, mirrored

VERSIONS = st.lists(st.integers(1, 40).map(str), min_size=2, max_size=5, unique=True)
KEYS = [f"entity-{i}" for i in range(400)]


def _within(count: int, n: int, share: float) -> bool:
    """Tell whether a binomial count lies within six standard deviations: a false alarm in a billion."""
    return abs(count - n * share) <= 6 * math.sqrt(n * share * (1 - share)) + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.5, 100), min_size=2, max_size=5), st.text(max_size=8))
def test_shares_follow_the_weights(sizes, salt):
    weights = {str(i): size for i, size in enumerate(sizes)}
    n = 2_000
    counts = Counter(choose(f"k{i}", weights, salt=salt) for i in range(n))
    assert all(_within(counts[v], n, w / sum(sizes)) for v, w in weights.items())


@settings(max_examples=25, deadline=None)
@given(VERSIONS, st.data())
def test_a_heavier_version_only_attracts_keys(versions, data):
    weights = {v: data.draw(st.floats(0.1, 100)) for v in versions}
    grown = data.draw(st.sampled_from(versions))
    after = weights | {grown: weights[grown] * data.draw(st.floats(1.01, 50))}
    for key in KEYS:
        before_version, after_version = choose(key, weights, salt="s"), choose(key, after, salt="s")
        assert after_version in (before_version, grown)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 100), st.floats(0, 100))
def test_between_two_versions_exactly_the_difference_moves(first, second):
    low, high = sorted((first, second))
    moved = sum(
        choose(key, {"1": 100 - low, "2": low}, salt="s") != choose(key, {"1": 100 - high, "2": high}, salt="s")
        for key in KEYS
    )
    assert _within(moved, len(KEYS), (high - low) / 100)


@settings(max_examples=25, deadline=None)
@given(VERSIONS, st.text(), st.data())
def test_the_choice_does_not_depend_on_the_order_or_the_scale_of_weights(versions, key, data):
    weights = {v: data.draw(st.integers(1, 100)) for v in versions}
    scaled = {v: weights[v] * 8 for v in reversed(versions)}
    assert choose(key, weights, salt="s") == choose(key, scaled, salt="s")


def test_a_version_without_weight_is_never_chosen():
    assert {choose(key, {"1": 100, "2": 0}, salt="s") for key in KEYS} == {"1"}
    assert choose("k", {"1": 0}, salt="s") is None
    assert choose("k", {}, salt="s") is None


def test_one_entity_is_not_in_the_canary_of_every_model():
    weights = {"1": 50, "2": 50}
    same = sum(choose(k, weights, salt="a/production") == choose(k, weights, salt="b/production") for k in KEYS)
    assert _within(same, len(KEYS), 0.5)


def test_the_hash_is_the_same_in_every_process_and_release():
    assert draw("flight-delay", "N14228") == 0.6685756063022412


def test_the_shadow_gets_its_share_independently_of_the_split():
    canary = [k for k in KEYS if choose(k, {"1": 50, "2": 50}, salt="s") == "2"]
    assert _within(sum(mirrored(k, 25, salt="s") for k in canary), len(canary), 0.25)
    assert all(mirrored(k, 100, salt="s") for k in KEYS)
    assert not any(mirrored(k, 0, salt="s") for k in KEYS)
