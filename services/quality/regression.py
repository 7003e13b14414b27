"""Errors of a regression as mergeable sums, and the metrics that follow from them. An error is prediction - label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final, Self

from services.quality.metric import Metric, mean_metric

# Sums of the error, its absolute, square, fourth power; of the label and its square; of the pinball losses and their
# squares.
SUMS: Final = ("error", "absolute", "square", "fourth", "label", "label2", "q10", "q50", "q90", "q10_2", "q50_2",
               "q90_2")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionScores:
    """Sums over labelled answers."""

    n: int = 0
    sums: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))

    def merge(self, other: "RegressionScores") -> "RegressionScores":
        """Return both together."""
        return RegressionScores(n=self.n + other.n, sums={name: self.sums[name] + other.sums[name] for name in SUMS})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"n": self.n, "sums": dict(self.sums)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        return cls(n=int(value["n"]), sums=dict(value["sums"]))

    def metrics(self) -> dict[str, Metric]:
        """Return MAE, RMSE, bias and quantile losses with 95% intervals, and R2.

        Errors of 1, -1 and 4 have MAE 2, RMSE sqrt(6) = 2.449, bias 1.333.
        """
        if self.n == 0:
            return {}
        s, n = self.sums, self.n
        square = mean_metric(s["square"], s["fourth"], n)
        spread = s["label2"] - s["label"] ** 2 / n
        found = {
            "mae": mean_metric(s["absolute"], s["square"], n),
            "rmse": Metric(value=sqrt(square.value), low=sqrt(max(0.0, square.low or 0.0)),
                           high=sqrt(max(0.0, square.high or 0.0)), n=n),
            "bias": mean_metric(s["error"], s["square"], n),
        }
        for q in (10, 50, 90):
            found[f"quantile_loss_{q}"] = mean_metric(s[f"q{q}"], s[f"q{q}_2"], n)
        if spread > 0:
            found["r2"] = Metric(value=1 - s["square"] / spread, n=n)
        return found
