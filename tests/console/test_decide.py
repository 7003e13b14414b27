"""The panel in which a person decides: what it asks for, what it enables, and that a click decides once."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from console import session
from services.adapters.ops_tables import house

SCRIPT = """
from console import session
from console.widgets import decide
from services.core.access import Action, require
from services.core.audit import AuditEntry
from services.errors import SourceUnavailable

def approve(actor, reason, op_id):
    require(actor, Action.APPROVE, model="flight-delay", environment="production")
    done = session.services().db.command(
        op_id, actor=actor, command="approve", subject="release:1", now=session.now(),
        work=lambda c: ({}, [AuditEntry(at=session.now(), actor=actor, action="approve", subject="release:1",
                                        reason=reason)]))
    return "Already approved." if done["already"] else "Approved: 1 of 2."

def broken(actor, reason, op_id):
    raise SourceUnavailable("the ops store is locked: try again")

decide.panel("r-1", [
    decide.Choice("Approve", Action.APPROVE, approve, primary=True),
    decide.Choice("Promote", Action.PROMOTE, approve, why_not="soak has 2 h to go"),
    decide.Choice("Roll back", Action.ROLL_BACK, approve, typed="flight-delay"),
    decide.Choice("Reject", Action.REJECT, broken),
], model="flight-delay", environment="production", now=session.now())
"""


@pytest.fixture
def panel(console):
    def open_(persona):
        console.persona = persona
        return AppTest.from_string(SCRIPT, default_timeout=120).run()

    return open_


def signed(console):
    with console.services.db.read() as connection:
        return [(row.actor, row.method, row.reason) for row in connection.execute(select(house.audit))]


def test_an_approver_decides_with_a_reason_and_sees_the_outcome_stay(console, panel):
    page = panel("approver-1")
    page.text_area[0].set_value("gates pass, checked slices")
    console.button(page, "Approve").click().run()
    assert "Approved: 1 of 2." in console.words(page)
    assert signed(console) == [("demo:approver-1", "demo", "gates pass, checked slices")]
    assert "Approved: 1 of 2." in console.words(page.run())


def test_without_a_reason_nothing_is_decided(console, panel):
    page = panel("approver-1")
    console.button(page, "Approve").click().run()
    assert "write a reason first" in console.words(page)
    assert signed(console) == []


def test_a_click_repeated_before_the_page_was_drawn_again_decides_once(console, panel):
    page = panel("approver-1")
    page.text_area[0].set_value("gates pass")
    op_id = page.session_state["op:r-1"]
    console.button(page, "Approve").click().run()
    page.session_state["op:r-1"] = op_id  # what a second click on the old drawing sends
    page.text_area[0].set_value("gates pass")
    page.run()
    console.button(page, "Approve").click().run()
    assert "Already approved." in console.words(page)
    assert len(signed(console)) == 1


def test_a_viewer_sees_what_the_decision_takes_and_cannot_click(console, panel):
    page = panel("viewer")
    button = console.button(page, "Approve")
    assert button.disabled
    assert "takes approver" in button.help
    assert "Greyed: Approve, Reject (takes approver); Promote (takes" in console.words(page), "a thumb reads no tooltip"
    assert "You are Viewer: viewer on flight-delay production." in console.words(page)


def test_the_service_refuses_when_the_role_was_lost_after_the_form_was_drawn(console, panel):
    page = panel("approver-1")
    page.text_area[0].set_value("let me in")
    console.persona = "viewer"
    console.button(page, "Approve").click().run()
    assert "to approve takes approver" in console.words(page)
    assert [r.action for r in console.services.audit.newest()] == ["denied: approve"]


def test_a_choice_that_is_not_possible_now_says_why(console, panel):
    button = console.button(panel("approver-1"), "Promote")
    assert button.disabled
    assert "soak has 2 h to go" in button.help


def test_what_cannot_be_undone_needs_the_name_typed(console, panel):
    page = panel("on-call")
    page.text_area[0].set_value("errors doubled")
    console.button(page, "Roll back").click().run()
    assert "type flight-delay to confirm" in console.words(page)
    assert signed(console) == []


def test_a_broken_store_is_shown_in_place_and_keeps_the_reason(console, panel):
    page = panel("approver-1")
    page.text_area[0].set_value("too slow")
    console.button(page, "Reject").click().run()
    assert "the ops store is locked: try again" in console.words(page)
    assert page.text_area[0].value == "too slow"
    assert not page.exception


def test_the_time_of_the_decision_is_shown_exactly(console, panel, monkeypatch):
    monkeypatch.setattr(session, "now", lambda: datetime(2026, 3, 4, 15, 7, tzinfo=UTC))
    page = panel("approver-1")
    page.text_area[0].set_value("gates pass")
    console.button(page, "Approve").click().run()
    assert "Approve, 2026-03-04 15:07" in console.words(page)
