"""The web face's entrypoint: page configuration, sign-in gate, banner, navigation, run; nothing else."""

from contextlib import suppress

import streamlit as st

from console import navigation, session, state
from console.widgets import cards, chrome, live, text, tour
from services.errors import OpsError

st.set_page_config(page_title="Interlock", page_icon=chrome.ICON, layout="wide")
chrome.style()
state.announce()
try:
    actor, said = chrome.asking()
    admitted = actor is not None and bool(actor.grants)
    page = st.navigation(navigation.sections(), position="sidebar" if admitted else "hidden", expanded=True)
    if actor is None:
        chrome.sign_in_gate(said)
    elif not admitted:
        chrome.no_role(actor)
    else:
        now = session.now()
        with st.sidebar:
            chrome.find()
            chrome.who(actor)
            with cards.guard("who is on call"):
                chrome.duty(now)
            live.switch()
            slot = st.container()
        chrome.banner(actor)
        tour.guide(actor, page.url_path or navigation.HOME)
        text.reserve_header()
        try:
            with suppress(session.Ended):
                page.run()
        except OpsError:
            text.title(page.title)
            raise
        # After the page: by now the URL says what it shows.
        with slot:
            chrome.copy_link(now)
        live.watch(now)
except OpsError as error:
    # A page lets what concerns the whole of it through to here: one clear line instead of a traceback.
    cards.failed("This page cannot be shown", error)
finally:
    # A page that stops early, because there is nothing to show, was drawn as well.
    chrome.end()
