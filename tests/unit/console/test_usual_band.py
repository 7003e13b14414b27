"""The band behind the durations lies where eight of ten runs lie: on each side of a change its own."""

from datetime import timedelta

from console.queries.training import usual
from tests.conftest import NOW

HOUR = timedelta(hours=1)


def points(*minutes: float, state: str = "fine") -> list[dict[str, object]]:
    return [{"at": NOW + n * HOUR, "minutes": length, "state": state} for n, length in enumerate(minutes)]


def test_a_steady_pipeline_has_one_band_over_all_of_it():
    (band,) = usual(points(*[10.0] * 9, 30.0), None)
    assert (band["start"], band["end"], band["low"]) == (NOW, NOW + 9 * HOUR, 10.0)
    assert 10 <= band["high"] < 30


def test_a_slowed_one_has_its_old_band_up_to_the_change_and_its_new_one_after_it():
    before, after = usual(points(*[10.0] * 6, *[20.0] * 5), NOW + 6 * HOUR)
    assert (before["start"], before["end"], before["high"]) == (NOW, NOW + 6 * HOUR, 10.0)
    assert (after["start"], after["end"], after["low"]) == (NOW + 6 * HOUR, NOW + 10 * HOUR, 20.0)


def test_a_side_of_a_few_runs_has_none_and_failures_count_for_none():
    assert len(usual(points(*[10.0] * 6, *[20.0] * 4), NOW + 6 * HOUR)) == 1
    assert usual(points(*[10.0] * 12, state="failing"), None) == []
