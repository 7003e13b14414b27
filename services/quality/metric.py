"""One quality metric: its value, its 95% interval where one is known, and which way is better."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

_Z: Final = 1.96

# Metric -> (whether more is better, the least change worth telling, whether that change is relative).
BETTER: Final[dict[str, tuple[bool, float, bool]]] = {
    "auc": (True, 0.02, False), "average_precision": (True, 0.03, False), "accuracy": (True, 0.02, False),
    "precision": (True, 0.03, False), "recall": (True, 0.03, False), "f1": (True, 0.03, False),
    "macro_f1": (True, 0.03, False), "macro_recall": (True, 0.03, False), "macro_precision": (True, 0.03, False),
    "log_loss": (False, 0.05, True), "brier": (False, 0.05, True), "calibration_error": (False, 0.03, False),
    "mae": (False, 0.10, True), "rmse": (False, 0.10, True), "quantile_loss_10": (False, 0.10, True),
    "quantile_loss_50": (False, 0.10, True), "quantile_loss_90": (False, 0.10, True),
}
HEADLINE: Final = {"binary": "auc", "multiclass": "macro_f1", "regression": "mae"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number over `n` labelled answers."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}

    def text(self) -> str:
        """Return the value with its interval."""
        ends = f" ({self.low:.3g} to {self.high:.3g})" if self.low is not None and self.high is not None else ""
        return f"{self.value:.4g}{ends}"


def mean_metric(total: float, squares: float, n: int) -> Metric:
    """Return a mean from sum and sum of squares, with the normal interval of a mean."""
    mean = total / n
    half = _Z * sqrt(max(0.0, squares / n - mean**2) / n)
    return Metric(value=mean, low=mean - half, high=mean + half, n=n)


def share_metric(k: int, n: int) -> Metric:
    """Return a share with Wilson's interval: 8 of 10 lies between .49 and .94."""
    p, z2 = k / n, _Z**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Metric(value=p, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def worse_by(name: str, now: float, before: float) -> float:
    """Return how much worse `now` is than `before`, in units of the least change worth telling; negative is better."""
    more, least, relative = BETTER[name]
    change = (before - now) if more else (now - before)
    scale = least * abs(before) if relative else least
    return change / scale if scale else 0.0
