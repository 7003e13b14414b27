"""What one rule of failure classification is. The rules themselves are in rules_*.py."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Who can mend it."""

    INFRASTRUCTURE = "infrastructure"
    DATA = "data"
    CODE = "code"
    USER = "user"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """A pattern over one line of a log, and what its match means.

    `stems` are short lower-case texts of which every match contains one: a line without any is not tried, which is
    what makes a long log cheap. `symptom` marks lines that only speak where no exception does: a loss printed as NaN,
    a bare `Killed`.
    """

    cls: str
    owner: Owner
    retryable: bool
    pattern: re.Pattern[str]
    stems: tuple[str, ...] = ()
    symptom: bool = False
    by: str = "shipped"  # or the identity of the person whose correction it is

    def matches(self, line: str, lower: str) -> bool:
        """Tell whether the rule speaks of a line; `lower` is the same line in lower case."""
        if self.stems and not any(stem in lower for stem in self.stems):
            return False
        return self.pattern.search(line) is not None


def rule(
    cls: str, owner: Owner, *patterns: str, stems: str, retryable: bool = False, symptom: bool = False
) -> FailureRule:
    """Return a shipped rule: any of the patterns, whatever the case; `stems` are separated by `|`."""
    return FailureRule(
        cls=cls, owner=owner, retryable=retryable, symptom=symptom, stems=tuple(stems.split("|")),
        pattern=re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE),
    )
