"""The overview of drift: every column over a time range, by one batched test.

Each cell is a window as long as is fair to its column (a day, or a week where no day resembles the baseline), ending
where the cell ends: over a month the cells are days, over three days they are steps of a day-long window, so that the
rhythm of a day is never taken for drift. Rows of every version are compared, in the serving version's bins; the verdict
of a column is measure.py's, not read off this grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from services.core.window import DAY, HOUR, WEEK, TimeWindow, floor_to
from services.drift.effect import ALPHA, ALPHA_SMALL, Effect, min_effects
from services.drift.gather import WEEKS, Gatherer
from services.drift.measure import Against, days_of, is_restless, level_of
from services.profiles.baseline import Role
from services.profiles.bins import Counts, NumericBins

HOURLY_UP_TO: Final = timedelta(days=3)
_STEPS: Final = 24  # cells across a short range


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One column in one step of time. `days` is the length of the window that ends with it."""

    column: str
    bucket: TimeWindow
    days: int
    effect: Effect

    @property
    def unsure(self) -> bool:
        """Whether there are too few rows to say anything."""
        return not self.effect.fires and not self.effect.sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The cells column by column, the worst column first, each column's oldest cell first."""

    step: timedelta
    against: Against
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    restless: frozenset[str] = frozenset()  # columns that fire on many ordinary days too: their firing says little

    def of(self, column: str) -> list[Cell]:
        """Return the cells of one column, oldest first."""
        return [cell for cell in self.cells if cell.column == column]

    def since(self, column: str) -> datetime | None:
        """Return since when the column has been firing without a cell that surely does not; None when it is not."""
        start = None
        for cell in reversed(self.of(column)):
            if cell.effect.fires:
                start = cell.bucket.start
            elif not cell.unsure:
                break
        return start


@dataclass(frozen=True, slots=True)
class _Series:
    """Counts of all rows per bucket, cumulated, so that the sum of any window is one subtraction."""

    start: datetime
    grain: timedelta
    sums: Counts  # (buckets + 1, layout)

    @property
    def began(self) -> datetime | None:
        """When the first rows came; None when none did."""
        filled = np.flatnonzero(self.sums.any(axis=1))
        return self.start + (int(filled[0]) - 1) * self.grain if len(filled) else None

    def over(self, ends: Sequence[datetime], length: timedelta) -> Counts:
        """Return the counts of windows of one length, (ends, layout); what lies before the series counts as empty."""
        high = np.array([(end - self.start) // self.grain for end in ends])
        low = high - length // self.grain
        last = len(self.sums) - 1
        return np.asarray(self.sums[np.clip(high, 0, last)] - self.sums[np.clip(low, 0, last)], np.int64)


def grid(
    of: Gatherer, window: TimeWindow, against: Against, *, hourly_up_to: timedelta = HOURLY_UP_TO
) -> Grid:
    """Return the grid of a time range of whole hours; steps without rows are left out.

    A range longer than `hourly_up_to` is shown by days.

    Raises:
        NotFound: the subject is a slice that the baseline does not know.
    """
    # A slice keeps its hours for a few days only: too short for the windows that would end in each of them.
    short = window.length <= hourly_up_to and not of.subject.slice
    grain = HOUR if short else DAY
    step = max(HOUR, window.length // _STEPS // HOUR * HOUR) if short else DAY
    ends = _ends(window, step)
    if not ends:
        return Grid(step=step, against=against, columns=(), cells=())
    back = {Against.TRAINING: WEEK, Against.PREVIOUS: 2 * WEEK, Against.SEASONAL: WEEKS * WEEK + DAY}[against]
    series = _series(of, TimeWindow(floor_to(ends[0] - step - back, grain), ends[-1]), grain)
    began = series.began
    weeks = 2 if against is Against.PREVIOUS else 1  # the week before is part of the comparison
    by_column: dict[str, list[Cell]] = {}
    for days in (1, 7):
        for cell in _cells(of, series, ends, step, days, against):
            # Part of a week is no week to a column that follows the calendar.
            if days == 1 or (began is not None and cell.bucket.end - weeks * WEEK >= began):
                by_column.setdefault(cell.column, []).append(cell)
    restless = frozenset(c for c in by_column if is_restless(level_of(of.baseline.usual_of(c), against)))
    columns = sorted(by_column, key=lambda c: (c not in restless, _worst(by_column[c])), reverse=True)
    return Grid(step=step, against=against, columns=tuple(columns), restless=restless,
                cells=tuple(cell for column in columns for cell in by_column[column]))


def _ends(window: TimeWindow, step: timedelta) -> list[datetime]:
    """Return where the cells end: at the window's end and steps before it, on whole days where the step is a day."""
    last = floor_to(window.end, DAY if step == DAY else HOUR)
    count = max(0, (last - window.start) // step)
    return [last - k * step for k in range(count)][::-1]


def _cells(
    of: Gatherer, series: _Series, ends: Sequence[datetime], step: timedelta, days: int, against: Against
) -> list[Cell]:
    layout, roles = of.baseline.layout, of.baseline.roles
    names = [name for name in layout.columns
             if roles.get(name) is not Role.LABEL and days_of(of.baseline.usual_of(name), against) == days]
    if not names:
        return []
    length = days * DAY
    ours = series.over(ends, length)
    if against is Against.TRAINING:
        theirs = np.broadcast_to(of.training().counts, ours.shape)
    elif against is Against.PREVIOUS:
        theirs = series.over([end - length for end in ends], length)
    else:
        theirs = np.sum([_week_before(series, ends, length, k, of.baseline.zone) for k in range(1, WEEKS + 1)], axis=0)
    width = max(layout.columns[n].fold(ours[:1, layout.parts[n]]).shape[1] for n in names)
    sides = []
    for side in (ours, theirs):
        folded = [layout.columns[n].fold(side[:, layout.parts[n]]) for n in names]
        # One rectangle for all columns: bins that a column does not have hold nothing on either side.
        sides.append(np.concatenate([np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in folded]))
    effects = min_effects(
        sides[0], sides[1], ordered=np.repeat([isinstance(layout.columns[n], NumericBins) for n in names], len(ends)),
        psi0=np.repeat([level_of(of.baseline.usual_of(n), against).psi0 for n in names], len(ends)),
        alpha=ALPHA if against is Against.TRAINING else ALPHA_SMALL)
    places = [(name, TimeWindow(end - step, end)) for name in names for end in ends]
    return [Cell(column=name, bucket=bucket, days=days, effect=effect)
            for (name, bucket), effect in zip(places, effects, strict=True) if effect.n]


def _week_before(series: _Series, ends: Sequence[datetime], length: timedelta, weeks: int, zone: tzinfo) -> Counts:
    """Return the counts of the same hours so many weeks before; none where the series is too coarse to tell them.

    Once the clock of the zone was changed a day begins an hour sooner or later, and a series of days has no hours.
    """
    windows = [TimeWindow(end - length, end).weeks_before(weeks, zone) for end in ends]
    same = [window == TimeWindow(end - length, end).shifted(-weeks * WEEK)
            for window, end in zip(windows, ends, strict=True)]
    fair = np.array(same) | (series.grain == HOUR)
    return series.over([window.end for window in windows], length) * fair[:, None]


def _series(of: Gatherer, window: TimeWindow, grain: timedelta) -> _Series:
    items = of.profiles.read(
        of.baseline.layout, window, model=of.subject.model, environment=of.subject.environment,
        slice_=of.subject.slice, grain="hour" if grain == HOUR else "day")
    counts = np.zeros((window.length // grain + 1, of.baseline.layout.size), np.int64)
    for item in items:
        counts[(item.bucket.start - window.start) // grain + 1] += item.profile.counts
    return _Series(window.start, grain, counts.cumsum(axis=0))


def _worst(mine: Sequence[Cell]) -> tuple[float, float]:
    """Rank by the newest cells first: what fires now stands above what fired once."""
    ratios = [0.0 if cell.unsure else cell.effect.effect / cell.effect.critical for cell in mine]
    firing = [ratio if cell.effect.fires else 0.0 for ratio, cell in zip(ratios, mine, strict=True)]
    return max(firing[-3:], default=0.0), max(ratios, default=0.0)
