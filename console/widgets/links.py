"""Links: to our own pages inside the session, to MLflow's pages at the configured address, and to nothing else."""

import streamlit as st

from console import navigation
from console.mlflow_pages import mlflow_url
from console.widgets.html import draw, el


def to(page: str, label: str, *, icon: str | None = None, **params: object) -> None:
    """Draw a link to a page with its filters; plain text where the page is not in this build.

    The label takes literals or `text.escape(value)`: it is a Markdown sink of Streamlit's.
    """
    target = navigation.find(page)
    if target is None:
        draw(el("span", label, cls="il il-faint"))
        return
    chosen = {name: str(value) for name, value in params.items() if value not in (None, "")}
    st.page_link(target, label=label, icon=icon, query_params=chosen or None)


def mlflow(label: str, base: str, **what: str) -> None:
    """Draw a link into MLflow's pages; nothing when no address is configured."""
    if url := mlflow_url(base, **what):
        st.link_button(label, url, type="tertiary", icon=":material/open_in_new:")
