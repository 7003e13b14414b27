"""What quality needs from outside: logs joined with labels, a store that keeps the counts, and validation scores."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from services.core.window import TimeWindow
from services.quality.day import ScoreDay


class LabelledLog(Protocol):
    """One model's answers joined with their labels."""

    def score(self, days: Sequence[TimeWindow]) -> list[ScoreDay]:
        """Return the counts of these days, per environment, version, variant and slice."""
        ...

    def days_of_labels(self, paths: Sequence[str], span: TimeWindow) -> list[TimeWindow]:
        """Return the days whose answers the labels in these files, known within `span`, belong to."""
        ...

    def unknown_labels(self, window: TimeWindow) -> int:
        """Return how many labels known in a window belong to no request that was ever logged."""
        ...


class ScoreStore(Protocol):
    """Where the counts are kept."""

    def replace_days(self, model: str, days: Sequence[TimeWindow], found: Iterable[ScoreDay]) -> None:
        """Make these days hold exactly this; doing it twice changes nothing."""
        ...

    def days(
        self, model: str, window: TimeWindow, *, environment: str = "", slice_: str = "", shadow: bool = False
    ) -> list[ScoreDay]:
        """Return the days inside the window, oldest first."""
        ...

    def slices(self, model: str, window: TimeWindow, *, environment: str) -> list[str]:
        """Return the slices that have rows in the window."""
        ...


class ValidationScores(Protocol):
    """What versions scored when they were registered."""

    def of(self, model: str, version: str) -> Mapping[str, float]:
        """Return metric to value; empty where nothing is known."""
        ...
