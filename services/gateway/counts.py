"""Count what happened to requests of one model in one environment since the gateway started."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """`served` and `errors` are per version and sum to what was routed to it.

    A canary's failure that the champion answered is the canary's error and one of `fell_back`; it is not added to what
    the champion served, so that shares can be compared with weights.
    """

    served: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    fell_back: int = 0
    shadowed: int = 0
    shadows_dropped: int = 0

    def answered(self, version: str) -> None:
        """Count an answer."""
        self.served[version] += 1

    def failed(self, version: str) -> None:
        """Count a version's failure."""
        self.errors[version] += 1

    def refused(self, code: str) -> None:
        """Count a request that got no prediction, by its error code."""
        self.rejected[code] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return {"served": dict(self.served), "errors": dict(self.errors), "rejected": dict(self.rejected),
                "fell_back": self.fell_back, "shadowed": self.shadowed, "shadows_dropped": self.shadows_dropped}


def together(shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what several gateways of one route show, as one: counts are added, the rest is the slowest follower's.

    What was asked for counts as done when all obey it, so the oldest generation speaks; and a share that one of them
    has taken away from the canary is not there any more.
    """
    whole = dict(min(shown, key=lambda one: (one["generation"], not one["expired"])))
    for name, value in Counts().to_json().items():
        each = [one[name] for one in shown]
        whole[name] = sum(each) if isinstance(value, int) else dict(sum(map(Counter, each), Counter()))
    return whole
