"""The panel in which a person decides: reason, buttons by role, an outcome that stays.

It forwards the click to a service and shows what came of it. Whether the decision is allowed, current and new is
decided in the service; a disabled button protects nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import uuid4

import streamlit as st

from console import session
from console.widgets import cards, text
from services.core.access import ALLOWED, Action, Actor, may
from services.core.measurement import Verdict
from services.errors import NotAllowed, OpsError, Refused

Do = Callable[[Actor, str, str], str]
_SHORTEST_REASON: Final = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """One button. `do(actor, reason, op_id)` calls the service and returns one sentence; it draws nothing.

    `typed` is a name to be typed first, for what cannot be undone; `why_not` disables the button and says why.
    """

    label: str
    action: Action
    do: Do
    primary: bool = False
    typed: str = ""
    why_not: str = ""
    reason_required: bool = True


def panel(
    key: str, choices: Sequence[Choice], *, now: datetime, model: str = "", environment: str = "",
    ask: str = "Reason, kept in the audit log",
) -> None:
    """Draw the decision's form and, below it, what came of the last click."""
    form(key, choices, now=now, model=model, environment=environment, ask=ask)
    outcome(key)


def form(
    key: str, choices: Sequence[Choice], *, now: datetime, model: str = "", environment: str = "",
    ask: str = "Reason, kept in the audit log",
) -> None:
    """Draw the decision's form, for a place that closes once it is made: `outcome` belongs outside of it.

    `key` names the decision and the revision it stands on, so that a new revision draws a new form with a new
    operation id; a repeated click sends the id it was drawn with, and the service answers with the first outcome.
    """
    actor = session.current_principal()
    op_id = str(st.session_state.setdefault(f"op:{key}", f"web-{uuid4().hex}"))
    st.text_area(ask, key=f"reason:{key}", height=68, max_chars=2000)
    typed = {c.typed for c in choices if c.typed}
    if typed:
        st.text_input(f"To confirm, type {text.escape(next(iter(typed)))}", key=f"typed:{key}")
    withheld: dict[str, list[str]] = {}
    with st.container(horizontal=True, gap="small"):
        for choice in choices:
            permitted = may(actor, choice.action, model=model, environment=environment)
            why = choice.why_not if permitted else f"takes {' or '.join(sorted(ALLOWED[choice.action]))}"
            st.button(
                choice.label, key=f"do:{key}:{choice.label}", type="primary" if choice.primary else "secondary",
                disabled=bool(why), help=text.escape(why) if why else None, on_click=carry_out,
                args=(key, choice, op_id, now),
            )
            if why:
                withheld.setdefault(why, []).append(choice.label)
    where = " ".join(part for part in (model, environment) if part) or "this installation"
    roles = ", ".join(sorted(actor.roles(model=model, environment=environment))) or "no role"
    # A thumb has no pointer to rest on a greyed button.
    reasons = "; ".join(f"{', '.join(labels)} ({why})" for why, labels in withheld.items())
    text.note(f"You are {actor.label or actor.subject}: {roles} on {where}.{f' Greyed: {reasons}.' if reasons else ''}")


def quick(key: str, choice: Choice, *, now: datetime, model: str = "", environment: str = "",
          outcome_key: str = "acknowledged", kind: Literal["tertiary", "secondary"] = "tertiary") -> None:
    """Draw one harmless choice as a single button that needs no reason; `outcome(outcome_key)` shows what came of it.

    In a list, nobody without the role sees it: beside every line a greyed button would only be noise. The one act of
    a page (`primary`) is drawn for everybody, and says what it takes.
    """
    permitted = may(session.current_principal(), choice.action, model=model, environment=environment)
    if not permitted and not choice.primary:
        return
    why = choice.why_not if permitted else f"takes {' or '.join(sorted(ALLOWED[choice.action]))}"
    op_id = str(st.session_state.setdefault(f"op:{key}", f"web-{uuid4().hex}"))
    st.button(choice.label, key=f"do:{key}", type="primary" if choice.primary else kind, on_click=carry_out,
              disabled=bool(why), help=text.escape(why) if why else None,
              args=(outcome_key, replace(choice, reason_required=False), op_id, now))
    if why and choice.primary:
        text.note(f"{choice.label}: {why}.")


def outcome(key: str) -> None:
    """Draw what came of the last decision under this key, for as long as the session lasts."""
    found: dict[str, Any] | None = st.session_state.get(f"outcome:{key}")
    if found is None:
        return
    state = {"done": Verdict.PASS, "refused": Verdict.WARN, "failed": Verdict.ERROR}[found["kind"]]
    cards.notice(found["words"], state=None if state is Verdict.PASS else state, detail=found["at"])


def carry_out(key: str, choice: Choice, op_id: str, now: datetime) -> None:
    """Do a choice, for a callback: keep what came of it under `key`, and put a denied command on record."""
    # A callback can die at its next write to the page after its commit: it writes to the session's state only.
    reason = str(st.session_state.get(f"reason:{key}", "")).strip()
    at = f"{choice.label}, {text.exact(now)}"
    if choice.reason_required and len(reason) < _SHORTEST_REASON:
        _keep(key, "refused", f"{choice.label}: write a reason first; it is kept in the audit log", at)
        return
    if choice.typed and str(st.session_state.get(f"typed:{key}", "")).strip() != choice.typed:
        _keep(key, "refused", f"{choice.label}: type {choice.typed} to confirm", at)
        return
    try:
        # Asked anew at the click: a role may be gone and a sign-in may have ended since the form was drawn.
        actor = session.current_principal()
    except NotAllowed as nobody:
        _keep(key, "refused", str(nobody), at)
        return
    try:
        words = choice.do(actor, reason, op_id)
    except Refused as refused:
        if isinstance(refused, NotAllowed):
            session.services().refusals.record(refused, actor=actor, now=session.now())
        _keep(key, "refused", str(refused), at)
    except OpsError as error:
        _keep(key, "failed", str(error), at)
    else:
        _keep(key, "done", words, at)
        session.forget()
        # The next decision under this key is another one.
        st.session_state[f"op:{key}"] = f"web-{uuid4().hex}"
        st.session_state[f"reason:{key}"] = ""


def _keep(key: str, kind: str, words: str, at: str) -> None:
    st.session_state[f"outcome:{key}"] = {"kind": kind, "words": words, "at": at}
