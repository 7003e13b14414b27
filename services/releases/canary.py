"""What a canary's traffic amounts to, counted from the log, and what the judge saw at each look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.core.measurement import Verdict


class Metric(StrEnum):
    """What the judge looks at, in its order."""

    SAMPLE_RATIO = "sample ratio"
    ERRORS = "errors"
    LATENCY = "latency"
    PREDICTIONS = "predictions"
    PAIRS = "pairs"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which the split did not change: the share that was wanted, and what arrived.

    `first_champion` and `first_candidate` count what the split really draws: entities seen for the first time, whose
    later requests follow them. They are the requests themselves where no entity comes twice.
    """

    start: datetime
    end: datetime | None
    weight_pct: float
    n_champion: int = 0
    n_candidate: int = 0
    first_champion: int = 0
    first_candidate: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`n` champion requests and one of the candidate, in the order in which they came: how many of each were bad."""

    n: int
    errors_champion: int
    errors_candidate: int
    slow_champion: int
    slow_candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Requests that share one value of one column: how many, and how many of them were answered differently."""

    column: str
    value: str
    n: int
    differ: int

    @property
    def share(self) -> float:
        """The share answered differently."""
        return self.differ / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Requests that champion and shadow both answered: the same inputs, two answers.

    `worst` are the segments that differ most, `examples` the requests whose answers are farthest apart, each as
    plain values; columns named sensitive are in neither.
    """

    n: int
    differ: int
    mean_gap: float
    worst: tuple[Segment, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Losses in [0, 1] of answers whose labels have come, in the order in which the labels came.

    `paired`: both answered the same requests, and place i of one belongs to place i of the other. `asked` counts the
    candidate's requests, labelled or not.
    """

    champion: tuple[float, ...] = ()
    candidate: tuple[float, ...] = ()
    paired: bool = False
    asked: int = 0
    measure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Everything that one look rests on. `limit_ms` is the champion's p95, frozen before the first canary request.

    `champion_bins` and `candidate_bins` count predictions in the same bins. `pairs` is there for a shadow only.
    """

    spans: tuple[Span, ...]
    blocks: tuple[Block, ...]
    limit_ms: float | None = None
    champion_bins: tuple[int, ...] = ()
    candidate_bins: tuple[int, ...] = ()
    pairs: Pairs | None = None
    labelled: Labelled = Labelled()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One metric at one look, with everything needed to say again why."""

    metric: Metric
    verdict: Verdict
    reason: str
    n_champion: int
    n_candidate: int
    value: float | None = None  # E, or the bound on the harm
    threshold: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
