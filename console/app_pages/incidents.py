"""Incidents: the list of them, or one; what one shows is in widgets/incident_view.py, its decisions in …_acts.py."""

import streamlit as st

from console import session, state
from console.queries import incidents as queries
from console.queries import now as now_queries
from console.widgets import cards, chrome, incident_view, pickers, status, text, walk
from services.alerts.incident import Incident, what

now = session.now()


def draw_list() -> None:
    """Draw every open incident, or with `show=all` the resolved ones too."""
    with pickers.bar():
        shown = pickers.choice("show", ["open", "all"], label="Show")
    found, as_of = queries.listed(resolved=shown == "all")
    text.header("Incidents", as_of=as_of, now=now)
    chrome.duty(now)
    gone = now_queries.halted(now)
    if not found and gone is None:
        cards.empty(cards.Nothing.NONE, "No incident is open", "what is unsure stands on Now; it is not an incident")
        return
    with status.lines("incidents"):
        if gone:
            # No pass, no row: this one stands in for the incident that nobody is there to open.
            status.line(gone.state, gone.subject, gone.words, since=gone.since, now=now, kind=gone.kind, hint=gone.hint,
                        to="system", params={})
        for incident in found[:status.OPEN_LINES]:
            draw_line(incident)
    if more := found[status.OPEN_LINES:]:
        with status.rest(len(more)), status.lines("incidents-rest"):
            for incident in more:
                draw_line(incident)


def draw_line(incident: Incident) -> None:
    """Draw one incident on one line."""
    status.line(
        incident_view.mark(incident, now), incident.subject, what(incident), since=incident.opened_at, now=now,
        kind=" · ".join(p for p in (str(incident.severity), str(incident.pipeline), incident.environment) if p),
        hint=f"{incident.acknowledged_by} is on it" if incident.acknowledged_by else "", to="incidents",
        params={"incident": incident.id})


number = state.get("incident") if st.query_params.get("incident") else ""
if number.isdigit():
    walk.through("incident", [str(i.id) for i in queries.listed(resolved=False)[0]], number, what="incidents")
    with cards.guard(f"incident {number}"):
        incident_view.draw(queries.detail(int(number)), now=now)
else:
    draw_list()
