"""Always-valid tests for a canary: they may be looked at after every request and still keep their error rate.

Two proportions: the safe e-process of Turner, Ly and Grünwald (arXiv 2106.02693) over blocks of n_a champion requests
and one candidate request,

    E <- E * [ta^ya (1-ta)^(na-ya) * tb^yb (1-tb)^(1-yb)] / [t0^(ya+yb) (1-t0)^(na+1-ya-yb)]
    t0 = (na ta + tb) / (na + 1)

with ta, tb estimated from earlier blocks only (Beta(0.18, 0.18)). One proportion: a Beta(1/2, 1/2) mixture against
the wanted share, and the confidence sequence that inverts it. What follows from a value is decided in judge.py.
"""

from math import exp, inf, log
from typing import Any, Final

import numpy as np
from scipy.special import betaln

PRIOR: Final = 0.18
_HALF: Final = 0.5

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def log_e_path(n_a: Ints, y_a: Ints, y_b: Ints) -> Floats:
    """Return log E after each block.

    Args:
        n_a: (..., blocks) champion requests in each block; the candidate has one.
        y_a: (..., blocks) how many of the champion's were bad.
        y_b: (..., blocks) whether the candidate's was bad, 0 or 1.
    """
    earlier_a, earlier_n, earlier_b = _before(y_a), _before(np.broadcast_to(n_a, y_a.shape)), _before(y_b)
    blocks = np.arange(y_b.shape[-1])
    ta = (earlier_a + PRIOR) / (earlier_n + 2 * PRIOR)
    tb = (earlier_b + PRIOR) / (blocks + 2 * PRIOR)
    t0 = (n_a * ta + tb) / (n_a + 1)
    bad = y_a + y_b
    steps = (
        y_a * np.log(ta) + (n_a - y_a) * np.log1p(-ta) + y_b * np.log(tb) + (1 - y_b) * np.log1p(-tb)
        - bad * np.log(t0) - (n_a + 1 - bad) * np.log1p(-t0)
    )
    return np.asarray(np.cumsum(steps, axis=-1), dtype=np.float64)


def e_of(log_e: float) -> float:
    """Return E from its logarithm, infinite where it no longer fits a float."""
    return exp(log_e) if log_e < 700 else inf


def share_log_e(hits: int, n: int, share: float) -> float:
    """Return log E against `hits` of `n` being drawn with the given share; valid at every look."""
    if n == 0:
        return 0.0
    if not 0 < share < 1:
        return inf if hits != round(share * n) else 0.0
    return float(betaln(hits + _HALF, n - hits + _HALF) - betaln(_HALF, _HALF)
                 - hits * log(share) - (n - hits) * log(1 - share))


def upper(hits: int, n: int, *, alpha: float) -> float:
    """Return the upper end of the confidence sequence for a share: it holds at all looks together with 1 - alpha."""
    if n == 0:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if share_log_e(hits, n, min(middle, 1 - 1e-15)) >= -log(alpha):
            high = middle
        else:
            low = middle
    return high


def lower(hits: int, n: int, *, alpha: float) -> float:
    """Return the lower end of the confidence sequence for a share."""
    return 1.0 - upper(n - hits, n, alpha=alpha)


def _before(values: Ints) -> Floats:
    """Return the running sum without the present block: an estimate may not know what it is about to judge."""
    return np.asarray(np.cumsum(values, axis=-1) - values, dtype=np.float64)
