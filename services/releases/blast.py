"""How far a version reached: what it answered, and how much of that another version would have answered otherwise."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

_TENTH: Final = 0.1  # of the answers' spread: less is no other number


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """What one version answered in one environment.

    `compared` of the `answered` requests were answered again by `against`, `differ` of them otherwise; `problem` says
    why none could be.
    """

    version: str
    against: str
    answered: int
    compared: int = 0
    differ: int = 0
    first: datetime | None = None
    last: datetime | None = None
    problem: str = ""

    @property
    def sentence(self) -> str:
        """What it means, for people; a number that was worked out from a part of the requests says so."""
        said = f"{self.answered:,} predictions by version {self.version}"
        if not self.answered:
            return f"{said}: nobody was answered by it"
        if self.problem:
            return f"{said}; how many version {self.against} would have answered otherwise is not known: {self.problem}"
        if not self.compared:
            return f"{said}; none was compared with version {self.against}"
        if self.compared == self.answered:
            return f"{said}, {self.differ:,} differ from {self.against}"
        scaled = round(self.differ / self.compared * self.answered)
        return f"{said}, about {scaled:,} differ from {self.against} ({self.differ:,} of {self.compared:,} looked at)"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the job that counted it."""
        return {"version": self.version, "against": self.against, "answered": self.answered, "compared": self.compared,
                "differ": self.differ, "problem": self.problem, "sentence": self.sentence,
                "first": self.first.isoformat() if self.first else None,
                "last": self.last.isoformat() if self.last else None}


def differing(task: str, served: ArrayLike, again: ArrayLike) -> int:
    """Return how many answers are others: another class, or a number farther off than a tenth of the usual spread.

    An answer that is missing on one side is another one, too.
    """
    a, b = np.asarray(served, dtype=np.float64), np.asarray(again, dtype=np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    if task == "binary":
        other = (a >= 0.5) != (b >= 0.5)
    elif task == "multiclass":
        other = a != b
    else:
        spread = float(np.nanstd(a)) if len(a) else 0.0
        other = np.abs(a - b) > _TENTH * spread
    return int((np.where(known, other, np.isfinite(a) != np.isfinite(b))).sum())
