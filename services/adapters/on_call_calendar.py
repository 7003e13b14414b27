"""Know who is on call: the rotation of the settings, with the shifts of an iCalendar file laid over it.

A calendar's event is a shift of the person that its summary names; recurring events are expanded around now.
"""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from services.alerts.from_settings import rotation_of
from services.alerts.on_call import Override, Person, Rotation
from services.errors import SourceMalformed
from services.settings import Settings

_AROUND: Final = timedelta(days=35)


class OnCallSource:
    """The rotation as it holds at a time."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings now, so that what is wrong in them is said at start; the calendar at each call."""
        self._rotation = rotation_of(settings)
        self._file = settings.resolve(settings.on_call.calendar) if settings.on_call.calendar else None

    def rotation(self, now: datetime) -> Rotation:
        """Return the rotation around `now`; overrides of the settings win over the calendar.

        Raises:
            SourceMalformed: the calendar cannot be read.
        """
        if self._file is None:
            return self._rotation
        base = self._rotation
        known = {p.name.casefold(): p for p in base.people}
        shifts = tuple(_shift(event, known, base) for event in _events(self._file, now))
        return Rotation(people=base.people, first=base.first, shift_days=base.shift_days, zone=base.zone,
                        overrides=(*shifts, *base.overrides))


def _events(file: Path, now: datetime) -> list[Any]:
    import icalendar  # both take a second together, and only a team with a calendar needs them
    import recurring_ical_events

    try:
        calendar = icalendar.Calendar.from_ical(file.read_bytes())
        found: list[Any] = recurring_ical_events.of(calendar).between(now - _AROUND, now + _AROUND)
    except OSError as error:
        raise SourceMalformed(f"on_call.calendar = {file} cannot be read: {error.strerror}. Check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceMalformed(f"on_call.calendar = {file} is no iCalendar file: {error}. Export it again") from error
    return sorted(found, key=lambda e: str(e.get("DTSTART").dt))


def _shift(event: Any, known: dict[str, Person], base: Rotation) -> Override:
    name = str(event.get("SUMMARY", "")).strip() or "unnamed"
    start = _moment(event.get("DTSTART").dt, base)
    end = _moment(event.get("DTEND").dt, base) if event.get("DTEND") else start + timedelta(days=1)
    # Somebody whom the settings do not know is named all the same: they are on call, we only cannot reach them.
    return Override(start=start, end=end, person=known.get(name.casefold(), Person(name=name)))


def _moment(value: date | datetime, base: Rotation) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return (value if value.tzinfo else value.replace(tzinfo=base.zone)).astimezone(UTC)
