"""The minimum-effect test: is the change between two profiles larger than psi0, beyond what chance explains?

    p = (n p^ + m q^) / (n + m)               share of each bin in both together, rare bins merged first
    X2 = n m / (n + m) * sum (p^ - q^)^2 / p  Pearson's two-sample chi-squared
    p-value = P(noncentral chi-squared(K - 1, psi0 * n m / (n + m)) >= X2)

The idea is arXiv 2307.11878 (hypothesis tests of a minimum effect on the PSI scale); for small changes
X2 (n + m) / (n m) is the PSI, and that is the `effect` shown. What a finding means
for a feature is decided in measure.py.
Rare values are merged here and therefore cannot fire; rates.py judges them by a rule of their own.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, sqrt
from typing import Any, Final

import numpy as np
from scipy.special import chndtr, chndtrix

from services.profiles.bins import Bins, CategoricalBins, Counts

MIN_IN_BIN: Final = 5  # below this many rows expected in a bin, the chi-squared law does not hold
ALPHA: Final = 0.001  # for a baseline of many rows, looked at every hour over many features
ALPHA_SMALL: Final = 0.01  # for a baseline as small as the window: same-hour weeks, the window before
POWER: Final = 0.75  # below this chance of seeing a real change, "nothing found" says nothing
VISIBLE: Final = 0.16  # how far beyond psi0 the change must be that we promise to see: .16 of a standard deviation
SMALLEST_P: Final = 1e-12  # 1 - chndtr underflows below; shown as "< 1e-12"

Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the test found.

    `effect` is on the PSI scale; `noise` is its expected value when nothing changed; `critical` is the effect at which
    the test fires with these rows. `power` is the chance of seeing a change of `visible`; `needed` the rows the window
    must have for POWER (None where the baseline is too small for any window).
    """

    effect: float
    noise: float
    critical: float
    p: float
    n: int
    m: int
    bins: int
    psi0: float
    alpha: float
    visible: float
    power: float
    needed: int | None

    @property
    def fires(self) -> bool:
        """Whether the change is larger than psi0 beyond noise."""
        return self.p < self.alpha

    @property
    def sure(self) -> bool:
        """Whether there are rows enough that not firing means something."""
        return self.power >= POWER


def min_effect(window: Counts, baseline: Counts, bins: Bins, *, psi0: float, alpha: float = ALPHA) -> Effect:
    """Compare two columns' test counts (`ColumnProfile.test_counts`) that were counted in the same bins."""
    ordered = np.array([not isinstance(bins, CategoricalBins)])
    return min_effects(window[None, :], baseline[None, :], ordered=ordered, psi0=np.array([psi0]), alpha=alpha)[0]


def min_effects(windows: Counts, baselines: Counts, *, ordered: Flags, psi0: Floats, alpha: float) -> list[Effect]:
    """Compare many pairs at once: a page of thirty days and fifty features is one call.

    Args:
        windows: (pairs, bins) counts; columns with fewer bins are filled up with zeros.
        baselines: (pairs, bins) counts in the same bins.
        ordered: (pairs,) whether the bins have an order; rare ones of a category are merged together.
        psi0: (pairs,) the least change worth telling.
        alpha: significance.
    """
    n, m = windows.sum(axis=1).astype(float), baselines.sum(axis=1).astype(float)
    there = (n > 0) & (m > 0)
    scale = np.where(there, n * m / np.maximum(1.0, n + m), 1.0)
    ours, theirs, bins = merge_rare(windows, baselines, ordered)
    x2 = chi_squared(ours, theirs)
    # One bin leaves nothing to compare; what could have been seen is a second one filling up.
    df = np.maximum(1, bins - 1)
    visible = (np.sqrt(psi0) + VISIBLE) ** 2
    critical = chndtrix(1 - alpha, df, psi0 * scale)
    p = np.where(bins > 1, tail(x2, df, psi0 * scale), 1.0)
    power = np.where(there, 1.0 - chndtr(critical, df, visible * scale), 0.0)
    return [
        Effect(
            effect=float(x2[i] / scale[i]) if there[i] else 0.0, noise=float((bins[i] - 1) / scale[i]),
            critical=float(critical[i] / scale[i]) if there[i] else inf, p=float(p[i]) if there[i] else 1.0,
            n=int(n[i]), m=int(m[i]), bins=int(bins[i]), psi0=float(psi0[i]), alpha=alpha, visible=float(visible[i]),
            power=float(power[i]),
            needed=rows_needed(int(m[i]), bins=int(bins[i]) if there[i] else 10, psi0=float(psi0[i]), alpha=alpha),
        )
        for i in range(len(windows))
    ]


def merge_rare(windows: Counts, baselines: Counts, ordered: Flags) -> tuple[Counts, Counts, Counts]:
    """Return both sides with rare bins merged, and how many bins each pair has left.

    A bin is rare when either side would expect fewer than MIN_IN_BIN rows in it. Bins with an order join their
    neighbour, and the missing one the last; of categories the rare ones form one bin. A short last bin joins the one
    before. Rows keep their width: what is merged away is zero on both sides and adds nothing to any sum.
    """
    n, m = windows.sum(axis=1, keepdims=True), baselines.sum(axis=1, keepdims=True)
    expected = (windows + baselines) * (np.minimum(n, m) / np.maximum(1, n + m))
    # The order of categories means nothing: the frequent ones first leaves the rare ones together at the end.
    places = np.arange(windows.shape[1])
    order = np.where(ordered[:, None], places, np.argsort(-expected, axis=1, kind="stable"))
    expected = np.take_along_axis(expected, order, axis=1)
    groups = np.zeros(windows.shape, np.int64)
    group, held = np.zeros(len(windows), np.int64), np.zeros(len(windows))
    for place in places:
        full = held >= MIN_IN_BIN
        group, held = group + full, np.where(full, 0.0, held) + expected[:, place]
        groups[:, place] = group
    last = np.where((held < MIN_IN_BIN) & (group > 0), group - 1, group)
    groups = np.minimum(groups, last[:, None])
    flat = (groups + np.arange(len(windows))[:, None] * windows.shape[1]).ravel()
    ours, theirs = (
        np.bincount(flat, np.take_along_axis(side, order, axis=1).ravel(), windows.size).reshape(windows.shape)
        for side in (windows, baselines)
    )
    return ours.astype(np.int64), theirs.astype(np.int64), last + 1


def chi_squared(windows: Counts, baselines: Counts) -> Floats:
    """Return Pearson's two-sample chi-squared of each row; bins that are empty on both sides add nothing.

    [30, 70] against [50, 50]: p^ = .3, .7; q^ = .5, .5; pooled .4, .6; 50 * (.04/.4 + .04/.6) = 8.333.
    """
    n, m = windows.sum(axis=1, keepdims=True), baselines.sum(axis=1, keepdims=True)
    both = windows + baselines
    gap = windows / np.maximum(1, n) - baselines / np.maximum(1, m)
    # Where both are empty the gap is zero too, so any divisor will do.
    return np.asarray(n[:, 0] * m[:, 0] * (gap**2 / np.maximum(1, both)).sum(axis=1), np.float64)


def tail(x2: Floats, df: Counts, nc: Floats) -> Floats:
    """Return the chance of a noncentral chi-squared value of at least `x2`; it underflows to 0 below 1e-16.

    The same number as `scipy.stats.ncx2.sf`, without the two seconds that importing scipy.stats takes.
    """
    below = np.asarray(chndtr(x2, df, nc), np.float64)
    # Far in the tail the series gives up with NaN; a value beyond every quantile has no chance left.
    return np.where(np.isnan(below), 0.0, np.maximum(0.0, 1.0 - below))


@lru_cache(maxsize=4096)
def _scale_needed(bins: int, psi0: float, alpha: float) -> float:
    """Return the n m / (n + m) at which a visible change is seen with POWER, by bisection."""
    df, visible = max(1, bins - 1), (sqrt(psi0) + VISIBLE) ** 2
    low, high = 1.0, 1e6
    for _ in range(60):
        middle = sqrt(low * high)
        critical = float(chndtrix(1 - alpha, df, psi0 * middle))
        low, high = (low, middle) if 1 - float(chndtr(critical, df, visible * middle)) >= POWER else (middle, high)
    return high


def rows_needed(m: int, *, psi0: float, alpha: float, bins: int = 10) -> int | None:
    """Return how many rows a window needs against a baseline of `m`; None where that baseline is too small."""
    scale = _scale_needed(bins, psi0, alpha)
    return ceil(scale * m / (m - scale)) if m > scale else None
