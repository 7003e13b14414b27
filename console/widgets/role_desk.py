"""Who holds which role, and the form in which an admin grants or revokes one. What may be is decided in the service."""

from datetime import datetime
from typing import Final

import streamlit as st

from console import identity, session
from console.queries import system as queries
from console.widgets import cards, decide, tables, text
from services.bootstrap import OS_ISSUER
from services.core.access import Action, Actor, Role, may
from services.core.identity import Holding

# Where a person of each way of signing in is known from; of OIDC it is the provider's own address.
_ISSUERS: Final = {"header": identity.HEADER_ISSUER}


def draw(*, now: datetime) -> None:
    """Draw the table, and below it the form for those who may use it."""
    text.section("People and roles")
    held = queries.holdings()
    if held:
        tables.table(held, ["who", "role", "model", "environment", tables.Column("issuer", title="known from"),
                            tables.Column("by", title="granted by"), tables.Column("at", "time", title="since")],
                     alt="Who holds which role, from the settings and from the store", name="roles", as_of=now)
    else:
        cards.empty(cards.Nothing.NONE, "Nobody was granted a role",
                    "add [[roles]] to interlock.toml for the first admin, then grant the others here")
    if may(session.current_principal(), Action.EDIT_ROLES):
        with st.expander("Grant or revoke a role"):
            _form(now)


def _form(now: datetime) -> None:
    settings = session.settings()
    if settings.console.sign_in == "demo":
        text.note("Personas of the demo keep the role in their name; a role granted here counts at the command line.")
    first, second = st.columns(2)
    subject = first.text_input("Person", key="role:subject", placeholder="as their issuer names them", max_chars=200)
    issuer = second.text_input("Known from", key="role:issuer", max_chars=200,
                               value=_ISSUERS.get(settings.console.sign_in, OS_ISSUER))
    third, fourth, fifth = st.columns(3)
    role = third.selectbox("Role", list(Role), key="role:role", format_func=str)
    model = fourth.selectbox("Model", ["*", *settings.models], key="role:model", format_func=_named)
    environment = fifth.selectbox("Environment", ["*", *settings.environments], key="role:environment",
                                  format_func=_named)
    holding = Holding(role=Role(role or Role.VIEWER), issuer=issuer.strip(), subject=subject.strip(), model=model,
                      environment=environment)
    missing = "" if holding.subject else "name a person first"

    def grant(actor: Actor, reason: str, op_id: str) -> str:
        """Give the role."""
        done = session.services().roles.grant(holding, actor=actor, reason=reason, op_id=op_id, now=session.now())
        return f"Granted {done['granted']}; it counts at their next click"

    def revoke(actor: Actor, reason: str, op_id: str) -> str:
        """Take the role."""
        done = session.services().roles.revoke(holding, actor=actor, reason=reason, op_id=op_id, now=session.now())
        return f"Revoked {done['revoked']}; it is gone at their next click"

    decide.panel("roles", [
        decide.Choice("Grant", Action.EDIT_ROLES, grant, primary=True, why_not=missing),
        decide.Choice("Revoke", Action.EDIT_ROLES, revoke, why_not=missing),
    ], now=now)


def _named(value: str) -> str:
    return "every one" if value == "*" else value
