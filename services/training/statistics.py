"""The few statistics that training time and failure rates need, each with the source of its formula.

What they mean for a pipeline is said in duration.py and failures.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import mannwhitneyu, norm

MAD_TO_SIGMA: Final = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A monotone trend: probability of seeing it by chance, Sen's slope per step, and the direction."""

    p: float
    slope: float
    n: int


def wilson(k: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of k out of n (Wilson 1927); (0, 1) when nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + level / 2))
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile, or None of nothing."""
    return float(np.percentile(np.asarray(values, dtype=float), percent)) if values else None


def robust_z(value: float, others: Sequence[float], *, floor: float = 0.0) -> float:
    """Return how many robust standard deviations `value` lies from the median of `others`.

    `floor` bounds the deviation from below, so that a series of equal numbers does not make noise look enormous.
    """
    middle = float(np.median(others))
    spread = max(MAD_TO_SIGMA * float(np.median(np.abs(np.asarray(others) - middle))), floor)
    if spread == 0:
        return 0.0 if value == middle else math.copysign(math.inf, value - middle)
    return (value - middle) / spread


def shift_p(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the two-sided Mann-Whitney probability that both come from one distribution."""
    if len(set(before) | set(after)) < 2:
        return 1.0
    return float(mannwhitneyu(before, after, alternative="two-sided").pvalue)


def trend(values: Sequence[float]) -> Trend:
    """Return the Mann-Kendall trend with the variance correction of Hamed and Rao (1998), and Sen's slope.

    The correction counts the autocorrelation of the detrended ranks: runs after one another resemble one another, and
    without it every slow wave would count as a trend. Where it leaves no variance at all, because neighbours swing
    against each other, the uncorrected test stands: the cautious one of the two there.
    """
    n = len(values)
    if n < 3 or len(set(values)) < 2:
        return Trend(p=1.0, slope=0.0, n=n)
    import pymannkendall  # here and not above, as the console reads these words and never computes them

    x = np.asarray(values, dtype=float)
    with np.errstate(all="ignore"):
        found = pymannkendall.hamed_rao_modification_test(x)
        if not found.var_s > 0:
            found = pymannkendall.original_test(x)
    return Trend(p=float(found.p), slope=float(found.slope), n=n)


def is_step(values: Sequence[float], start: int) -> bool:
    """Tell whether two levels that meet at `start` fit better than one straight line, by their squared residuals."""
    x = np.asarray(values, dtype=float)
    t = np.arange(len(x))
    line = float(((x - np.polyval(np.polyfit(t, x, 1), t)) ** 2).sum())
    return off_two_levels(values, start) <= line


def off_two_levels(values: Sequence[float], start: int) -> float:
    """Return the squared residuals of two levels that meet at `start`."""
    x = np.asarray(values, dtype=float)
    return float(sum(((part - part.mean()) ** 2).sum() for part in (x[:start], x[start:])))


def detectable(values: Sequence[float], *, before: int, after: int, alpha: float, power: float = 0.8) -> float:
    """Return the smallest relative step that Mann-Whitney would see on such values, as a share (0.18 is 18%).

    From the normal approximation for the difference of two means of log values, with the loss of efficiency of ranks
    against normal noise (pi/3, Lehmann 1975).
    """
    logs = np.log(np.asarray(values, dtype=float))
    # Differences of neighbours: a step already in the data would otherwise count as noise.
    gaps = [b - a for a, b in pairwise(logs)] or [0.0]
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(gaps))) / math.sqrt(2)
    quantiles = float(norm.ppf(1 - alpha / 2) + norm.ppf(power))
    return math.expm1(quantiles * sigma * math.sqrt(math.pi / 3 * (1 / before + 1 / after)))


def changes(values: Sequence[float], *, smallest: int = 3, penalty: float | None = None) -> list[int]:
    """Return where the mean of a series changes, by PELT (Killick et al. 2012): the first index of each new segment.

    The noise is estimated from neighbouring differences; the penalty defaults to 3 log n in units of its variance.
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n < 2 * smallest:
        return []
    import ruptures

    sigma = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(x)))) / math.sqrt(2)
    x = (x - np.median(x)) / max(sigma, 1e-9 * max(1.0, float(np.max(np.abs(x)))))
    beta = 3 * math.log(n) if penalty is None else penalty
    # The linear kernel's cost is the squared distance from the mean, and this class is the one written in C.
    found = ruptures.KernelCPD(kernel="linear", min_size=smallest).fit(x.reshape(-1, 1)).predict(pen=beta)
    return [int(end) for end in found[:-1]]
