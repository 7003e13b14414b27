"""Say whether a run of a pipeline is expected by now: by its schedule, or by how often it has run.

A week without runs says something about a nightly pipeline and nothing about a monthly one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

WEEK: Final = timedelta(days=7)
GRACE: Final = timedelta(hours=1)  # a scheduled run may begin this much late
EARLY: Final = timedelta(minutes=15)  # and this much before its time, by another clock
_GAPS: Final = 3  # median gaps without a run, from which one is missed
_QUARTER: Final = timedelta(days=90)  # within which a comparison of durations should have its runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often a pipeline runs.

    `gap` is the median time between starts, None below two runs. `due` is when its schedule last asked for a run, None
    without a schedule.
    """

    last: datetime | None = None
    gap: timedelta | None = None
    due: datetime | None = None

    @property
    def missed(self) -> bool:
        """Tell whether its schedule asked for a run that never began."""
        return self.due is not None and (self.last is None or self.last < self.due - EARLY)

    @property
    def expected(self) -> bool:
        """Tell whether anything says that it runs again: a schedule, or two runs."""
        return self.due is not None or self.gap is not None

    def span(self, *, now: datetime) -> timedelta:
        """Return how far back its runs speak for it: a week, or as long as its next run may take to come."""
        asked = now - self.due + EARLY if self.due else _GAPS * self.gap if self.gap else WEEK
        return max(WEEK, asked)

    def comparable(self, runs: int) -> bool:
        """Tell whether it runs so often that `runs` durations come together within a quarter of a year."""
        return self.gap is not None and self.gap * runs <= _QUARTER


def rhythm(starts: Sequence[datetime], *, due: datetime | None = None) -> Rhythm:
    """Return the rhythm of a pipeline from the starts of its newest runs, in any order."""
    ordered = sorted(starts)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ordered)]
    return Rhythm(last=ordered[-1] if ordered else None, gap=timedelta(seconds=median(gaps)) if gaps else None, due=due)
