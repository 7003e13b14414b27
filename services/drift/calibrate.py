"""Set psi0 per column from ordinary day blocks of the baseline.

Real rows are clustered in time (one storm is a thousand rows), so the least change worth telling differs from column to
column, and with what a day is compared with. Each day block is compared as the monitor will: with the rest of the
baseline, which does not hold it; with the day before; with the same weekday of the four weeks before. psi0 is the least
value at which no block would have fired. A column that even so differs by more than CEILING from day to day, because it
follows the calendar, is measured by weeks. How well psi0 holds on blocks it has not seen is `achieved`: the rate on
each half of the time at the psi0 of the other half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from services.drift.effect import ALPHA, ALPHA_SMALL, min_effect, tail
from services.profiles.baseline import PSI0, Baseline, Level, Usual
from services.profiles.bins import Bins, Counts
from services.profiles.profile import Profile

MIN_BLOCKS: Final = 8
MIN_ROWS: Final = 100  # a block smaller than this tells nothing about a day
CEILING: Final = 0.25  # beyond this a column would never be called drifted; its achieved rate says how it does
WEEK: Final = 7
_DAY: Final = timedelta(days=1)

Blocks = Mapping[datetime, Counts]


def calibrated(baseline: Baseline, blocks: Mapping[datetime, Profile]) -> Baseline:
    """Return the baseline with its usual change per column; unchanged where there are too few day blocks.

    `blocks` are the baseline's own days, by the day's start.
    """
    days = {day: block for day, block in sorted(blocks.items()) if block.rows >= MIN_ROWS}
    if len(days) < MIN_BLOCKS:
        return baseline
    return replace(baseline, usual={name: _usual(name, baseline, days) for name in baseline.layout.columns})


def _usual(name: str, baseline: Baseline, days: Mapping[datetime, Profile]) -> Usual:
    whole = baseline.profile.column(name)
    columns = [block.column(name) for block in days.values() if block.column(name).rows]
    counts = {day: block.column(name).test_counts for day, block in days.items() if block.column(name).rows}
    if len(counts) < MIN_BLOCKS:
        return Usual()
    daily = _from_rest(counts, whole.test_counts, whole.bins)
    span, least = 1, daily
    weeks = _weeks(counts)
    if max(daily) > CEILING and len(weeks) >= MIN_BLOCKS:
        weekly = _from_rest(weeks, whole.test_counts, whole.bins)
        if max(weekly) <= CEILING:
            span, least = WEEK, weekly
    previous = _from_earlier(counts if span == 1 else weeks, [span], whole.bins)
    seasonal = _from_earlier(counts, [7, 14, 21, 28], whole.bins)
    return Usual(
        days=span, training=_level(least), previous=_level(previous or least),
        seasonal=_level(seasonal or previous or least),
        missing=max(c.missing / c.rows for c in columns),
        out_of_range=max((c.out_of_range + c.unseen) / c.rows for c in columns),
    )


def _weeks(days: Blocks) -> dict[datetime, Counts]:
    """Return the sums of seven days without a gap, by their last day."""
    spans = {day: [day - k * _DAY for k in range(WEEK)] for day in days}
    return {day: np.sum([days[d] for d in span], axis=0) for day, span in spans.items() if all(d in days for d in span)}


def _from_rest(blocks: Blocks, whole: Counts, bins: Bins) -> list[float]:
    return [_least_psi0(mine, whole - mine, bins, ALPHA) for mine in blocks.values()]


def _from_earlier(blocks: Blocks, back: Sequence[int], bins: Bins) -> list[float]:
    """Compare each block with the sum of the blocks so many days before it; those that lack one are left out."""
    found = []
    for day, mine in blocks.items():
        earlier = [day - k * _DAY for k in back]
        if all(d in blocks for d in earlier):
            theirs = np.sum([blocks[d] for d in earlier], axis=0)
            found.append(_least_psi0(mine, theirs, bins, ALPHA_SMALL))
    return found


def _level(least: Sequence[float]) -> Level:
    middle = len(least) // 2
    halves = least[:middle], least[middle:]
    fired = sum(x > _psi0(other) for mine, other in (halves, halves[::-1]) for x in mine)
    return Level(psi0=_psi0(least), achieved=fired / len(least), blocks=len(least))


def _psi0(least: Sequence[float]) -> float:
    return min(CEILING, max(PSI0, *least)) if least else PSI0


def _least_psi0(block: Counts, rest: Counts, bins: Bins, alpha: float) -> float:
    """Return the least psi0 at which this block does not fire, by bisection: p grows with psi0."""
    found = min_effect(block, rest, bins, psi0=PSI0, alpha=alpha)
    if not found.fires:
        return 0.0
    scale = found.n * found.m / (found.n + found.m)
    low, high = PSI0, max(PSI0, found.effect)
    x2, df = np.array([found.effect * scale]), np.array([found.bins - 1])
    for _ in range(20):
        middle = (low + high) / 2
        fires = tail(x2, df, np.array([middle * scale]))[0] < alpha
        low, high = (middle, high) if fires else (low, middle)
    return high
