"""Which pages there are, in which section, under which icon: one literal table.

A page is listed when its script is in this build. A page that is not listed cannot be reached; a page that is listed
is not thereby protected: authority is checked in services.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import streamlit as st

from services.core.measurement import Pipeline

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """One page: its script and URL path, its title, and its icon."""

    name: str
    title: str
    icon: str


HOME: Final = "now"
PAGES: Final[dict[str, tuple[Row, ...]]] = {
    "On call": (
        Row("now", "Now", "radar"),
        Row("incidents", "Incidents", "notifications"),
        Row("model", "Model", "monitoring"),
        Row("serving", "Serving", "speed"),
        Row("drift", "Drift", "ssid_chart"),
        Row("data", "Data", "table_rows"),
        Row("quality", "Quality", "target"),
        Row("training", "Training", "model_training"),
        Row("validation", "Validation", "rule"),
    ),
    "Releases": (
        Row("releases", "Releases", "deployed_code"),
        Row("runbooks", "Runbooks", "menu_book"),
        Row("audit", "Audit", "history_edu"),
    ),
    "Capacity": (
        Row("quota", "Quota", "memory"),
        Row("planner", "Planner", "calculate"),
        Row("report", "Report", "summarize"),
    ),
    "Settings": (
        Row("rules", "Rules", "tune"),
        Row("system", "System", "lan"),
    ),
}
# The page that shows a measurement of each pipeline.
PAGE_OF: Final[dict[Pipeline, str]] = {
    Pipeline.SERVING: "serving", Pipeline.DATA: "data", Pipeline.TRAINING: "training",
    Pipeline.VALIDATION: "validation", Pipeline.QUOTA: "quota", Pipeline.DEPLOYMENT: "releases",
    Pipeline.MONITOR: "system",
}
# Reached from elsewhere, never from the list.
UNLISTED: Final = (Row("search", "Search", "search"),)


def rows() -> tuple[Row, ...]:
    """Return every page that can be, whether its script is in this build or not."""
    return (*(row for section in PAGES.values() for row in section), *UNLISTED)


@cache
def listed() -> dict[str, Row]:
    """Return the pages whose scripts are in this build, by name."""
    return {row.name: row for row in rows() if (_HERE / "app_pages" / f"{row.name}.py").is_file()}


def find(name: str) -> str | None:
    """Return the script of a listed page as Streamlit's links want it, or None.

    Raises:
        KeyError: no page of that name is in the table at all.
    """
    if name not in {row.name for row in rows()}:
        raise KeyError(name)
    return f"app_pages/{name}.py" if name in listed() else None


def sections() -> dict[str, list[st.Page]]:
    """Return the pages for `st.navigation`, sections without pages left out."""
    found = {section: [_page(row) for row in rows if row.name in listed()] for section, rows in PAGES.items()}
    last = list(PAGES)[-1]
    found[last] += [_page(row, visible=False) for row in UNLISTED if row.name in listed()]
    return {section: pages for section, pages in found.items() if pages}


def _page(row: Row, *, visible: bool = True) -> st.Page:
    return st.Page(
        _HERE / "app_pages" / f"{row.name}.py", title=row.title, icon=f":material/{row.icon}:", url_path=row.name,
        default=row.name == HOME, visibility="visible" if visible else "hidden",
    )
