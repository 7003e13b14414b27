"""Read a schedule of five fields (minute, hour, day of month, month, day of week) and say when it falls due, in UTC.

Lists, ranges and steps of numbers are understood; names of days and months are not. When both days are restricted
either one suffices, as in cron itself.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from services.errors import SettingsError

_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


def occurrences(schedule: str, *, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times in [start, end) at which a schedule falls due.

    Raises:
        SettingsError: the schedule cannot be read; the field is named.
    """
    minutes, hours, days, months, weekdays = fields(schedule)
    any_day, any_weekday = schedule.split()[2] == "*", schedule.split()[4] == "*"
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        on_day, on_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        due = on_day and on_weekday if any_day or any_weekday else on_day or on_weekday
        if due and day.month in months:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = day.replace(hour=hour, minute=minute)
                    if start <= moment < end:
                        yield moment
        day += timedelta(days=1)


def fields(schedule: str) -> list[set[int]]:
    """Return the numbers that each field allows; weekday 7 is 0, Sunday.

    Raises:
        SettingsError: there are not five fields, or one cannot be read.
    """
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        raise SettingsError(f"schedule {schedule!r} has {len(parts)} fields: write five, such as 0 2 * * 1")
    found = [_field(schedule, text, *field) for text, field in zip(parts, _FIELDS, strict=True)]
    found[4] = {day % 7 for day in found[4]}
    return found


def _field(schedule: str, text: str, name: str, low: int, high: int) -> set[int]:
    allowed: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        try:
            begin = int(first)
            finish = int(last) if last else (high if step else begin)
            every = int(step) if step else 1
        except ValueError:
            raise SettingsError(f"schedule {schedule!r}: {name} {part!r} is not a number, a range or a step") from None
        if not low <= begin <= finish <= high or every < 1:
            raise SettingsError(f"schedule {schedule!r}: {name} {part!r} lies outside {low} to {high}")
        allowed |= set(range(begin, finish + 1, every))
    return allowed
