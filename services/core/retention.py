"""Decide what is old enough to be deleted. Deleting is services/adapters/prune.py; the audit chain is in no plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.errors import Refused

# A shorter span would delete what today's pages and judgements stand on.
SHORTEST = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One kind of rows, and the time before which they go."""

    kind: str
    before: datetime


def plan(kept: Mapping[str, timedelta], *, now: datetime) -> list[Cut]:
    """Return one cut per kind, at the start of a day in UTC: buckets and partitions go whole or stay.

    Raises:
        Refused: a span is shorter than a week.
    """
    for kind, span in kept.items():
        if span < SHORTEST:
            raise Refused(f"retention.{kind} is shorter than {SHORTEST.days} days: what the pages stand on would go; "
                          "set it longer")
    return [Cut(kind=kind, before=_midnight(now - span)) for kind, span in kept.items()]


def old_days(days: Iterable[date], *, before: datetime) -> list[date]:
    """Return the days that ended before a time, oldest first."""
    return sorted(day for day in days if _midnight(datetime.combine(day, datetime.min.time(), UTC)) +
                  timedelta(days=1) <= before)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
