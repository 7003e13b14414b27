"""How many answers have their label yet: arrived, late, and *absent* for a known reason are three different things."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

ENOUGH: Final = 0.6  # share of the labels that will come, below which quality is not judged
_NUMBERS: Final = ("rows", "labelled", "contradicting", "early", "invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Answers and their labels.

    `rows` are answered requests. `labelled` have one usable label. `absent` maps the reason why a label will never
    come to its number. `contradicting` have two labels that differ, `early` one that was known before the prediction:
    neither is used. `invalid` answers (NaN, a score outside [0, 1]) cannot be scored, labelled or not.
    """

    rows: int = 0
    labelled: int = 0
    contradicting: int = 0
    early: int = 0
    invalid: int = 0
    absent: Mapping[str, int] = field(default_factory=dict)

    def merge(self, other: "Coverage") -> "Coverage":
        """Return both together."""
        absent = {**self.absent}
        for reason, number in other.absent.items():
            absent[reason] = absent.get(reason, 0) + number
        return Coverage(**{n: getattr(self, n) + getattr(other, n) for n in _NUMBERS}, absent=absent)

    @property
    def never(self) -> int:
        """Answers whose label will never come."""
        return sum(self.absent.values())

    @property
    def due(self) -> int:
        """Answers whose label is there or still to come."""
        return self.rows - self.never

    @property
    def waiting(self) -> int:
        """Answers without a usable label."""
        return max(0, self.due - self.labelled)

    @property
    def share(self) -> float | None:
        """The share of labels that are there of those that will come; None when none will."""
        return self.labelled / self.due if self.due > 0 else None

    def text(self) -> str:
        """Return one line for people."""
        share = f"{self.share:.0%}" if self.share is not None else "none"
        parts = [f"{share} of {self.due:,} labels are here"]
        if self.never:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(self.absent.items(), key=lambda i: -i[1])[:3])
            parts.append(f"{self.never:,} will never come ({reasons})")
        for number, words in ((self.contradicting, "contradict themselves"), (self.early, "were known too early"),
                              (self.invalid, "answers cannot be scored")):
            if number:
                parts.append(f"{number:,} {words}")
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**{n: getattr(self, n) for n in _NUMBERS}, "absent": dict(self.absent)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        return cls(**{n: int(value[n]) for n in _NUMBERS}, absent=dict(value["absent"]))
