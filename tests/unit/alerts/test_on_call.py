"""Who has the duty, until when, and who is next."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.on_call import Override, Person, rotation
from services.errors import SettingsError

BERLIN = ZoneInfo("Europe/Berlin")
ANN, BOB, EVE = (Person(name=name) for name in ("ann", "bob", "eve"))


def weekly(**changes):
    return rotation(**{"people": [ANN, BOB, EVE], "handover": "Mon 09:00", "start": "2026-01-05", "shift_days": 7,
                       "time_zone": "Europe/Berlin", **changes})


def at(*parts):
    return datetime(*parts, tzinfo=BERLIN)


def test_the_duty_changes_at_the_hand_over_and_not_before():
    turns = weekly()
    assert turns.duty(at(2026, 1, 5, 9)).person == ANN
    assert turns.duty(at(2026, 1, 12, 8, 59)).person == ANN
    after = turns.duty(at(2026, 1, 12, 9))
    assert (after.person, after.next, after.until) == (BOB, EVE, at(2026, 1, 19, 9))


def test_nine_in_the_morning_stays_nine_over_the_change_to_summer_time():
    assert weekly().duty(at(2026, 3, 28, 12)).until == at(2026, 3, 30, 9)
    assert weekly().duty(at(2026, 3, 30, 8, 30)).person != weekly().duty(at(2026, 3, 30, 9, 30)).person


def test_a_stand_in_has_the_duty_for_the_time_of_the_override_only():
    over = Override(start=at(2026, 1, 6), end=at(2026, 1, 7), person=EVE)
    turns = weekly(overrides=[over])
    assert turns.duty(at(2026, 1, 5, 10)).next == EVE
    inside = turns.duty(at(2026, 1, 6, 10))
    assert (inside.person, inside.until, inside.next, inside.stands_in) == (EVE, at(2026, 1, 7), ANN, True)
    assert turns.duty(at(2026, 1, 7)).person == ANN


def test_an_escalation_goes_around_the_rotation():
    assert [weekly().at_level(n, at(2026, 1, 6)).name for n in range(4)] == ["ann", "bob", "eve", "ann"]


def test_an_empty_rotation_names_nobody():
    duty = weekly(people=[]).duty(at(2026, 1, 6))
    assert (duty.person, duty.until, duty.next) == (None, None, None)


@pytest.mark.parametrize(("changes", "said"), [
    ({"handover": "sometime"}, "on_call.handover"), ({"time_zone": "Mars/Base"}, "on_call.time_zone"),
    ({"start": "soon"}, "on_call.start"),
])
def test_what_cannot_be_read_is_named(changes, said):
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        weekly(**changes)


@given(st.integers(0, 5000), st.integers(1, 14))
def test_somebody_has_the_duty_at_every_hour_until_a_later_time(hours, days):
    moment = at(2026, 1, 5, 9) + timedelta(hours=hours)
    duty = weekly(shift_days=days).duty(moment)
    assert duty.person in (ANN, BOB, EVE)
    assert duty.until > moment
