"""Scores of a binary classifier as mergeable counts, and the metrics that follow from them.

Scores fall into equal bins of their logit, so that rare classes, whose scores all lie near 0, keep their order; log
loss, Brier score and the confusion counts are exact sums. Two scores in one bin count as tied: with 241 bins the AUC is
within 0.002 of the exact one and the average precision within 0.006. The same bins, counted for every answer, estimate
quality before labels (estimate.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any, Final, Self

import numpy as np

from services.quality.metric import Metric, mean_metric, share_metric

LIMIT: Final = 12.0  # logits beyond are clipped: probabilities of 6e-6 and of 1 - 6e-6
WIDTH: Final = 0.1
BINS: Final = int(2 * LIMIT / WIDTH) + 1
_SUMS: Final = ("log_loss", "log_loss2", "brier", "brier2")
_CELLS: Final = ("tp", "fp", "tn", "fn")
_ARRAYS: Final = ("positive", "negative", "yes", "no")
CALIBRATION_BINS: Final = 10

Counts = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def bin_of(score: float) -> int:
    """Return the bin of a probability: the logit, clipped and rounded to a tenth. A score of .5 lies in bin 120."""
    clipped = min(max(score, 1e-9), 1 - 1e-9)
    logit = min(max(log(clipped / (1 - clipped)), -LIMIT), LIMIT)
    return round((logit + LIMIT) / WIDTH)


def probabilities() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probability at the middle of each bin."""
    return np.asarray(1 / (1 + np.exp(LIMIT - WIDTH * np.arange(BINS))), np.float64)


def isotonic(hits: Floats, total: Floats) -> Floats:
    """Return the share of hits per bin as a non-decreasing function that keeps the mean; ends reach outwards."""
    # Imported here: scikit-learn takes seconds, and only the monitor calibrates.
    from sklearn.isotonic import IsotonicRegression

    there = np.flatnonzero(total)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(
        there, hits[there] / total[there], sample_weight=total[there])
    return np.asarray(fitted.predict(np.arange(len(total))), np.float64)


def _none() -> Counts:
    return np.zeros(BINS, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinaryScores:
    """Counts per score bin.

    `positive` and `negative` are labelled answers by what happened; `yes` and `no` are all valid answers by what was
    predicted. The sums and the confusion cells are over labelled answers.
    """

    positive: Counts = field(default_factory=_none)
    negative: Counts = field(default_factory=_none)
    yes: Counts = field(default_factory=_none)
    no: Counts = field(default_factory=_none)
    sums: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0.0))
    cells: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(_CELLS, 0))

    @property
    def n(self) -> int:
        """Labelled answers."""
        return int(self.positive.sum() + self.negative.sum())

    def merge(self, other: "BinaryScores") -> "BinaryScores":
        """Return both together."""
        return BinaryScores(
            **{name: getattr(self, name) + getattr(other, name) for name in _ARRAYS},
            sums={name: self.sums[name] + other.sums[name] for name in _SUMS},
            cells={name: self.cells[name] + other.cells[name] for name in _CELLS},
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, bins that hold nothing left out."""
        arrays = {n: {str(i): int(getattr(self, n)[i]) for i in np.flatnonzero(getattr(self, n))} for n in _ARRAYS}
        return {**arrays, "sums": dict(self.sums), "cells": dict(self.cells)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        arrays: dict[str, Counts] = {}
        for name in _ARRAYS:
            arrays[name] = _none()
            for place, number in value[name].items():
                arrays[name][int(place)] = number
        return cls(**arrays, sums=dict(value["sums"]), cells=dict(value["cells"]))

    def metrics(self) -> dict[str, Metric]:
        """Return every metric that the counts can give, each with its 95% interval where one is known."""
        if self.n == 0:
            return {}
        found = {}
        if (area := auc(self)) is not None:
            found["auc"] = area
            found["average_precision"] = Metric(value=average_precision(self), n=self.n)
        found["log_loss"] = mean_metric(self.sums["log_loss"], self.sums["log_loss2"], self.n)
        found["brier"] = mean_metric(self.sums["brier"], self.sums["brier2"], self.n)
        found["calibration_error"] = Metric(value=calibration_error(self), n=self.n)
        c = self.cells
        found["accuracy"] = share_metric(c["tp"] + c["tn"], sum(c.values()))
        if c["tp"] + c["fp"]:
            found["precision"] = share_metric(c["tp"], c["tp"] + c["fp"])
        if c["tp"] + c["fn"]:
            found["recall"] = share_metric(c["tp"], c["tp"] + c["fn"])
        if 2 * c["tp"] + c["fp"] + c["fn"]:
            found["f1"] = Metric(value=2 * c["tp"] / (2 * c["tp"] + c["fp"] + c["fn"]), n=self.n)
        return found

    def calibration(self) -> list[dict[str, float]]:
        """Return predicted against observed share in ten bins of about equal size."""
        return calibration(self)


def auc(scores: BinaryScores) -> Metric | None:
    """Return the area under the ROC curve with DeLong's interval; None while one class is missing.

    Each positive's place is the share of negatives below it, ties half; the AUC is the mean place. Its variance is the
    variance of the places over positives plus that over negatives (DeLong 1988), here by bins.
    """
    p, q = scores.positive.astype(float), scores.negative.astype(float)
    n_p, n_q = p.sum(), q.sum()
    if n_p == 0 or n_q == 0:
        return None
    below = (np.cumsum(q) - q / 2) / n_q
    above = (p[::-1].cumsum()[::-1] - p / 2) / n_p
    value = float((p * below).sum() / n_p)
    spread = 0.0
    for counts, places, size in ((p, below, n_p), (q, above, n_q)):
        if size > 1:
            spread += float((counts * (places - value) ** 2).sum() / (size - 1) / size)
    half = 1.96 * sqrt(spread)
    return Metric(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=int(n_p + n_q))


def average_precision(scores: BinaryScores) -> float:
    """Return the mean precision at each positive, ties taken together, as scikit-learn does."""
    p, q = scores.positive[::-1].astype(float), scores.negative[::-1].astype(float)
    true, all_ = np.cumsum(p), np.cumsum(p + q)
    precision = np.divide(true, all_, out=np.zeros_like(true), where=all_ > 0)
    return float((precision * p).sum() / p.sum())


def calibration(scores: BinaryScores) -> list[dict[str, float]]:
    """Return rows of (predicted, observed, n), groups of bins with about a tenth of the answers each."""
    p, q, middle = scores.positive.astype(float), scores.negative.astype(float), probabilities()
    total = p + q
    n = total.sum()
    if n == 0:
        return []
    group = np.minimum((np.cumsum(total) - total / 2) / n * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(int)
    rows = []
    for g in range(CALIBRATION_BINS):
        inside = (group == g) & (total > 0)
        size = float(total[inside].sum())
        if size:
            rows.append({"predicted": float((middle * total)[inside].sum() / size),
                         "observed": float(p[inside].sum() / size), "n": size})
    return rows


def calibration_error(scores: BinaryScores) -> float:
    """Return the mean distance between predicted and observed share, weighted by rows."""
    rows = calibration(scores)
    return sum(abs(r["predicted"] - r["observed"]) * r["n"] for r in rows) / sum(r["n"] for r in rows)
