"""When each version of the demo was trained, on what, and when it served: the timetable of the seeded past.

Pure: the models are trained in seed.py, and what is drawn from the timetable is written in tracking.py and history.py.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.demo.shift import to_utc

TRAILING: Final = timedelta(weeks=8)  # a version is trained on the flights that landed in this span before its cut
VALIDATED: Final = timedelta(days=7)  # the last of it, which tests the version and is not trained on
SERVED_FAST: Final = timedelta(weeks=6)
SIGN_OFF: Final = timedelta(hours=8)  # from a training to its promotion, in the morning

# The days of 2013 on which the versions that served were trained; the candidate is trained on the last.
_FULL: Final = tuple(date(2013, month, 1) for month in range(2, 12))
_FAST: Final = (date(2013, 10, 14), date(2013, 11, 4))
_CANDIDATE: Final = date(2013, 11, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One training: on the trailing span before `cut`. It answered production from `since` to `until`.

    `until` is None for the version that serves now; a candidate never served (`serves` is False).
    """

    number: int
    cut: datetime
    since: datetime
    until: datetime | None
    serves: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The seeded past of both models."""

    now: datetime
    weeks: int
    serving_from: datetime
    versions: tuple[Version, ...]
    refreshes: tuple[datetime, ...]  # nightly trainings that are measured and not registered
    ingests: tuple[datetime, ...]  # nightly runs of the data pipeline, each for the day before

    @property
    def champion(self) -> Version:
        """The version that serves production now."""
        return next(v for v in self.versions if v.serves and v.until is None)

    @property
    def candidate(self) -> Version:
        """The newest version, trained and not yet released."""
        return self.versions[-1]


def timetable(now: datetime, *, weeks: int, fast: bool) -> Timetable:
    """Return the past that is seeded before `now`; `fast` takes the last six weeks instead of ten months."""
    starts = _FAST if fast else _FULL
    cuts = [_cut(day, weeks) for day in starts]
    served = [
        Version(number=i + 1, cut=cut, since=cut + SIGN_OFF,
                until=cuts[i + 1] + SIGN_OFF if i + 1 < len(cuts) else None)
        for i, cut in enumerate(cuts)
    ]
    trained = _cut(_CANDIDATE, weeks)
    candidate = Version(number=len(cuts) + 1, cut=trained, since=trained, until=None, serves=False)
    nights = _nights(now, 16 if fast else 24)
    return Timetable(
        now=now, weeks=weeks, serving_from=max(served[0].since, now - SERVED_FAST) if fast else served[0].since,
        versions=(*served, candidate), refreshes=nights, ingests=nights[-8:] if fast else nights,
    )


def _cut(day: date, weeks: int) -> datetime:
    """Return 02:00 in New York on a day of 2013: the hour without flights in which trainings start."""
    return to_utc(datetime.combine(day, time(2)), weeks=weeks)


def _nights(now: datetime, count: int) -> tuple[datetime, ...]:
    """Return 07:00 UTC (the small hours in New York) of the last `count` days before `now`, oldest first."""
    last = now.astimezone(UTC).replace(hour=7, minute=0, second=0, microsecond=0)
    if last > now - timedelta(minutes=30):
        last -= timedelta(days=1)
    return tuple(last - timedelta(days=back) for back in range(count - 1, -1, -1))
