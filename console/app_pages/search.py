"""What was looked for: runs, versions, releases, incidents, pipelines, features and pages of that name."""

import streamlit as st

from console import navigation, session, state
from console.queries import search as queries
from console.widgets import cards, links, text
from console.widgets.html import draw, el
from console.widgets.status import span

now = session.now()
wanted = state.get("q")
text.header(f"Search: {wanted}" if wanted else "Search", as_of=now, now=now)


def looked() -> None:
    """Look for what was written on the page itself: on a phone the field at the left is out of sight."""
    state.put("q", str(st.session_state["look-for"]).strip())


if st.session_state.get("look-for", "").strip() != wanted:
    st.session_state["look-for"] = wanted
st.text_input("Look for", key="look-for", on_change=looked, max_chars=120,
              placeholder="a run id, a version, an incident, a pipeline or a feature")
found = queries.find(wanted)
if wanted and not found:
    cards.empty(cards.Nothing.FILTERED, f"Nothing here is called {wanted}",
                "a run is found by the first characters of its id, everything else by a part of its name")
with st.container(gap=None, key="il-lines-search"):
    for hit in found:
        mark = span(hit.state) if hit.state else el("span")
        with st.container(horizontal=True, vertical_alignment="top", gap="small"):
            draw(el("div", mark, el("span", hit.name, cls="il-subject"),
                    el("span", hit.kind, cls="il-faint il-pipeline"), el("span", hit.about, cls="il-reason"),
                    cls="il il-line"))
            links.to(hit.page if hit.page in navigation.listed() else "system", "Open", **hit.params)
