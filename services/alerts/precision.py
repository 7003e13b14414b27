"""Count per rule how many of its marked incidents were useful, and name the rules that spend the false-alarm budget."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.alerts.incident import Incident

# Fewer marks than these say nothing about a rule yet.
ENOUGH: Final = 5
# Of two who are woken, one must have had a reason to be; below that a rule is noise.
BUDGET: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How many incidents of a rule were marked, and how many of those useful."""

    useful: int
    marked: int

    def __str__(self) -> str:
        """Say it as `3 of 4`."""
        return f"{self.useful} of {self.marked}"

    @property
    def noisy(self) -> bool:
        """Whether the rule has spent its budget of false alarms; never on a handful of marks."""
        return self.marked >= ENOUGH and self.useful < BUDGET * self.marked


def precision(incidents: Iterable[Incident]) -> dict[str, Precision]:
    """Return the precision of every rule of which an incident was marked useful or noise.

    An incident counts once for each rule behind it, however many of its questions a rule asked.
    """
    counts: dict[str, tuple[int, int]] = {}
    for incident in incidents:
        if incident.useful is None:
            continue
        for rule in {m.rule for m in incident.members}:
            useful, marked = counts.get(rule, (0, 0))
            counts[rule] = (useful + incident.useful, marked + 1)
    return {rule: Precision(useful=useful, marked=marked) for rule, (useful, marked) in counts.items()}


def noisy(found: Mapping[str, Precision]) -> list[tuple[str, Precision]]:
    """Return the rules that are noise, the worst first."""
    over = [(rule, p) for rule, p in found.items() if p.noisy]
    return sorted(over, key=lambda pair: (pair[1].useful / pair[1].marked, -pair[1].marked, pair[0]))
