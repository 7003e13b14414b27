"""Whoever is denied a command is on record, whichever face they asked through."""

from datetime import UTC, datetime, timedelta

import pytest

from console import cli
from services.core.access import Action
from tests.console.test_incidents import fail


def denied(console):
    found = console.services.refusals.since(datetime.now(UTC) - timedelta(minutes=5))
    return [(r.actor, r.action, r.count) for r in found]


def test_a_command_denied_at_the_command_line_is_recorded_and_exits_2(console, monkeypatch, capsys):
    fail(console)
    monkeypatch.setattr("sys.argv", ["interlock", "--as", "viewer", "incidents", "resolve", "1", "--reason", "mine"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "to resolve takes admin or on-call" in capsys.readouterr().err
    assert denied(console) == [("demo:viewer", "resolve", 1)]
    assert console.services.incidents.get(1)[0].state == "open"


def test_a_click_on_a_button_that_was_only_hidden_from_them_is_recorded(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    button = console.button(page, "Acknowledge for 1 h")
    console.persona = "viewer"  # the role was taken away after the page was drawn
    button.click().run()
    assert denied(console) == [("demo:viewer", str(Action.ACKNOWLEDGE), 1)]
    (row,) = console.services.audit.newest()
    assert (row.actor, row.action) == ("demo:viewer", "denied: acknowledge")


def test_a_refusal_that_is_no_denial_is_not_counted(console, monkeypatch):
    monkeypatch.setattr("sys.argv", ["interlock", "--as", "on-call", "incidents", "mark", "1", "perhaps"])
    with pytest.raises(SystemExit):
        cli.main()
    assert denied(console) == []
