"""What is broken now? One line per thing, worst first; what is unsure is never counted as fine."""

from datetime import timedelta
from functools import partial

import streamlit as st

from console import navigation, session
from console.queries import now as queries
from console.widgets import cards, chrome, decide, meanings, status, text
from services.alerts import actions
from services.alerts.incident import Incident
from services.core.access import Action, Actor

now = session.now()
found = queries.now()
text.header("Now", as_of=found.as_of, now=now)


def acknowledge(incident: Incident) -> decide.Do:
    """Return the act of saying that somebody is on it, for an hour."""
    def do(actor: Actor, reason: str, op_id: str) -> str:
        done = actions.acknowledge(session.services().incidents, incident.id, actor=actor, hold=timedelta(hours=1),
                                   op_id=op_id, now=session.now(), reason=reason)
        return f"You are on incident {incident.id} {done['text']}"

    return do


def draw_acknowledge(incident: Incident) -> None:
    """Draw the button with which an on-call engineer takes an incident."""
    decide.quick(f"ack-{incident.id}-{incident.revision}",
                 decide.Choice("Acknowledge", Action.ACKNOWLEDGE, acknowledge(incident)), now=now,
                 model=incident.subject, environment=incident.environment)


def draw(rows: list[queries.Row], name: str) -> None:
    """Draw each thing on one line; a thing with an incident leads there, any other to the page of its pipeline."""
    with status.lines(name):
        for row in rows:
            to, params = target(row)
            incident = row.incident
            status.line(
                row.state, row.subject, row.words, since=row.since, now=now, kind=row.kind, hint=row.hint, to=to,
                params=params,
                act=partial(draw_acknowledge, incident) if incident and not incident.acknowledged_by else None,
            )


def target(row: queries.Row) -> tuple[str, dict[str, object]]:
    """Return the page that a row leads to, and its filters."""
    if row.incident is None and row.line is None:
        return "system", {}
    if row.incident or row.line is None:
        return "incidents", {"incident": row.incident.id if row.incident else ""}
    page = "drift" if row.line.name in ("drift", "skew") else navigation.PAGE_OF[row.line.pipeline]
    return page if page in navigation.listed() else "system", {
        "model": row.line.subject, "environment": row.line.environment, "feature": row.line.column}


if not found.rows and not found.fine:
    cards.empty(cards.Nothing.NEVER, "Nothing was measured yet",
                "run interlock monitor, or interlock monitor --once for a single pass; System says what is connected")
    session.leave()

with cards.guard("who is on call"), st.container(horizontal=True, horizontal_alignment="distribute", key="il-top"):
    status.counts(row.state for row in [*found.rows, *found.fine])
    chrome.duty(now)
decide.outcome("acknowledged")
text.section("Open, worst first")
if found.rows:
    draw(found.rows[:status.OPEN_LINES], "open")
    if more := found.rows[status.OPEN_LINES:]:
        with status.rest(len(more)):
            draw(more, "rest")
else:
    text.sentence(f"All {len(found.fine)} things that are measured are fine." if not found.stopped else
                  "Nothing was failing when the monitor stopped.")
if found.fine:
    state = found.fine[0].state
    with st.expander(status.markdown(state, len(found.fine)), expanded=not found.rows):
        draw(found.fine, "fine")

meanings.explain(name for row in found.rows for name in row.measures)
