"""What a version answered on a test set, and how two versions compare on the same rows.

The comparison is paired: both versions are resampled on the same rows, so what is hard for both cancels out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
ROUNDS: Final = 300
NEEDED: Final = 200
# Metric -> (whether more is better, the tolerated loss, whether that is relative to the champion's value).
TOLERANCE: Final = {"auc": (True, 0.01, False), "macro_recall": (True, 0.02, False), "mae": (False, 0.02, True)}
HEADLINE: Final = {"binary": "auc", "multiclass": "macro_recall", "regression": "mae"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """Answers to the rows of a test set. `problem` says why there are none: the rest is empty then.

    `kind` of the problem is load, score, hang, memory or crash; `labels` are NaN where a row has none.
    """

    prediction: Floats = field(default_factory=lambda: np.empty(0))
    score: Floats | None = None
    labels: Floats | None = None
    slices: Mapping[str, Any] = field(default_factory=dict)  # column -> array of its values as text
    load_s: float = 0.0
    latencies_ms: tuple[float, ...] = ()
    peak_mb: float = 0.0
    inputs: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()  # inputs that the test set does not have
    problem: str = ""
    kind: str = ""

    def value(self, task: str) -> Floats:
        """Return what the headline metric is taken of: the score of a classifier, else the prediction."""
        return self.score if task == "binary" and self.score is not None else self.prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate against champion on the same rows. `low` and `high` bound candidate - champion at 95%."""

    metric: str
    candidate: float
    champion: float
    low: float
    high: float
    n: int

    @property
    def tolerated(self) -> float:
        """How much worse the candidate may be."""
        _, least, relative = TOLERANCE[self.metric]
        return least * abs(self.champion) if relative else least

    @property
    def surely_worse(self) -> bool:
        """Whether even the good end of the interval is worse by more than is tolerated."""
        more = TOLERANCE[self.metric][0]
        return (self.high < -self.tolerated) if more else (self.low > self.tolerated)

    @property
    def perhaps_worse(self) -> bool:
        """Whether the candidate itself is worse by more than is tolerated."""
        more, change = TOLERANCE[self.metric][0], self.candidate - self.champion
        return (change < -self.tolerated) if more else (change > self.tolerated)

    def text(self) -> str:
        """Return such as `auc 0.71 against 0.73 of the champion (-0.03 to -0.01), 4,000 rows`."""
        return (f"{self.metric} {self.candidate:.4g} against {self.champion:.4g} of the champion "
                f"(difference {self.low:+.3g} to {self.high:+.3g}), {self.n:,} rows")


def headline(task: str, labels: Floats, value: Floats) -> float | None:
    """Return AUC, macro recall or mean absolute error; None where it cannot be said (one class, no rows)."""
    if len(labels) == 0:
        return None
    if task == "regression":
        return float(np.abs(value - labels).mean())
    if task == "multiclass":
        return float(np.mean([(value[labels == c] == c).mean() for c in np.unique(labels)]))
    return rank_auc(labels, value)


def rank_auc(labels: Floats, score: Floats) -> float | None:
    """Return the area under the ROC curve by ranks, ties half; None while one class is missing."""
    positive = labels >= 0.5
    n_p, n_n = int(positive.sum()), int((~positive).sum())
    if n_p == 0 or n_n == 0:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n_p * (n_p + 1) / 2) / (n_p * n_n))


def compare(task: str, candidate: Scored, champion: Scored, *, inside: Any = None) -> Difference | None:
    """Compare two versions on the rows that both answered and that have a label; `inside` narrows to a slice."""
    if candidate.labels is None or champion.labels is None:
        return None
    ours, theirs, labels = candidate.value(task), champion.value(task), candidate.labels
    if len(ours) != len(theirs):
        return None
    usable = np.isfinite(ours) & np.isfinite(theirs) & np.isfinite(labels)
    if inside is not None:
        usable &= inside
    ours, theirs, labels = ours[usable], theirs[usable], labels[usable]
    new, old = headline(task, labels, ours), headline(task, labels, theirs)
    if new is None or old is None or len(labels) < NEEDED:
        return None
    draw = np.random.default_rng(0)  # the same rows give the same interval: a gate must not flicker
    changes = []
    for _ in range(ROUNDS):
        rows = draw.integers(0, len(labels), len(labels))
        a, b = headline(task, labels[rows], ours[rows]), headline(task, labels[rows], theirs[rows])
        if a is not None and b is not None:
            changes.append(a - b)
    low, high = (float(x) for x in np.quantile(changes, [0.025, 0.975])) if changes else (new - old, new - old)
    return Difference(metric=HEADLINE[task], candidate=new, champion=old, low=low, high=high, n=len(labels))
