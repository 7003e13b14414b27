"""The form of one rule: everything an admin may change about it. What must hold is checked in services/alerts/rules."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.widgets import text
from services.alerts.rule import Rule, Severity


def limits(rule: Rule) -> str:
    """Return a rule's limits in words."""
    named = (("fails above", rule.fail_above), ("fails below", rule.fail_below), ("warns above", rule.warn_above),
             ("warns below", rule.warn_below), ("clears at", rule.clear_above), ("clears at", rule.clear_below))
    return ", ".join(f"{word} {value:g}" for word, value in named if value is not None) or "its own verdict"


def draw(rule: Rule, *, models: Sequence[str], runbooks: Sequence[str]) -> Rule:
    """Draw the form and return the rule as it is filled in; for one model only, it is a rule of its own name."""
    name = rule.name
    left, middle, right = st.columns(3)
    enabled = left.checkbox("Enabled", value=rule.enabled, key=f"rule-on:{name}")
    page = left.checkbox("Wakes somebody (page)", value=rule.severity is Severity.PAGE, key=f"rule-page:{name}")
    scopes = list(dict.fromkeys([rule.model, *models]))
    model = left.selectbox("Applies to", scopes, key=f"rule-model:{name}",
                           format_func=lambda m: "every model" if m == "*" else m)
    middle_right = middle.container()
    minutes = _minutes(middle_right, "Bad for, minutes", rule.for_, f"rule-for:{name}")
    keep = _minutes(middle_right, "Keep firing, minutes", rule.keep_firing, f"rule-keep:{name}")
    owner = middle_right.text_input("Owner", value=rule.owner, key=f"rule-owner:{name}", max_chars=120)
    above = _limit(right, "Fail above", rule.fail_above, f"rule-above:{name}")
    below = _limit(right, "Fail below", rule.fail_below, f"rule-below:{name}")
    books = list(dict.fromkeys([rule.runbook, *runbooks]))
    runbook = right.selectbox("Runbook", books, key=f"rule-book:{name}")
    with st.expander("Warning and clear limits", expanded=bool(rule.has_limits)):
        one, two, three, four = st.columns(4)
        warn_above = _limit(one, "Warn above", rule.warn_above, f"rule-warn-above:{name}")
        warn_below = _limit(two, "Warn below", rule.warn_below, f"rule-warn-below:{name}")
        clear_above = _limit(three, "Clear when back under", rule.clear_above, f"rule-clear-above:{name}")
        clear_below = _limit(four, "Clear when back over", rule.clear_below, f"rule-clear-below:{name}")
    return replace(
        rule, name=name if model == rule.model else f"{rule.measurement} of {model}", model=model, enabled=enabled,
        severity=Severity.PAGE if page else Severity.TICKET, for_=minutes, keep_firing=keep, owner=owner.strip(),
        runbook=runbook, fail_above=above, fail_below=below, warn_above=warn_above, warn_below=warn_below,
        clear_above=clear_above, clear_below=clear_below)


def _minutes(place: DeltaGenerator, label: str, value: timedelta, key: str) -> timedelta:
    shown = place.number_input(text.escape(label), 0, 10_080, int(value.total_seconds() // 60), key=key)
    # Seconds that the form cannot show are kept while the minutes are left alone.
    return value if shown == int(value.total_seconds() // 60) else timedelta(minutes=shown)


def _limit(place: DeltaGenerator, label: str, value: float | None, key: str) -> float | None:
    found: float | None = place.number_input(text.escape(label), value=value, key=key, format="%g",
                                             placeholder="its own verdict")
    return found
