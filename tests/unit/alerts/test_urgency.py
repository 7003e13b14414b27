"""Incidents stand in the order in which they want somebody."""

from dataclasses import replace

from services.alerts.incident import State, urgent_first
from services.alerts.rule import Severity
from services.core.measurement import Verdict
from tests.unit.alerts.alert_builders import MINUTE, NOW, History, measured, rule


def test_pages_that_nobody_took_come_first_and_the_newest_of_them():
    history = History(rule(severity=Severity.PAGE))
    history.run(measured(Verdict.FAIL), now=NOW)
    (page,) = history.open
    newer = replace(page, id=2, opened_at=NOW + MINUTE)
    taken = replace(newer, id=3, state=State.ACKNOWLEDGED)
    ticket = replace(newer, id=4, severity=Severity.TICKET)
    silenced = replace(newer, id=5, silenced_until=NOW + 9 * MINUTE)
    over = replace(newer, id=6, state=State.RESOLVED)
    found = urgent_first([over, silenced, ticket, taken, page, newer], now=NOW + 2 * MINUTE)
    assert [incident.id for incident in found] == [2, 1, 3, 4, 5, 6]
