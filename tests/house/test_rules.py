"""Every shipped rule has a runbook, and every runbook says what to look at and what to do.

That every watched row has a rule, and every rule a row, is held together by test_signals_table.py.
"""

import pytest

from services.adapters.runbook_files import RunbookFiles
from services.alerts.defaults import SHIPPED

BOOKS = RunbookFiles(None).all()
DEPLOYMENT = {"deploy-approvals", "deploy-into-production", "deploy-where", "deploy-failed", "deploy-roll-back"}


def test_every_rule_has_a_runbook():
    assert {rule.runbook for rule in SHIPPED} <= set(BOOKS)


def test_every_measurement_has_one_shipped_rule():
    names = [rule.measurement for rule in SHIPPED]
    assert len(names) == len(set(names))


def test_no_runbook_is_without_a_rule_but_the_five_on_deployment():
    assert set(BOOKS) - {rule.runbook for rule in SHIPPED} == DEPLOYMENT


@pytest.mark.parametrize("name", sorted(set(BOOKS) - DEPLOYMENT))
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_whom_to_wake(name):
    book = BOOKS[name]
    assert book.means
    assert [heading for heading, _ in book.sections] == ["First look", "Usual causes", "Roll back", "Whom to wake"]
    assert len(book.steps) >= 3
