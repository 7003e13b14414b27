"""What the house itself is doing: sources, steps, leases, store, and what the demo is made of."""

from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any

import streamlit as st

from console import session
from services.adapters.mlflow_words import shown
from services.bootstrap import settings_holdings
from services.core.identity import Holding
from services.demo import manifest
from services.errors import SourceMalformed


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The state of the house at one moment."""

    sources: list[dict[str, Any]]
    as_of: datetime | None
    monitor: tuple[str, datetime] | None
    facts: dict[str, str] = field(default_factory=dict)


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def system() -> System:
    """Return sources worst first, the monitor's lease, and what is connected to what."""
    services = session.services()
    settings = services.settings
    sources = services.sources.all()
    rows = [
        {"source": s.name.removeprefix("step:"), "status": "pass" if s.ok else "error", "as_of": s.as_of,
         "tried": s.tried_at, "took_s": s.took_s, "message": s.message}
        for s in sources
    ]
    rows.sort(key=lambda row: (row["status"] == "pass", row["source"]))
    lease = services.leases.current("monitor")
    return System(
        sources=rows, as_of=max((s.as_of for s in sources if s.as_of), default=None),
        monitor=(lease[0], lease[2]) if lease else None,
        facts={
            "Interlock": version("interlock"),
            "Ops store": repr(services.db).removeprefix("OpsDb(").removesuffix(")"),
            "Engine": shown(settings.engine.url),
            "Tracking": shown(settings.tracking_uri),
            "Home": str(settings.home_path),
            "Sign-in": settings.console.sign_in,
            "Models": ", ".join(settings.models) or "none declared",
        },
    )


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def holdings() -> list[dict[str, Any]]:
    """Return who holds which role, and who gave it: the settings first, then the store by person."""
    services = session.services()
    rows: list[tuple[Holding, str, datetime | None]] = [
        (h, "interlock.toml", None) for h in settings_holdings(services.settings)]
    rows += [(g.holding, g.by, g.at) for g in services.roles.all()]
    return [{"who": h.subject or f"group {h.group}", "role": str(h.role), "model": h.model,
             "environment": h.environment, "issuer": h.issuer, "by": by, "at": at} for h, by, at in rows]


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def last_backup() -> datetime | None:
    """Return when the ops store was last backed up by command, or None when it never was."""
    newest = session.services().audit.newest(action="back up", limit=1)
    return newest[0].at if newest else None


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def demo_facts() -> list[dict[str, str]]:
    """Return what in this home is real, replayed, simulated or injected; empty outside the demo.

    Raises:
        SourceMalformed: the demo's own description cannot be read.
    """
    file = session.settings().home_path / manifest.FILE
    if not file.is_file():
        return []
    found = manifest.read(session.settings().home_path)
    if found is None:
        raise SourceMalformed(f"{file.name} is damaged: seed again with interlock demo")
    return [{name: str(item.get(name, "")) for name in ("what", "truth", "text")} for item in found.get("items", [])]
