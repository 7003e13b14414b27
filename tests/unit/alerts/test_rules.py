"""Editing a rule: by an admin, with a reason, without contradicting limits; what changed is said in words."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.rule import Severity
from services.alerts.rules import differences, edit
from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed, Refused
from tests.unit.alerts.alert_builders import MINUTE, NOW, rule


class Kept:
    """Keeps what was saved, as the store would."""

    def __init__(self) -> None:
        self.saved = []

    def save_rule(self, saved, *, actor, reason, op_id, now):
        self.saved.append((saved, actor.subject, reason, op_id, now))
        return {"rule": saved.name, "version": len(self.saved)}


def actor(role: Role) -> Actor:
    return Actor(subject=str(role), issuer="demo", method="demo", grants=(Grant(role=role),))


def saving(changed, *, role=Role.ADMIN, reason="the contract says 250 ms"):
    kept = Kept()
    edit(kept, changed, actor=actor(role), reason=reason, op_id="a", now=NOW)
    return kept.saved


def test_an_admin_saves_with_a_reason():
    changed = rule(fail_above=250.0)
    assert saving(changed) == [(changed, "admin", "the contract says 250 ms", "a", NOW)]


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.ADMIN])
def test_nobody_else_does(role):
    with pytest.raises(NotAllowed, match="to edit rules takes admin"):
        saving(rule(), role=role)


def test_a_reason_is_required():
    with pytest.raises(Refused, match="takes a reason"):
        saving(rule(), reason="  ")


@pytest.mark.parametrize(("limits", "said"), [
    ({"warn_above": 300.0, "fail_above": 250.0}, "warn above 300 lies beyond fail above 250"),
    ({"fail_below": 5.0, "warn_below": 1.0}, "fail below 5 lies beyond warn below 1"),
    ({"clear_above": 300.0, "fail_above": 250.0}, "clear above 300 lies beyond fail above 250"),
    ({"fail_below": 5.0, "clear_below": 1.0}, "fail below 5 lies beyond clear below 1"),
])
def test_limits_that_contradict_each_other_are_named(limits, said):
    with pytest.raises(Refused, match=said):
        saving(rule(**limits))


def test_what_an_edit_changed_is_said_with_both_values():
    before = rule(for_=5 * MINUTE)
    after = replace(before, fail_above=250.0, for_=timedelta(0), severity=Severity.PAGE, enabled=False)
    assert differences(before, after) == (
        "fail above none → 250, for 5 min → at once, severity ticket → page, enabled on → off")
    assert differences(before, before) == "nothing"
    assert differences(None, before) == "a new rule"


@given(st.sampled_from(["fail_above", "fail_below", "warn_above", "clear_below"]), st.floats(0, 1e6))
def test_every_limit_that_changed_is_named(field, value):
    assert differences(rule(), rule(**{field: value})).startswith(f"{field.replace('_', ' ')} none → ")
