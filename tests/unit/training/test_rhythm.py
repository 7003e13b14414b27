"""Whether a run is missed is a matter of the pipeline's own schedule or pace, not of one week for all."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.training.rhythm import WEEK, Rhythm, rhythm

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_three_median_gaps_may_pass_and_never_less_than_a_week() -> None:
    monthly = rhythm([NOW - 80 * DAY, NOW - 50 * DAY, NOW - 20 * DAY])
    nightly = rhythm([NOW - back * DAY for back in range(5)])
    assert (monthly.gap, monthly.span(now=NOW)) == (30 * DAY, 90 * DAY)
    assert (nightly.gap, nightly.span(now=NOW)) == (DAY, WEEK)


def test_a_schedule_is_missed_only_once_its_run_should_have_begun() -> None:
    due = NOW - 23 * DAY
    assert not rhythm([due], due=due).missed
    assert not rhythm([due + 15 * DAY, due - 6 * DAY], due=due).missed
    assert rhythm([due - 30 * DAY], due=due).missed
    assert rhythm([], due=due).missed


def test_what_ran_once_promises_nothing() -> None:
    once = rhythm([NOW - 8 * DAY])
    assert (once.expected, once.missed, once.comparable(12)) == (False, False, False)
    assert rhythm([NOW - 8 * DAY], due=NOW - 9 * DAY).expected


def test_durations_are_comparable_where_they_come_within_a_quarter() -> None:
    assert Rhythm(gap=7 * DAY).comparable(12)
    assert not Rhythm(gap=30 * DAY).comparable(12)


@given(st.lists(st.integers(0, 400), max_size=30))
def test_the_order_of_runs_does_not_matter_and_the_span_holds_a_week(backs: list[int]) -> None:
    starts = [NOW - back * DAY for back in backs]
    found = rhythm(starts)
    assert found == rhythm(sorted(starts))
    assert found.span(now=NOW) >= WEEK
