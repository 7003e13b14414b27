"""Is a share of faulty rows larger than is usual, beyond chance? One rule for every check.

With k of n rows and an allowed share a, p = P(Binomial(n, a) >= k): one row in a thousand is no alarm, five of five
are.
"""

from dataclasses import dataclass
from typing import Final

from scipy.special import bdtrc

from services.core.measurement import Verdict, Why

FLOOR: Final = 0.005  # a share nobody wants to be told about, where training had none
SLACK: Final = 1.25  # over the worst usual block
ALPHA: Final = 0.001
ENOUGH: Final = 30  # rows, below which the absence of faults says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """k of n rows, judged. `text` names them, such as `12 of 900 rows (1.3%, allowed 0.5%)`."""

    k: int
    n: int
    allowed: float
    p: float
    verdict: Verdict
    why: Why
    text: str

    @property
    def value(self) -> float | None:
        """The share; None without rows."""
        return self.k / self.n if self.n else None


def judge_share(k: int, n: int, *, usual: float, floor: float = FLOOR) -> Share:
    """Judge k of n rows where `usual` is the greatest share in an ordinary block of training.

    5 of 5 rows at an allowed .005 have p = .005^5 = 3e-12; 1 of 1,000 has p = 1 - .995^1000 = .993.
    """
    allowed = min(1.0, max(usual * SLACK, usual + floor))
    p = 1.0 if k == 0 or allowed >= 1.0 else float(bdtrc(k - 1, n, allowed))
    verdict, why = Verdict.PASS, Why.NONE
    if n == 0:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
    elif p < ALPHA:
        verdict = Verdict.FAIL
    elif n < ENOUGH:
        verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
    text = f"{k:,} of {n:,} rows ({(k / n if n else 0):.1%}, allowed {allowed:.1%})" if n else "no rows in this window"
    return Share(k=k, n=n, allowed=allowed, p=p, verdict=verdict, why=why, text=text)
