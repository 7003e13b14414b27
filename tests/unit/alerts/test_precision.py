"""Precision per rule, counted from incidents that people marked; a handful of marks condemns nobody."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.evaluate import evaluate
from services.alerts.precision import ENOUGH, Precision, noisy, precision
from tests.unit.alerts.alert_builders import NOW, measured, rule

RULES = [rule(name="drift", measurement="drift"), rule(name="missing", measurement="missing_rate")]


def incident(*names, useful):
    columns = [measured(name=name, column=column) for name in names for column in "ab"]
    (opened,) = evaluate(RULES, columns, {}, [], now=NOW).transitions
    return replace(opened.incident, useful=useful)


def test_an_incident_counts_once_for_each_rule_behind_it():
    found = precision([incident("drift", "missing_rate", useful=True), incident("drift", useful=False)])
    assert {rule: str(p) for rule, p in found.items()} == {"drift": "1 of 2", "missing": "1 of 1"}


def test_what_nobody_marked_is_not_counted():
    assert precision([incident("drift", useful=None)]) == {}


def test_a_rule_below_one_in_two_is_noise_and_the_worst_comes_first():
    found = {"bad": Precision(useful=2, marked=6), "worse": Precision(useful=0, marked=5),
             "even": Precision(useful=3, marked=6), "few": Precision(useful=0, marked=ENOUGH - 1)}
    assert [name for name, _ in noisy(found)] == ["worse", "bad"]


@given(st.lists(st.sampled_from([True, False, None]), max_size=30))
def test_useful_and_marked_add_up(marks):
    found = precision([incident("drift", useful=useful) for useful in marks])
    told = [m for m in marks if m is not None]
    assert found.get("drift", Precision(useful=0, marked=0)) == Precision(useful=sum(told), marked=len(told))
