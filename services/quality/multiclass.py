"""Answers of a multiclass model as a mergeable table of label against prediction, and metrics per class and macro.

Beside it stand counts by the class said and the bin of its probability (binary.bin_of), where the log has one: of every
valid answer, of labelled ones, and of those that were right. The estimate before labels is made from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from services.quality.metric import Metric, share_metric

_BY_BIN: Final = ("asked", "known", "right")
Key = TypeVar("Key", bound=tuple[str, str] | tuple[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """(label, prediction) to its number, over labelled answers; (class said, score bin) to its number."""

    table: Mapping[tuple[str, str], int] = field(default_factory=dict)
    asked: Mapping[tuple[str, int], int] = field(default_factory=dict)
    known: Mapping[tuple[str, int], int] = field(default_factory=dict)
    right: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Labelled answers."""
        return sum(self.table.values())

    def merge(self, other: "ClassScores") -> "ClassScores":
        """Return both together."""
        return ClassScores(table=_sum(self.table, other.table),
                           **{name: _sum(getattr(self, name), getattr(other, name)) for name in _BY_BIN})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: [[a, b, n] for (a, b), n in sorted(getattr(self, name).items())] for name in ("table", *_BY_BIN)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote; a day that was counted before scores were has none."""
        bins: dict[str, Any] = {name: {(said, int(place)): int(n) for said, place, n in value.get(name, ())}
                                for name in _BY_BIN}
        return cls(table={(label, said): int(n) for label, said, n in value["table"]}, **bins)

    def classes(self) -> dict[str, dict[str, Metric]]:
        """Return precision, recall and F1 of every class that was a label; precision is absent where never said."""
        found: dict[str, dict[str, Metric]] = {}
        for name in sorted({label for label, _ in self.table}):
            true = self.table.get((name, name), 0)
            actual = sum(n for (label, _), n in self.table.items() if label == name)
            said = sum(n for (_, answer), n in self.table.items() if answer == name)
            found[name] = {"recall": share_metric(true, actual),
                           "f1": Metric(value=2 * true / (actual + said), n=actual)}
            if said:
                found[name]["precision"] = share_metric(true, said)
        return found

    def metrics(self) -> dict[str, Metric]:
        """Return accuracy and the plain means over classes; a class that was never said has precision 0 in the mean."""
        if self.n == 0:
            return {}
        classes = self.classes()
        found = {"accuracy": share_metric(sum(n for (a, b), n in self.table.items() if a == b), self.n)}
        for name in ("precision", "recall", "f1"):
            values = [c[name].value if name in c else 0.0 for c in classes.values()]
            found[f"macro_{name}"] = Metric(value=sum(values) / len(values), n=self.n)
        return found


def _sum(mine: Mapping[Key, int], theirs: Mapping[Key, int]) -> dict[Key, int]:
    found = dict(mine)
    for key, number in theirs.items():
        found[key] = found.get(key, 0) + number
    return found
