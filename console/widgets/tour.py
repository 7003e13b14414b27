"""The first visit to the demo: five pages, one sentence each, leave at any time."""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from console import navigation, session, state
from console.widgets import links
from console.widgets.html import draw, el
from services.core.access import Actor

SEEN_COOKIE: Final = "interlock_tour"


@dataclass(frozen=True, slots=True)
class Stop:
    """One page of the tour, and what to look at."""

    page: str
    words: str


STOPS: Final = (
    Stop("now", "Now answers what is broken: one line per model, pipeline and pool, worst first. Unsure is a state of "
                "its own; it is never counted as fine. Open leads to the evidence."),
    Stop("drift", "Drift compares what is served with what the model was trained on. Look at one feature: the outline "
                  "is the baseline, the filled bars are the window; missing and unseen values have bars of their own."),
    Stop("training", "Training shows how long runs take and which failed. The failed runs in this demo really failed, "
                     "in processes of their own."),
    Stop("releases", "Releases is where a version goes to production: two people sign, the gateway takes the traffic, "
                     "the alias follows. Choose Acting as, at the left, to sign as another person."),
    Stop("quota", "Quota says who holds the shared pools, how full they are and when they run out."),
)


def stops() -> list[Stop]:
    """Return the stops whose pages are in this build."""
    return [stop for stop in STOPS if stop.page in navigation.listed()]


def guide(actor: Actor, page: str) -> None:
    """Draw the stop that the URL is at, or on the first page the offer of a tour; outside the demo, nothing."""
    if actor.method != "demo":
        return
    at = state.get("tour", allowed=[str(n) for n in range(1, len(stops()) + 1)])
    if at:
        _stop(int(at))
    elif page == navigation.HOME and not session.cookie(SEEN_COOKIE):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="il-tour"):
            draw(el("p", "First time here? ", el("span", f"{len(stops())} pages, about a minute.", cls="il-faint"),
                    cls="il"))
            links.to(stops()[0].page, "Take the tour", tour=1)
            draw(el("p", el("a", "Not now", href="/tour/end"), cls="il"), width="content")


def _stop(number: int) -> None:
    found = stops()
    here = found[number - 1]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="il-tour"):
        draw(el("p", el("b", f"{number} of {len(found)}  "), here.words, cls="il"))
        if number < len(found):
            links.to(found[number].page, "Next", icon=":material/arrow_forward:", tour=number + 1)
        draw(el("p", el("a", "End the tour", href="/tour/end"), cls="il"), width="content")
