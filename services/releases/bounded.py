"""A confidence sequence for the mean of values in [0, 1]: it holds at all looks together, however they are spread.

The predictable plug-in empirical-Bernstein sequence of Waudby-Smith and Ramdas (arXiv 2010.09686, theorem 2):

    mean_t  =  sum(l_i x_i) / sum(l_i)   +-   (log(2 / alpha) + sum(v_i psi(l_i))) / sum(l_i)

with v_i = 4 (x_i - mu_{i-1})^2, psi(l) = (-log(1 - l) - l) / 4, and a bet l_i that knows only what came before x_i.
"""

from collections.abc import Sequence
from math import log
from typing import Final

import numpy as np

_LARGEST_BET: Final = 0.5


def interval(values: Sequence[float], *, alpha: float) -> tuple[float, float]:
    """Return the ends of the sequence after all values: the mean lies within, at every look, with 1 - alpha.

    Args:
        values: in [0, 1], in the order in which they came.
        alpha: the chance of ever being wrong.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if not n:
        return 0.0, 1.0
    t = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1)
    before_mean, before_variance = np.append(0.5, means[:-1]), np.append(0.25, variances[:-1])
    bets = np.minimum(np.sqrt(2 * log(2 / alpha) / (before_variance * t * np.log1p(t))), _LARGEST_BET)
    spread = 4 * (x - before_mean) ** 2 * (-np.log1p(-bets) - bets) / 4
    total = np.cumsum(bets)
    centre = np.cumsum(bets * x) / total
    radius = (log(2 / alpha) + np.cumsum(spread)) / total
    # What was ruled out at an earlier look stays ruled out.
    return max(0.0, float((centre - radius).max())), min(1.0, float((centre + radius).min()))
