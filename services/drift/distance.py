"""Distances between two columns' counts in equal bins, shown beside the test so that a reader finds their usual number.

Every function takes the counts of window and baseline, not shares, and returns a number that is 0 when the shares are
equal. Worked example in each docstring: window [30, 70], baseline [50, 50]. Natural logarithms throughout (Evidently
uses them too; NannyML and TFDV take base 2). None of these decides a verdict: that is effect.py.
"""

from typing import Any, Final

import numpy as np

from services.profiles.bins import Counts, NumericBins

EMPTY: Final = 1e-4  # what PSI takes for the share of an empty bin, as Evidently does; the others need no such floor

Shares = np.ndarray[Any, np.dtype[np.float64]]


def shares(counts: Counts) -> Shares:
    """Return counts as shares of their sum; of nothing, zeros."""
    total = counts.sum()
    return counts / total if total else np.zeros(len(counts))


def psi(window: Counts, baseline: Counts) -> float:
    """Return the population stability index, sum (p - q) ln(p / q).

    (.3 - .5) ln(.3/.5) + (.7 - .5) ln(.7/.5) = .1022 + .0673 = .1695.
    """
    p, q = (np.maximum(shares(c), EMPTY) for c in (window, baseline))
    return float(((p - q) * np.log(p / q)).sum())


def js_divergence(window: Counts, baseline: Counts) -> float:
    """Return the Jensen-Shannon divergence, half of KL(p|m) + KL(q|m) with m their mean; at most ln 2.

    m = [.4, .6]: KL(p|m) = .3 ln .75 + .7 ln 1.1667 = .0216, KL(q|m) = .5 ln 1.25 + .5 ln .8333 = .0204; mean .0210.
    """
    p, q = shares(window), shares(baseline)
    mean = (p + q) / 2
    return max(0.0, float(_kl(p, mean) + _kl(q, mean)) / 2)


def js_distance(window: Counts, baseline: Counts) -> float:
    """Return the square root of the divergence, which is what scipy and Evidently call Jensen-Shannon: .1449."""
    return float(np.sqrt(js_divergence(window, baseline)))


def l_infinity(window: Counts, baseline: Counts) -> float:
    """Return the greatest difference of any bin's shares: .2."""
    return float(np.abs(shares(window) - shares(baseline)).max(initial=0.0))


def hellinger(window: Counts, baseline: Counts) -> float:
    """Return the Hellinger distance, sqrt(sum (sqrt p - sqrt q)^2 / 2); at most 1.

    ((.5477 - .7071)^2 + (.8367 - .7071)^2) / 2 = (.0254 + .0168) / 2 = .0211; square root .1453.
    """
    p, q = shares(window), shares(baseline)
    return float(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))


def ks(window: Counts, baseline: Counts) -> float:
    """Return the greatest difference of the cumulated shares: Kolmogorov-Smirnov on bins.

    A lower bound of the exact statistic. Cumulated [.3, 1] and [.5, 1]: .2. Only for ordered bins; the caller leaves
    the missing ones out.
    """
    return float(np.abs(np.cumsum(shares(window)) - np.cumsum(shares(baseline))).max(initial=0.0))


def wasserstein(window: Counts, baseline: Counts, middles: Shares, *, std: float) -> float:
    """Return the earth mover's distance between bins standing at `middles`, in baseline standard deviations.

    Middles 0 and 1, std .5: .2 of the rows move by 1, so .2 / .5 = .4.
    """
    if std <= 0 or len(middles) < 2:
        return 0.0
    gap = np.abs(np.cumsum(shares(window) - shares(baseline)))[:-1]
    return float((gap * np.diff(middles)).sum() / std)


def middles(bins: NumericBins, *, least: float, greatest: float) -> Shares:
    """Return where the rows of [below, fine…, above] stand: middles of bins, and the extremes for the open ends."""
    low = bins.low if bins.low is not None else 0.0
    uppers = np.array(bins.uppers or (low,))
    inner = (np.concatenate(([low], uppers[:-1])) + uppers) / 2
    return np.concatenate(([min(least, low)], inner, [max(greatest, float(uppers[-1]))]))


def _kl(p: Shares, q: Shares) -> float:
    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())
