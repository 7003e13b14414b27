"""What can be done about an incident: take it, silence it, end it, roll back, check off a step, send a letter again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from console import session
from console.queries.incidents import Letter
from console.widgets import decide, links, text
from services.alerts import actions
from services.alerts.incident import Incident, State
from services.core.access import Action, Actor, may
from services.core.audit import digest
from services.core.window import parse_span

HOLDS: Final = ("30m", "1h", "4h", "24h", "3d", "7d")
_IN_WORDS: Final = {"30m": "30 min", "1h": "1 hour", "4h": "4 hours", "24h": "a day", "3d": "3 days", "7d": "a week"}


def draw(incident: Incident, *, now: datetime) -> None:
    """Draw the two acts that matter at three in the morning, then the others."""
    if incident.state is not State.RESOLVED:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="il-acts"):
            decide.quick(
                f"ack-{incident.id}-{incident.revision}",
                decide.Choice("Acknowledge for 1 h", Action.ACKNOWLEDGE, _acknowledge(incident), primary=True),
                now=now, model=incident.subject, environment=incident.environment, outcome_key=_key(incident))
            if incident.subject in session.settings().models:
                links.to("releases", f"Roll back {text.escape(incident.subject)}…", icon=":material/undo:",
                         model=incident.subject, environment=incident.environment)
    decide.outcome(_key(incident))
    with st.expander("Silence, resolve, or say whether it was noise" if incident.state is not State.RESOLVED else
                     "Say whether it was useful", expanded=False):
        _others(incident, now)


def _key(incident: Incident) -> str:
    # Not by revision: what came of a decision stays, though the decision made a new one.
    return f"incident-{incident.id}"


def _acknowledge(incident: Incident) -> decide.Do:
    def do(actor: Actor, reason: str, op_id: str) -> str:
        done = actions.acknowledge(session.services().incidents, incident.id, actor=actor, hold=timedelta(hours=1),
                                   op_id=op_id, now=session.now(), reason=reason)
        return f"You are on it {done['text']}"

    return do


def _others(incident: Incident, now: datetime) -> None:
    store = session.services().incidents
    key = _key(incident)

    def silence(actor: Actor, reason: str, op_id: str) -> str:
        hold = parse_span(str(st.session_state.get(f"hold:{key}", "4h")))
        done = actions.silence(store, incident.id, actor=actor, hold=hold, reason=reason, op_id=op_id,
                               now=session.now())
        return f"Silenced {done['text']}"

    def resolve(actor: Actor, reason: str, op_id: str) -> str:
        actions.resolve(store, incident.id, actor=actor, reason=reason, op_id=op_id, now=session.now())
        return "Resolved; what still fires opens it again at the next pass"

    def judge(useful: bool) -> decide.Do:
        def mark_it(actor: Actor, _reason: str, op_id: str) -> str:
            actions.mark(store, incident.id, actor=actor, useful=useful, op_id=op_id, now=session.now())
            return f"Marked as {'useful' if useful else 'noise'}; each rule's precision is counted from these"

        return mark_it

    choices = []
    if incident.state is not State.RESOLVED:
        st.selectbox("Silence for", HOLDS, index=HOLDS.index("4h"), key=f"hold:{key}", width=190,
                     format_func=lambda hold: _IN_WORDS[hold])
        choices = [decide.Choice("Silence", Action.SILENCE, silence), decide.Choice("Resolve", Action.RESOLVE, resolve)]
    choices += [
        decide.Choice("Was useful", Action.MARK_INCIDENT, judge(useful=True), reason_required=False),
        decide.Choice("Was noise", Action.MARK_INCIDENT, judge(useful=False), reason_required=False),
    ]
    decide.form(key=key, choices=choices, model=incident.subject, environment=incident.environment, now=now,
                ask="Reason or note")


def draw_steps(incident: Incident, steps: Sequence[str], done: Sequence[str], *, now: datetime) -> None:
    """Draw the runbook's steps; whoever may acknowledge may check one off, and it is recorded on the incident."""
    actor = session.current_principal()
    permitted = may(actor, Action.ACKNOWLEDGE, model=incident.subject, environment=incident.environment)
    for place, step in enumerate(steps):
        st.checkbox(text.escape(step), value=step in done, key=f"step:{incident.id}:{place}",
                    disabled=step in done or not permitted, on_change=_check, args=(incident.id, step, now))
    decide.outcome(f"steps-{incident.id}")


def _check(number: int, step: str, now: datetime) -> None:
    def do(actor: Actor, _reason: str, op_id: str) -> str:
        actions.check_step(session.services().incidents, number, actor=actor, step=step, op_id=op_id, now=now)
        return f"Done: {step}"

    decide.carry_out(f"steps-{number}", decide.Choice("Step", Action.ACKNOWLEDGE, do, reason_required=False),
                     f"step-{number}-{digest(step)[:16]}", now)


def draw_resend(letters: Sequence[Letter], *, now: datetime) -> None:
    """Draw for each letter that was given up a button that sends it again."""
    for letter in (x for x in letters if x.state == "failed"):
        def do(actor: Actor, _reason: str, op_id: str, key: str = letter.key) -> str:
            session.services().notifications.resend(key, actor=actor, op_id=op_id, now=session.now())
            return "It is sent again within seconds"

        decide.quick(f"resend-{letter.key[:16]}-{letter.attempts}",
                     decide.Choice(f"Send again to {text.escape(letter.whom)}", Action.RESEND, do), now=now,
                     outcome_key="resent")
    decide.outcome("resent")
