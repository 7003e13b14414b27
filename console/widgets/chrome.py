"""What stands around every page: style, demo banner, who is asking, search, the link to copy, the sign-in gate."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from console import navigation, session, state
from console.identity import PERSONAS
from console.queries import incidents
from console.widgets import cards, text
from console.widgets.html import draw, el
from services.core.access import Actor
from services.core.window import TimeWindow, parse_span
from services.errors import NotAllowed, SettingsError

_CSS = Path(__file__).with_name("style.css")
_ASSETS = Path(__file__).parents[1] / "assets"
# A file of ours: a Material icon here would be fetched from another host.
ICON = str(_ASSETS / "mark.svg")


def style() -> None:
    """Put the stylesheet on the page: a file of ours, without data."""
    st.html(_CSS)
    name = "dark" if st.context.theme.type == "dark" else "light"
    st.logo(str(_ASSETS / f"logo-{name}.svg"), size="medium")


def end() -> None:
    """Mark that the whole page was drawn: before that a browser cannot tell a finished page from one not begun."""
    draw(el("span", cls="il-end", aria_hidden="true"))


def banner(actor: Actor) -> None:
    """Draw the permanent line that says that this is a demo and who is asking; nothing outside the demo."""
    if actor.method != "demo":
        return
    draw(el("div", el("b", "Demo"), " · real flights of 2013, replayed · acting as ", el("b", actor.label),
            " · decisions are recorded as made in the demo", cls="il il-banner", role="note"))


def who(actor: Actor) -> None:
    """Draw who is asking, and in the demo the persona picker."""
    if actor.method == "demo":
        with st.popover(f"Acting as {PERSONAS[actor.subject][0]}", width="stretch", icon=":material/person:"):
            _persona_links()
    elif actor.method in ("oidc", "header"):
        draw(el("p", "Signed in as ", el("b", actor.label[:80]), cls="il il-wrap"))
        if actor.method == "oidc":
            st.button("Sign out", on_click=st.logout, width="stretch")


def duty(now: datetime) -> None:
    """Draw who is on call now, until when, and who is next."""
    found = incidents.duty()
    if found.person is None:
        words = [el("span", "On call: nobody is named; add [on_call] to interlock.toml")]
    else:
        words = [el("span", "On call "), el("b", found.person.name)]
        if found.until:
            words.append(el("span", f" until {text.clock(found.until, now=now)}"))
        if found.next:
            alone = found.next.name == found.person.name
            words.append(el("span", ", nobody to hand over to" if alone else f", then {found.next.name}"))
    draw(el("p", *words, cls="il il-duty il-wrap"))


def find() -> None:
    """Draw the search field; what is written there opens the search page."""
    wanted = st.text_input("Find", key="find", placeholder="run, version, incident, feature", max_chars=120)
    if wanted and wanted != st.session_state.get("found"):
        st.session_state["found"] = wanted
        if script := navigation.find("search"):
            st.switch_page(script, query_params={"q": wanted})


def copy_link(now: datetime) -> None:
    """Draw the address of what is shown, its time range frozen, so that others see the same tomorrow."""
    with st.popover("Copy link", width="stretch", icon=":material/link:"):
        st.code(frozen_link(st.context.url or "", state.shown(), now=now), language=None, wrap_lines=True)


def frozen_link(base: str, shown: Mapping[str, str], *, now: datetime) -> str:
    """Return the address of a page with a moving time range replaced by the one it stands for now."""
    params = {name: value for name, value in shown.items() if name not in ("window", "tour")}
    if "window" in shown and "from" not in shown:
        with suppress(ValueError):
            window = TimeWindow.last(parse_span(shown["window"]), now=now)
            params |= {"from": window.start.isoformat(timespec="seconds"),
                       "to": window.end.isoformat(timespec="seconds")}
    address = base.split("?", 1)[0]
    return f"{address}?{urlencode(params)}" if params else address


def asking() -> tuple[Actor | None, str]:
    """Return who is asking, or nobody and why what was sent does not count any more."""
    try:
        return session.principal(), ""
    except NotAllowed as refused:
        return None, str(refused)


def no_role(actor: Actor) -> None:
    """Draw that somebody signed in who was given no role; the page behind is not run."""
    cards.empty(cards.Nothing.DENIED, f"{actor.label or actor.subject} holds no role here",
                f"an administrator grants one: interlock roles grant ROLE {actor.subject} --issuer {actor.issuer}")
    if actor.method == "oidc":
        st.button("Sign out", on_click=st.logout)


def sign_in_gate(said: str = "") -> None:
    """Draw how to sign in, and why once more; the page behind is not run.

    Raises:
        SettingsError: the proxy in front sent no user.
    """
    mode = session.settings().console.sign_in
    draw(el("h1", "Interlock", cls="il il-brand"))
    if mode == "demo":
        draw(el("p", "This is the demo. Who are you?", cls="il il-sentence"))
        _persona_links()
    elif mode == "oidc":
        cards.notice(said or "Sign in to see this page.")
        st.button("Sign in", on_click=st.login, type="primary")
    elif said:
        cards.notice(f"{said}, by loading this page anew")
    else:
        name = session.settings().console.header
        raise SettingsError(f"the proxy sent no {name} header: reach the console through the proxy, and have it set "
                            "the header on every path")


def _persona_links() -> None:
    # Links, not a widget: the answer sets a cookie, so that a reload or a second tab is the same person.
    back = _here()
    rows = [
        el("li", el("a", label, href=f"/sign-in/{name}?to={quote(back, safe='')}"),
           el("span", f" {role}", cls="il-faint"))
        for name, (label, role) in PERSONAS.items()
    ]
    draw(el("ul", *rows, cls="il il-personas", aria_label="Personas"))


def _here() -> str:
    parts = urlsplit(st.context.url or "/")
    return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"

