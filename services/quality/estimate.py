"""Estimate a classifier's quality before its labels are known, from its calibrated scores (CBPE).

Calibrate the score bins on days whose labels are all there: isotonic regression of what happened on the score. Then an
answer whose calibrated probability is c counts as c of a positive and 1 - c of a negative, and every metric follows
from such expected counts. It assumes that the relation of score and label still holds, and so misses concept drift: it
is always shown beside realised quality and its own past error. Several classes: estimate_classes.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from services.quality.binary import BinaryScores, Floats, auc, average_precision, isotonic, probabilities
from services.quality.day import ScoreDay, Scores, Whole
from services.quality.estimate_classes import calibrate_classes, estimate_classes
from services.quality.multiclass import ClassScores

CALIBRATED_ON: Final = 500  # labelled answers, below which nothing is estimated
ENOUGH_DAYS: Final = 5

Estimator = Callable[[Scores], dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated metrics of one day or window, from `n` answers, labelled or not."""

    day: datetime
    metrics: dict[str, float]
    n: int


def calibrate(scores: BinaryScores) -> Floats | None:
    """Return the calibrated probability of each score bin by isotonic regression; None with too few labels.

    The fit is non-decreasing and keeps the mean: the calibrated positives add up to the real ones.
    """
    positive, total = scores.positive.astype(float), (scores.positive + scores.negative).astype(float)
    if total.sum() < CALIBRATED_ON or positive.sum() == 0 or positive.sum() == total.sum():
        return None
    return isotonic(positive, total)


def estimate(scores: BinaryScores, calibrated: Floats) -> dict[str, float]:
    """Return the expected metrics of answers by score bin, labelled or not; empty without answers."""
    said = scores.yes + scores.no
    n = float(said.sum())
    if n == 0:
        return {}
    positive, negative = said * calibrated, said * (1 - calibrated)
    tp, fn = float((scores.yes * calibrated).sum()), float((scores.no * calibrated).sum())
    fp, tn = float((scores.yes * (1 - calibrated)).sum()), float((scores.no * (1 - calibrated)).sum())
    expected = BinaryScores(positive=positive, negative=negative)  # type: ignore[arg-type]
    score = probabilities()
    found = {
        "accuracy": (tp + tn) / n,
        "log_loss": float(-(positive * np.log(score) + negative * np.log(1 - score)).sum() / n),
        "brier": float((positive * (1 - score) ** 2 + negative * score**2).sum() / n),
    }
    area = auc(expected)
    if area is not None:
        found |= {"auc": area.value, "average_precision": average_precision(expected)}
    for name, k, m in (("precision", tp, tp + fp), ("recall", tp, tp + fn), ("f1", 2 * tp, 2 * tp + fp + fn)):
        if m > 0:
            found[name] = k / m
    return found


def estimator(reference: Scores | None) -> Estimator | None:
    """Return what estimates metrics from counts, calibrated on labelled ones; None where they are too few."""
    if isinstance(reference, BinaryScores):
        calibrated = calibrate(reference)
        return None if calibrated is None else lambda some: estimate(_binary(some), calibrated)
    if isinstance(reference, ClassScores):
        by_class = calibrate_classes(reference)
        return None if by_class is None else lambda some: estimate_classes(_classes(some), by_class)
    return None


def asked(scores: Scores | None) -> int:
    """Return how many answers an estimate rests on, labelled or not."""
    if isinstance(scores, BinaryScores):
        return int((scores.yes + scores.no).sum())
    return sum(scores.asked.values()) if isinstance(scores, ClassScores) else 0


def by_day(days: Sequence[ScoreDay], estimate_of: Estimator) -> list[Estimate]:
    """Return the estimate of each day, all versions of the day together, oldest first."""
    merged: dict[datetime, list[ScoreDay]] = {}
    for day in days:
        merged.setdefault(day.day, []).append(day)
    wholes = [(moment, Whole.of(some).scores) for moment, some in sorted(merged.items())]
    return [Estimate(day=moment, metrics=found, n=asked(scores)) for moment, scores in wholes
            if scores is not None and (found := estimate_of(scores))]


def _binary(scores: Scores) -> BinaryScores:
    return scores if isinstance(scores, BinaryScores) else BinaryScores()


def _classes(scores: Scores) -> ClassScores:
    return scores if isinstance(scores, ClassScores) else ClassScores()


def past_error(name: str, estimated: Sequence[Estimate], realised: Sequence[tuple[datetime, float]]) -> float | None:
    """Return the mean distance between estimate and realised metric over days that have both; None under 5 days."""
    known = dict(realised)
    errors = [abs(e.metrics[name] - known[e.day]) for e in estimated if e.day in known and name in e.metrics]
    return sum(errors) / len(errors) if len(errors) >= ENOUGH_DAYS else None
