"""The quality counts of one day of predictions: coverage and scores, per version, variant and slice."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from services.core.window import DAY
from services.quality.binary import BinaryScores
from services.quality.coverage import Coverage
from services.quality.multiclass import ClassScores
from services.quality.regression import RegressionScores

Scores = BinaryScores | RegressionScores | ClassScores
KINDS: Final[dict[str, type[BinaryScores] | type[RegressionScores] | type[ClassScores]]] = {
    "binary": BinaryScores, "regression": RegressionScores, "multiclass": ClassScores,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDay:
    """One UTC day, by the time of the predictions; labels are counted with the prediction that they belong to."""

    model: str
    environment: str
    version: str
    variant: str
    slice: str
    day: datetime
    coverage: Coverage
    scores: Scores

    def mature(self, maturity: timedelta, *, now: datetime) -> bool:
        """Tell whether every label of the day should be here by now."""
        return self.day + DAY + maturity <= now

    def pack(self) -> bytes:
        """Return coverage and scores as compressed JSON."""
        value = {"coverage": self.coverage.to_json(), "scores": self.scores.to_json()}
        return zlib.compress(json.dumps(value, separators=(",", ":"), allow_nan=False).encode(), 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Several days together."""

    coverage: Coverage
    scores: Scores | None

    @classmethod
    def of(cls, days: Iterable[ScoreDay]) -> Self:
        """Return the sum of any days."""
        coverage, scores = Coverage(), None
        for day in days:
            coverage = coverage.merge(day.coverage)
            scores = day.scores if scores is None else scores.merge(day.scores)  # type: ignore[arg-type]
        return cls(coverage=coverage, scores=scores)


def unpack(task: str, body: bytes) -> tuple[Coverage, Scores]:
    """Return what `ScoreDay.pack` wrote for a model of this task."""
    value = json.loads(zlib.decompress(body))
    return Coverage.from_json(value["coverage"]), KINDS[task].from_json(value["scores"])
