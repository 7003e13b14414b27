"""Links: to our own pages inside the session, to MLflow's pages at the configured address, and to nothing else."""

from urllib.parse import quote

import streamlit as st

from console import navigation
from console.widgets.html import draw, el, safe_url


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


def mlflow_url(base: str, *, experiment: str = "", run: str = "", model: str = "", version: str = "") -> str:
    """Return the address of a run or a registered version in MLflow's own pages, or nothing when none is configured."""
    root = base.rstrip("/")
    local = root.startswith(("http://127.0.0.1", "http://localhost"))
    if not root or not (local or safe_url(root)):
        return ""
    if run:
        return f"{root}/#/experiments/{quote(experiment or '0', safe='')}/runs/{quote(run, safe='')}"
    if model:
        tail = f"/versions/{quote(version, safe='')}" if version else ""
        return f"{root}/#/models/{quote(model, safe='')}{tail}"
    return root


def mlflow(label: str, base: str, **what: str) -> None:
    """Draw a link into MLflow's pages; nothing when no address is configured."""
    if url := mlflow_url(base, **what):
        st.link_button(label, url, type="tertiary", icon=":material/open_in_new:")
