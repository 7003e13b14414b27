"""How long a canary takes to show harm at this traffic and share: what to know before a plan is chosen.

The number of canary requests is log(1/alpha) over the expected growth of log E per block, times 1.45, the price of
estimating the rates on the way (medians simulated for 1→3, 1→5, 1→10, 5→10 and 5→20 percent).
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil, inf, log
from typing import Final

from services.core.window import span_text
from services.releases.canary import Metric
from services.releases.judge import ALPHA, SPLIT
from services.releases.plan import Plan

_PRICE: Final = 1.45
_ALPHA: Final = ALPHA * SPLIT[Metric.ERRORS]
USUAL_ERRORS: Final = 0.01
MORE_ERRORS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The first step of a plan at a traffic: canary requests needed, and the time they take."""

    weight_pct: float
    per_hour: float
    requests: int
    duration_s: float

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        if self.duration_s == inf:
            return "No request arrived lately: a canary there would stay unsure, and people would have to decide."
        took = span_text(timedelta(seconds=self.duration_s))
        return (f"At {self.per_hour:,.0f} requests/h and {self.weight_pct:g}%, two points more errors show after "
                f"about {self.requests:,} canary requests: {took}.")


def requests_needed(base: float, worse: float, *, weight_pct: float, alpha: float = _ALPHA) -> int:
    """Return the median number of canary requests until the judge sees that `worse` is more than `base`.

    Raises:
        ValueError: the candidate would not be worse, or a rate is no share.
    """
    if not 0 < base < worse < 1:
        raise ValueError(f"a share of errors of {worse:g} is not more than one of {base:g}")
    n_a = max(1, round((100 - weight_pct) / weight_pct))
    pooled = (n_a * base + worse) / (n_a + 1)
    growth = n_a * _divergence(base, pooled) + _divergence(worse, pooled)
    return ceil(_PRICE * log(1 / alpha) / growth)


def preflight(plan: Plan, *, per_hour: float) -> Preflight | None:
    """Return what the plan's first canary step would take; None for a plan without one."""
    if not plan.steps:
        return None
    share = plan.steps[0].weight_pct
    needed = requests_needed(USUAL_ERRORS, USUAL_ERRORS + MORE_ERRORS, weight_pct=share)
    rate = per_hour * share / 100
    return Preflight(weight_pct=share, per_hour=per_hour, requests=needed,
                     duration_s=needed / rate * 3600 if rate else inf)


def _divergence(p: float, q: float) -> float:
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))
