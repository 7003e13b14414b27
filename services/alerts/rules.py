"""Edit a rule: who may, what a rule must satisfy, what an edit changed. Storing is in adapters/incident_table.py."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.alerts.rule import Rule
from services.core.access import Action, Actor, require
from services.core.window import span_text
from services.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a rule that was saved: who, when."""

    rule: Rule
    version: int
    by: str
    at: datetime


class RuleStore(Protocol):
    """Keeps versions of rules."""

    def save_rule(self, rule: Rule, *, actor: Actor, reason: str, op_id: str, now: datetime) -> dict[str, Any]:
        """Store a new version, audited, once per `op_id`."""
        ...


def edit(store: RuleStore, rule: Rule, *, actor: Actor, reason: str, op_id: str, now: datetime) -> dict[str, Any]:
    """Put a new version of a rule into force from the next pass on.

    Raises:
        NotAllowed: the actor is no admin.
        Refused: no reason, or limits that contradict each other.
    """
    require(actor, Action.EDIT_RULES)
    if not reason.strip():
        raise Refused("to change a rule takes a reason: say in a few words why")
    _ordered(rule.warn_above, rule.fail_above, "warn above", "fail above")
    _ordered(rule.fail_below, rule.warn_below, "fail below", "warn below")
    _ordered(rule.clear_above, rule.fail_above, "clear above", "fail above")
    _ordered(rule.fail_below, rule.clear_below, "fail below", "clear below")
    return store.save_rule(rule, actor=actor, reason=reason, op_id=op_id, now=now)


def _ordered(low: float | None, high: float | None, low_name: str, high_name: str) -> None:
    if low is not None and high is not None and low > high:
        raise Refused(f"{low_name} {low:g} lies beyond {high_name} {high:g}: exchange them")


def differences(before: Rule | None, after: Rule) -> str:
    """Return in words what an edit changed; before is None where the rule is new."""
    if before is None:
        return "a new rule"
    changed = [
        f"{field.name.rstrip('_').replace('_', ' ')} {_word(getattr(before, field.name))} → "
        f"{_word(getattr(after, field.name))}"
        for field in fields(Rule) if getattr(before, field.name) != getattr(after, field.name)
    ]
    return ", ".join(changed) or "nothing"


def _word(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, timedelta):
        return span_text(value) if value else "at once"
    return f"{value:g}" if isinstance(value, float) else str(value)
