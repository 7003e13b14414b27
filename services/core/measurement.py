"""One number with its verdict: the only thing the measuring subjects hand to one another.

Subjects (drift, checks, quality, serving, quota, training, validation) cannot import each other; they meet here.
What a verdict leads to (an incident, a blocked gate) is decided in alerts and releases.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.core.window import TimeWindow


class Verdict(StrEnum):
    """What a measurement says. `INCONCLUSIVE` is never shown or counted as `PASS`."""

    PASS = "pass"  # noqa: S105 -- a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"  # the monitor itself failed to measure


# Worst first. An error of the monitor outranks a warning: nobody knows what it hides.
SEVERITY: Final = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.PASS)


class Why(StrEnum):
    """Why a verdict is inconclusive or an error: the four reasons, and none where there is a verdict."""

    NONE = ""
    TOO_FEW = "too few"
    NO_DATA = "no data"
    LATE = "late"
    MONITOR_ERROR = "monitor error"


class Pipeline(StrEnum):
    """The pipeline that a measurement watches (design.md section 1)."""

    SERVING = "serving"
    DATA = "data"
    TRAINING = "training"
    VALIDATION = "validation"
    QUOTA = "quota"
    DEPLOYMENT = "deployment"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A number about one thing over one window, its verdict, and the sentence that explains it.

    `name` is the key that rules refer to, such as `skew`, `drift`, `latency_p95_ms`, `pool_used_pct`.
    `subject` is the model, pool or training pipeline; `column` the feature where there is one.
    `n` counts the rows (or runs, or samples) behind the value. `detail` holds plain JSON values only.
    """

    name: str
    pipeline: Pipeline
    subject: str
    window: TimeWindow
    at: datetime
    verdict: Verdict
    reason: str
    value: float | None = None
    unit: str = ""
    n: int = 0
    why: Why = Why.NONE
    environment: str = ""
    version: str = ""
    column: str = ""
    slice: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """What makes two measurements the same question asked at two times; version is evidence, not key."""
        return (self.name, self.pipeline, self.subject, self.environment, self.column, self.slice)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe verdict; of nothing at all, inconclusive, because absence is never green."""
    found = set(verdicts)
    return next((v for v in SEVERITY if v in found), Verdict.INCONCLUSIVE)
