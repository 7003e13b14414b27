import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.window import TimeWindow
from services.errors import SourceMalformed
from services.profiles.baseline import Level, Usual, baseline_from_json
from services.profiles.bins import categorical_bins, numeric_bins
from services.profiles.count import count_rows
from services.profiles.profile import Layout, Profile, merged
from tests.conftest import NOW
from tests.profiles_fixtures import baseline_of, nasty_layout, nasty_rows

LAYOUT = Layout({
    "x": numeric_bins([float(i) for i in range(41)], low=0.0, high=40.0, center=20.0),
    "c": categorical_bins({"a": 5, "b": 5}, rows=10),
})
rows = st.lists(st.fixed_dictionaries({
    "x": st.one_of(st.none(), st.floats(width=32)), "c": st.sampled_from([None, "a", "b", "z"])}), max_size=30)


def assert_equal(a: Profile, b: Profile) -> None:
    assert a.rows == b.rows
    assert a.counts.tolist() == b.counts.tolist()
    assert a.corrupt.tolist() == b.corrupt.tolist()
    np.testing.assert_allclose(a.moments, b.moments, rtol=1e-9, atol=1e-6)


@given(rows, rows, rows)
def test_merge_is_associative_and_commutative_and_the_whole_is_the_sum_of_its_parts(
    a: list[dict], b: list[dict], c: list[dict]
) -> None:
    one, two, three = (count_rows(LAYOUT, part) for part in (a, b, c))
    assert_equal(one.merge(two), two.merge(one))
    assert_equal(one.merge(two).merge(three), one.merge(two.merge(three)))
    assert_equal(merged(LAYOUT, (one, two, three)), count_rows(LAYOUT, a + b + c))
    assert_equal(one.merge(Profile.empty(LAYOUT)), one)


@given(rows)
def test_every_row_is_in_exactly_one_bin_of_each_column(some: list[dict]) -> None:
    profile = count_rows(LAYOUT, some)
    for name in LAYOUT.columns:
        assert profile.column(name).rows == len(some) == profile.column(name).test_counts.sum()


@given(rows)
def test_packed_counts_come_back_whole(some: list[dict]) -> None:
    profile = count_rows(LAYOUT, some)
    assert_equal(Profile.unpack(LAYOUT, profile.pack()), profile)


def test_moments_are_those_of_the_finite_values() -> None:
    values = [1e9 + x for x in (1.0, 2.0, 4.0)]
    layout = Layout({"x": numeric_bins(values * 14, low=values[0], high=values[2], center=1e9)})
    column = count_rows(layout, [{"x": x} for x in (*values, None, float("inf"), float("nan"))]).column("x")
    assert column.n == 3
    assert column.mean == pytest.approx(1e9 + 7 / 3)
    assert column.std == pytest.approx(np.std([1, 2, 4]))
    assert (column.least, column.greatest) == (values[0], values[2])


def test_profiles_of_different_bins_are_not_added() -> None:
    with pytest.raises(ValueError, match="count the window again"):
        Profile.empty(LAYOUT).merge(Profile.empty(nasty_layout()))


def test_counts_of_other_bins_are_not_read() -> None:
    with pytest.raises(ValueError, match="were not made with bins"):
        Profile.unpack(nasty_layout(), Profile.empty(LAYOUT).pack())


def test_a_baseline_survives_json_with_all_it_knows() -> None:
    baseline = baseline_of(
        nasty_layout(), nasty_rows(), model="flight-delay", version="3", source="run-1",
        window=TimeWindow(NOW, NOW),
        usual={"d": Usual(days=7, training=Level(psi0=0.05, achieved=0.1, blocks=9), missing=0.2)})
    again = baseline_from_json(baseline.to_json())
    assert_equal(again.profile, baseline.profile)
    assert (again.edges, again.model, again.version, again.window) == (
        baseline.edges, "flight-delay", "3", baseline.window)
    assert again.usual_of("d") == baseline.usual_of("d")
    assert again.usual_of("f").training.psi0 == 0.02
    assert again.to_json() == baseline_from_json(again.to_json()).to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null"])
def test_what_is_no_baseline_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SourceMalformed, match=r"run 7: interlock/baseline.json is not a baseline"):
        baseline_from_json(text, where="run 7: interlock/baseline.json")


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(SourceMalformed, match="upgrade interlock"):
        baseline_from_json('{"format": 99}')


def test_bins_that_were_edited_by_hand_are_noticed() -> None:
    text = baseline_of(LAYOUT, [{"x": 1.0, "c": "a"}]).to_json()
    with pytest.raises(SourceMalformed, match="do not match their digest"):
        baseline_from_json(text.replace('"low": 0.0', '"low": 0.5'))
