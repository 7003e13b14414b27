"""Say who is on call at a time, and who comes next, from a rotation and its overrides.

Hand-over times are local: Monday 09:00 stays 09:00 over a change to summer time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.errors import SettingsError

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can be on call: a name, and the Apprise addresses that reach them."""

    name: str
    reach: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Somebody stands in from `start` to `end`."""

    start: datetime
    end: datetime
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Who has the duty until when; `person` is None when the rotation is empty."""

    person: Person | None
    until: datetime | None
    next: Person | None
    stands_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """People who take turns. `first` is the local start of the first person's first shift."""

    people: tuple[Person, ...]
    first: datetime
    shift_days: int
    zone: ZoneInfo
    overrides: tuple[Override, ...] = ()

    def duty(self, now: datetime) -> Duty:
        """Return who is on call at `now`; the last override that covers it wins over the rotation."""
        if not self.people and not self.overrides:
            return Duty(person=None, until=None, next=None)
        regular, until, following = self._regular(now)
        covering = [o for o in self.overrides if o.start <= now < o.end]
        coming = [o for o in self.overrides if o.start > now and (until is None or o.start < until)]
        if covering:
            over = covering[-1]
            after = Rotation(people=self.people, first=self.first, shift_days=self.shift_days, zone=self.zone,
                             overrides=tuple(o for o in self.overrides if o is not over)).duty(over.end)
            return Duty(person=over.person, until=over.end, next=after.person, stands_in=True)
        if coming:
            soon = min(coming, key=lambda o: o.start)
            return Duty(person=regular, until=soon.start, next=soon.person)
        return Duty(person=regular, until=until, next=following)

    def _regular(self, now: datetime) -> tuple[Person | None, datetime | None, Person | None]:
        if not self.people:
            return None, None, None
        local = now.astimezone(self.zone)
        # Counted in local days, not in hours: a shift over a clock change is 23 or 25 hours short or long.
        days = (local.date() - self.first.date()).days
        turn = days // self.shift_days
        if days % self.shift_days == 0 and local.time() < self.first.time():
            turn -= 1
        end_day = self.first.date() + timedelta(days=(turn + 1) * self.shift_days)
        until = datetime.combine(end_day, self.first.time(), tzinfo=self.zone)
        return self.people[turn % len(self.people)], until, self.people[(turn + 1) % len(self.people)]

    def at_level(self, level: int, now: datetime) -> Person | None:
        """Return whom an escalation reaches: 0 who is on call, 1 the next, and so on around the rotation."""
        duty = self.duty(now)
        if level == 0 or not self.people:
            return duty.person
        names = [p.name for p in self.people]
        place = names.index(duty.person.name) if duty.person and duty.person.name in names else -1
        return self.people[(place + level) % len(self.people)]


def rotation(
    *, people: Sequence[Person], handover: str, start: str, shift_days: int, time_zone: str,
    overrides: Sequence[Override] = (),
) -> Rotation:
    """Return the rotation that the settings describe; `handover` is such as `Mon 09:00`, `start` a date or empty.

    Raises:
        SettingsError: a day, time, date or zone cannot be read.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"on_call.time_zone = {time_zone!r} is no zone: write such as Europe/Berlin") from error
    try:
        day, clock = handover.split()
        weekday, at = _DAYS.index(day[:3].lower()), time.fromisoformat(clock)
    except ValueError as error:
        raise SettingsError(f"on_call.handover = {handover!r} cannot be read: write such as Mon 09:00") from error
    try:
        began = datetime.fromisoformat(start) if start else datetime(2024, 1, 1)  # noqa: DTZ001 -- a local date
    except ValueError as error:
        raise SettingsError(f"on_call.start = {start!r} is not a date: write such as 2026-01-05") from error
    first_day = began.date() + timedelta(days=(weekday - began.weekday()) % 7)
    return Rotation(people=tuple(people), first=datetime.combine(first_day, at, tzinfo=zone), shift_days=shift_days,
                    zone=zone, overrides=tuple(overrides))
