"""Estimate a multiclass model's quality before its labels are known, from the probability of the class it said.

The log holds what was said and how sure the model was of it, not the probability of every class. So the chance of being
right is calibrated by isotonic regression of "was right" on that probability, per class where it was said often enough,
and what is not right is spread over the other classes as it was in the labelled weeks. An answer of class j with
calibrated chance c then counts as c in the cell (j, j) and as (1 - c) of that spread in the cells (i, j).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.quality.binary import BINS, Floats, isotonic
from services.quality.multiclass import ClassScores

CALIBRATED_ON: Final = 500  # labelled answers in all, below which nothing is estimated
PER_CLASS: Final = 200  # labelled answers of one class said, below which all classes are calibrated together


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCalibration:
    """The chance of being right per score bin, by the class said, and where the label is when it is not right."""

    together: Floats
    by_class: Mapping[str, Floats]
    wrong: Mapping[str, Mapping[str, float]]  # class said -> class of the label -> its share of what was wrong
    classes: tuple[str, ...]

    def chance(self, said: str, place: int) -> float:
        """Return the chance that an answer of this class and score bin is right."""
        return float(self.by_class.get(said, self.together)[place])

    def others(self, said: str) -> Mapping[str, float]:
        """Return how what was wrong is spread over the other classes; evenly where it never was wrong."""
        known = self.wrong.get(said)
        if known:
            return known
        rest = [name for name in self.classes if name != said]
        return {name: 1 / len(rest) for name in rest}


def calibrate_classes(scores: ClassScores) -> ClassCalibration | None:
    """Return the calibration by labelled answers; None with too few of them, or where all or none were right."""
    right, known = _by_bin(scores.right), _by_bin(scores.known)
    total, hits = sum(known.values(), np.zeros(BINS)), sum(right.values(), np.zeros(BINS))
    if total.sum() < CALIBRATED_ON or hits.sum() in (0, total.sum()):
        return None
    by_class = {said: isotonic(right.get(said, np.zeros(BINS)), bins) for said, bins in known.items()
                if bins.sum() >= PER_CLASS}
    wrong: dict[str, dict[str, float]] = {}
    for (label, said), n in scores.table.items():
        if label != said:
            wrong.setdefault(said, {})[label] = float(n)
    shares = {said: {label: n / sum(cells.values()) for label, n in cells.items()} for said, cells in wrong.items()}
    classes = tuple(sorted({name for pair in scores.table for name in pair}))
    return ClassCalibration(together=isotonic(hits, total), by_class=by_class, wrong=shares, classes=classes)


def estimate_classes(scores: ClassScores, calibration: ClassCalibration) -> dict[str, float]:
    """Return the expected metrics of answers, labelled or not; empty without answers that have a score."""
    table: dict[tuple[str, str], float] = {}
    for (said, place), n in scores.asked.items():
        right = n * calibration.chance(said, place)
        table[said, said] = table.get((said, said), 0.0) + right
        for label, share in calibration.others(said).items():
            table[label, said] = table.get((label, said), 0.0) + (n - right) * share
    # Cells that hold nothing would be classes that never occur, with a recall of their own in every mean.
    expected = ClassScores(table={pair: n for pair, n in table.items() if n > 0})  # type: ignore[misc]
    return {name: metric.value for name, metric in expected.metrics().items()}


def _by_bin(cells: Mapping[tuple[str, int], int]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for (said, place), n in cells.items():
        found.setdefault(said, np.zeros(BINS))[place] += n
    return found
