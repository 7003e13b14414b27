"""What an alert rule is, which rule speaks for a measurement, and what it says of it.

Opening incidents from that is in evaluate.py; the shipped rules are in defaults.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from services.core.measurement import Measurement, Verdict, Why


class Severity(StrEnum):
    """Whether somebody is woken (page) or it waits for working hours (ticket)."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a measurement becomes an incident.

    A rule without limits takes the measurement's own verdict: the test that measured knows more than a limit does.
    `clear_above` and `clear_below` are inner limits: a firing rule stays bad until the value is back inside them.
    """

    name: str
    measurement: str
    model: str = "*"
    environment: str = "*"
    column: str = "*"
    warn_above: float | None = None
    warn_below: float | None = None
    fail_above: float | None = None
    fail_below: float | None = None
    clear_above: float | None = None
    clear_below: float | None = None
    for_: timedelta = timedelta(0)
    keep_firing: timedelta = timedelta(0)
    severity: Severity = Severity.TICKET
    owner: str = ""
    runbook: str = ""
    enabled: bool = True

    @property
    def has_limits(self) -> bool:
        """Whether the rule judges the value itself."""
        limits = (self.warn_above, self.warn_below, self.fail_above, self.fail_below)
        return any(limit is not None for limit in limits)

    def covers(self, m: Measurement) -> bool:
        """Tell whether the rule is about this measurement."""
        return (
            self.enabled
            and self.measurement == m.name
            and fnmatchcase(m.subject, self.model)
            and fnmatchcase(m.environment, self.environment)
            and fnmatchcase(m.column, self.column)
        )

    @property
    def specificity(self) -> int:
        """How narrowly the rule is drawn; the narrowest that covers a measurement speaks for it."""
        named = sum(4 - 2 * ("*" in part) for part in (self.model, self.column) if part != "*")
        return named + (self.environment != "*")


def in_force(known: Sequence[Rule], edited: Sequence[Rule]) -> list[Rule]:
    """Return the rules with those edited on the page in the place of those of the same name, new ones last."""
    by_name = {rule.name: rule for rule in edited}
    return [by_name.pop(rule.name, rule) for rule in known] + list(by_name.values())


def rule_for(m: Measurement, rules: Sequence[Rule]) -> Rule | None:
    """Return the rule that speaks for a measurement: the narrowest, and of equals the last (a team's own)."""
    found = None
    for rule in rules:
        if rule.covers(m) and (found is None or rule.specificity >= found.specificity):
            found = rule
    return found


def judge(rule: Rule, m: Measurement, *, firing: bool) -> tuple[Verdict, str]:
    """Return the rule's verdict on a measurement, and the sentence for it.

    Inconclusive and monitor errors pass through: a limit cannot judge a number that nobody trusts.
    """
    if not rule.has_limits or m.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
        return m.verdict, m.reason
    if m.value is None:
        return Verdict.INCONCLUSIVE, f"{m.name} has no value: {m.reason}" if m.why is Why.NONE else m.reason
    fail = _beyond(m.value, rule.fail_above, rule.fail_below)
    if fail is None and firing:
        inner = _beyond(m.value, rule.clear_above, rule.clear_below)
        if inner is not None:
            return Verdict.FAIL, f"{_said(m)}, not yet back inside {inner:g}{_unit(m)}"
    if fail is not None:
        return Verdict.FAIL, f"{_said(m)}, limit {fail:g}{_unit(m)}"
    warn = _beyond(m.value, rule.warn_above, rule.warn_below)
    if warn is not None:
        return Verdict.WARN, f"{_said(m)}, warning limit {warn:g}{_unit(m)}"
    return Verdict.PASS, _said(m)


def _beyond(value: float, above: float | None, below: float | None) -> float | None:
    """Return the limit that the value is beyond, or None."""
    if above is not None and value > above:
        return above
    if below is not None and value < below:
        return below
    return None


def _said(m: Measurement) -> str:
    what = f"{m.name} of {m.column}" if m.column else m.name
    return f"{what} is {m.value:g}{_unit(m)}"


def _unit(m: Measurement) -> str:
    return f" {m.unit}" if m.unit else ""
