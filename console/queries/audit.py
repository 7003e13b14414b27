"""The audit log as pages ask for it: a page of rows, and whether the chain holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import streamlit as st

from console import session
from services.core.audit_chain import Fault, Recorded
from services.core.window import TimeWindow

_ELSEWHERE: Final = frozenset({"from", "to", "model", "environment", "version", "revision"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How many rows there are, where the chain does not hold, and when that was checked."""

    rows: int
    faults: list[Fault]
    at: datetime


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def rows(start: datetime, end: datetime, subject: str, people_only: bool) -> list[Recorded]:
    """Return decisions in a window, newest first."""
    return session.services().audit.newest(window=TimeWindow(start, end), subject=subject, people_only=people_only)


@st.cache_data(ttl=300, max_entries=2, show_spinner="checking every row of the chain")
def chain() -> Chain:
    """Check the whole chain; cached, because it reads every row."""
    table = session.services().audit
    return Chain(rows=table.count(), faults=table.verify(), at=session.now())


def told(detail: Mapping[str, Any]) -> str:
    """Return what an entry's detail says, as people read it; the export and the command line have all of it."""
    shown = {name: value for name, value in detail.items() if name not in _ELSEWHERE}
    parts = []
    if "from" in detail and "to" in detail:
        same = detail["from"] == detail["to"]
        parts.append(f"stays {detail['to']}" if same else f"{detail['from']} → {detail['to']}")
    where = " ".join(str(detail[name]) for name in ("model", "environment") if detail.get(name))
    version = f"v{detail['version']}" if detail.get("version") else ""
    parts += [part for part in (" ".join(p for p in (version, where) if p),) if part]
    for name, value in sorted(shown.items()):
        word = value.get("name", "") if isinstance(value, dict) else value
        if word not in ("", None):
            parts.append(f"{name.replace('_', ' ')} {word}")
    return "; ".join(parts)[:300]
