"""What was changed shortly before comes first; a coincidence is said as one."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.ports import Change
from services.alerts.suspects import LOOK_BACK, suspects
from tests.unit.alerts.alert_builders import MINUTE, NOW


def change(minutes, text, kind="decision"):
    return Change(at=NOW - minutes * MINUTE, kind=kind, text=text)


def test_the_nearest_change_before_comes_first_with_how_long_before():
    found = suspects(NOW, [change(300, "a retrain ended"), change(6, "version 12 took 25% of production", "traffic")])
    assert [s.text for s in found] == [
        "began 6 min after version 12 took 25% of production", "began 5 h after a retrain ended"]


def test_a_day_is_looked_back_and_what_came_later_is_no_suspect():
    long_ago, later = change(24 * 60 + 1, "long ago"), change(-10, "later")
    assert suspects(NOW, [long_ago, later]) == []


def test_what_was_written_down_a_moment_after_may_still_have_come_before():
    assert [s.text for s in suspects(NOW, [change(-2, "an alias moved")])] == ["began just before an alias moved"]


def test_versions_registered_by_one_job_are_one_suspect_and_decisions_stay_apart():
    many = [change(n, f"version {n} was registered", "registered") for n in range(1, 7)]
    found = suspects(NOW, [*many, change(2, "ann did promote"), change(3, "bob did promote")])
    assert [s.text for s in found] == [
        "began 1 min after version 1 was registered, and 5 more like it in the day before",
        "began 2 min after ann did promote", "began 3 min after bob did promote"]


@given(st.lists(st.integers(-20, 2000), max_size=20))
def test_suspects_stand_in_order_of_nearness_whatever_order_they_come_in(minutes):
    changes = [change(m, f"change {i}") for i, m in enumerate(minutes)]
    found = suspects(NOW, changes)
    assert found == suspects(NOW, changes[::-1])
    distances = [abs(s.before) for s in found]
    assert distances == sorted(distances)
    assert all(timedelta(minutes=-5) <= s.before <= LOOK_BACK for s in found)
