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
found = queries.find(wanted)
if not wanted:
    cards.empty(cards.Nothing.FILTERED, "Nothing was looked for",
                "write a run id, a version, an incident, a pipeline or a feature into the field at the left")
elif not found:
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
