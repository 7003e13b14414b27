"""Say which moved features go with a shift of the predictions: "wind_speed explains 71%".

At training the mean score is kept per bin of each feature. A feature whose rows moved between bins then shifts the mean
score by sum (p - q) (mean score of the bin - overall mean), as far as the score follows that feature alone. Features
that move together are each credited, so this ranks causes for a person to look at; it proves none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.drift.compare import percent
from services.drift.distance import shares
from services.profiles.baseline import PREDICTION, SCORE, Baseline
from services.profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """How much a feature's change moves the mean score, and its share among those that move it the way it went."""

    column: str
    shift: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The mean score in the window and in the baseline, and what goes with the difference, largest first."""

    answer: str
    mean: float
    baseline: float
    parts: tuple[Contribution, ...]

    @property
    def sentence(self) -> str:
        """Return such as `mean score .21 to .29; wind_speed explains 71%`."""
        moved = f"mean {self.answer} {self.baseline:.3g} to {self.mean:.3g}"
        named = [f"{p.column} explains {percent(p.share)}" for p in self.parts[:2] if p.share >= 0.1]
        return f"{moved}; {', '.join(named)}" if named else moved


def explain(window: Profile, against: Profile, baseline: Baseline) -> Explanation | None:
    """Return what goes with the shift of the predictions; None where the baseline knows no answers or no rows came."""
    answer = next((name for name in (SCORE, PREDICTION) if name in baseline.layout.columns), None)
    if answer is None:
        return None
    ours, theirs = window.column(answer), against.column(answer)
    if ours.mean is None or theirs.mean is None or not baseline.response:
        return None
    direction = 1.0 if ours.mean >= theirs.mean else -1.0
    shifts = {name: _shift(name, window, against, means) for name, means in baseline.response.items()}
    total = sum(max(0.0, s * direction) for s in shifts.values())
    parts = [Contribution(column=name, shift=s, share=max(0.0, s * direction) / total if total else 0.0)
             for name, s in shifts.items()]
    return Explanation(answer=answer, mean=ours.mean, baseline=theirs.mean,
                       parts=tuple(sorted(parts, key=lambda p: -p.share)))


def _shift(name: str, window: Profile, against: Profile, means: Sequence[float | None]) -> float:
    p, q = (shares(side.column(name).test_counts) for side in (window, against))
    known = np.array([m is not None for m in means])
    values = np.array([0.0 if m is None else m for m in means])
    # A bin that the baseline never filled tells nothing about the score there: its rows count as average.
    middle = float((q[known] * values[known]).sum() / max(q[known].sum(), 1e-12))
    return float(((p - q) * np.where(known, values - middle, 0.0)).sum())
