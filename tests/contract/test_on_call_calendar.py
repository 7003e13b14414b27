"""A team's calendar says who is on call, over the rotation of the settings."""

from datetime import UTC, datetime

import pytest

from services.adapters.on_call_calendar import OnCallSource
from services.errors import SourceMalformed
from services.settings import load

HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n"
WEEKLY = (
    "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Bob\r\nDTSTART:20260302T080000Z\r\n"
    "DTEND:20260302T200000Z\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\n"
)
STRANGER = (
    "BEGIN:VEVENT\r\nUID:2\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Zoe\r\nDTSTART;VALUE=DATE:20260304\r\n"
    "DTEND;VALUE=DATE:20260305\r\nEND:VEVENT\r\n"
)


def source(tmp_path, *events):
    (tmp_path / "team.ics").write_text(HEAD + "".join(events) + "END:VCALENDAR\r\n")
    file = tmp_path / "interlock.toml"
    people = '[{ name = "ann" }, { name = "bob" }]'
    file.write_text(f'[on_call]\npeople = {people}\ncalendar = "team.ics"\nstart = "2026-03-02"\n')
    return OnCallSource(load(str(file), environ={}))


def who(found, *moment):
    at = datetime(*moment, tzinfo=UTC)
    return found.rotation(at).duty(at).person.name


def test_a_recurring_shift_stands_over_the_rotation_each_week(tmp_path):
    found = source(tmp_path, WEEKLY)
    assert who(found, 2026, 3, 2, 9) == "bob"
    assert who(found, 2026, 3, 2, 21) == "ann"
    assert who(found, 2026, 3, 16, 12) == "bob"


def test_somebody_unknown_to_the_settings_is_named_all_the_same(tmp_path):
    assert who(source(tmp_path, STRANGER), 2026, 3, 4, 12) == "Zoe"


def test_a_file_that_is_no_calendar_is_one_line(tmp_path):
    found = source(tmp_path)
    (tmp_path / "team.ics").write_text("nonsense")
    with pytest.raises(SourceMalformed, match="no iCalendar file"):
        found.rotation(datetime(2026, 3, 2, tzinfo=UTC))


def test_a_calendar_that_is_gone_is_named(tmp_path):
    found = source(tmp_path)
    (tmp_path / "team.ics").unlink()
    with pytest.raises(SourceMalformed, match=r"team\.ics cannot be read"):
        found.rotation(datetime(2026, 3, 2, tzinfo=UTC))
