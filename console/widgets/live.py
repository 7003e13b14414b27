"""Keep an open page fresh without flicker: look for news in the background, draw again only when there are any."""

from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from console import session
from console.queries.now import watermark

EVERY: Final = timedelta(seconds=20)
# Without news the page is still drawn again now and then, because it says how old its data is.
AT_LEAST: Final = timedelta(seconds=60)


def switch() -> None:
    """Draw the switch that pauses the background refresh."""
    st.toggle("Live", key="live", value=True, help="Look for news every 20 seconds; off keeps the page as it is")


def watch(now: datetime) -> None:
    """Look for news while the page is open."""
    _look(watermark(), now, st.context.theme.type)


def due(*, live: bool, news: bool, dusk: bool, age: timedelta) -> bool:
    """Tell whether an open page is to be drawn again.

    `dusk`: the browser changed between light and dark since the page was drawn. It changes its own colours at once;
    charts and logo follow only with a run, and would be unreadable until then, so a pause does not hold that back.
    """
    return dusk or (live and (news or age > AT_LEAST))


@st.fragment(run_every=EVERY)
def _look(drawn: str, at: datetime, theme: str | None) -> None:
    # The arguments are those of the run that drew the page: the fragment alone is run again with them.
    if due(live=st.session_state.get("live", True), news=watermark() != drawn, dusk=st.context.theme.type != theme,
           age=session.now() - at):
        st.rerun(scope="app")
