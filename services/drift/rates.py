"""The rate rule: is a share of rows (unseen, out of range, missing) larger than the baseline allows, beyond chance?

These values are rare, so the chi-squared test merges them away on purpose; here they are neither lost nor magnified.
With k of n rows and an allowed share a, p = P(Binomial(n, a) >= k): one row in a thousand is not an alarm, five of
five are.
"""

from dataclasses import dataclass
from typing import Final

from scipy.special import bdtrc

FLOOR: Final = 0.005  # a share nobody wants to be told about, where the baseline had none
SLACK: Final = 1.25  # over the worst block of the baseline
ALPHA: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of rows against what is allowed. `needed` is how many rows the window must have to judge."""

    share: float
    allowed: float
    p: float
    k: int
    n: int
    needed: int

    @property
    def fires(self) -> bool:
        """Whether the share is larger than allowed beyond chance."""
        return self.p < ALPHA

    @property
    def sure(self) -> bool:
        """Whether there are rows enough that not firing means something."""
        return self.n >= self.needed


def allowed_share(usual: float) -> float:
    """Return the share allowed where the worst ordinary block of the baseline had `usual`."""
    return min(1.0, max(usual * SLACK, usual + FLOOR))


def rate(k: int, n: int, *, usual: float) -> Rate:
    """Judge `k` of `n` rows; `usual` is the greatest share in an ordinary block of the baseline.

    5 of 5 rows at an allowed .005 have p = .005^5 = 3e-12; 1 of 1,000 has p = 1 - .995^1000 = .993.
    """
    allowed = allowed_share(usual)
    p = 1.0 if k == 0 or allowed >= 1.0 else float(bdtrc(k - 1, n, allowed))
    # A tenfold of the allowed share, or its complement, should be seen: the rule of three gives the rows.
    needed = round(3 / max(allowed, FLOOR) / 2)
    return Rate(share=k / n if n else 0.0, allowed=allowed, p=p, k=k, n=n, needed=max(30, min(needed, 300)))
