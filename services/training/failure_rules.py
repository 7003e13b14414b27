"""Every rule of failure classification, in the order in which they are tried.

Why a rule stands where it stands: schedulers know best why they ended a job; memory comes before communication,
because one rank out of memory makes every other rank time out; the general classes come last. How lines are chosen
for matching is in log_events.py.
"""

from dataclasses import dataclass
from typing import Final

from services.training.failure_rule import FailureRule, Owner
from services.training.rules_languages import LANGUAGES
from services.training.rules_machine import MACHINE
from services.training.rules_program import PROGRAM

SHIPPED: Final[tuple[FailureRule, ...]] = MACHINE + LANGUAGES + PROGRAM

_BY_CLASS: Final[dict[str, tuple[Owner, bool]]] = {
    **{r.cls: (r.owner, r.retryable) for r in reversed(SHIPPED)},
    "cuda_runtime": (Owner.CODE, False), "traceback": (Owner.CODE, False),
    "lost_process": (Owner.INFRASTRUCTURE, True), "unknown": (Owner.UNKNOWN, False),
}

CLASSES: Final = tuple(sorted(_BY_CLASS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Corrections by people, tried first and newest first, then the shipped rules."""

    corrections: tuple[FailureRule, ...] = ()

    @property
    def ordered(self) -> tuple[FailureRule, ...]:
        """Every rule, in the order in which they are tried."""
        return self.corrections + SHIPPED


def by_class(cls: str) -> tuple[Owner, bool]:
    """Return who owns a class and whether a retry helps, for a class that a job or a person named without a log."""
    return _BY_CLASS.get(cls, (Owner.CODE, False))
