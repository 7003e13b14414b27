"""Find a thing by its id or a part of its name: a run, a version, a release, an incident, a pipeline, a page."""

from dataclasses import dataclass, field

import streamlit as st

from console import navigation, session
from services.bootstrap import Services
from services.core.measurement import Verdict

ENOUGH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing found: its kind, name, what is known of it, and where it is shown."""

    kind: str
    name: str
    about: str
    page: str
    params: dict[str, str] = field(default_factory=dict)
    state: str = ""


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def find(wanted: str) -> list[Hit]:
    """Return what matches, exact ids first; at most a dozen of each kind."""
    text = wanted.strip().lower()
    if not text:
        return []
    services = session.services()
    kinds = (_incidents, _releases, _versions, _runs, _measured, _pages)
    hits = [hit for kind in kinds for hit in kind(services, text)[:ENOUGH]]
    return sorted(hits, key=lambda hit: hit.name.lower() != text)


def _incidents(services: Services, text: str) -> list[Hit]:
    return [
        Hit(kind="incident", name=f"incident {i.id}", about=i.title, page="incidents", params={"incident": str(i.id)},
            state=str(Verdict.PASS if i.resolved_at else Verdict.FAIL))
        for i in services.incidents.history(limit=200)
        if text in (str(i.id), f"incident {i.id}") or text in i.title.lower() or text in i.subject.lower()
    ]


def _releases(services: Services, text: str) -> list[Hit]:
    return [
        Hit(kind="release", name=r.id, about=f"{r.model} v{r.version} to {r.environment}: {r.state}", page="releases",
            params={"release": r.id})
        for r in services.releases.newest(limit=200)
        if text in r.id.lower() or text in r.model.lower() or text == f"v{r.version}".lower()
    ]


def _versions(services: Services, text: str) -> list[Hit]:
    return [
        Hit(kind="version", name=f"{v.model} v{v.version}", about=", ".join(v.aliases) or "no alias", page="releases",
            params={"model": v.model, "version": v.version})
        for model in services.registry.models() for v in services.registry.versions(model)
        if text in f"{v.model} v{v.version}".lower() or text in v.aliases or (v.run_id and v.run_id.startswith(text))
    ]


def _runs(services: Services, text: str) -> list[Hit]:
    found = [run for run_id in services.runs.like(text) if (run := services.runs.get(run_id))]
    if not found:
        found = [run for run in services.runs.find(limit=500)
                 if text in run.name.lower() or text in run.pipeline.lower()]
    return [
        Hit(kind="run", name=run.run_id, about=f"{run.name}, {run.pipeline}: {run.effective}", page="training",
            params={"run": run.run_id})
        for run in found
    ]


def _measured(services: Services, text: str) -> list[Hit]:
    things: dict[tuple[str, str, str], Hit] = {}
    for m, _ in services.measurements.newest():
        key = (m.subject, m.environment, m.column)
        if text in m.subject.lower() or (m.column and text in m.column.lower()):
            name = f"{m.column} of {m.subject}" if m.column else m.subject
            page = "drift" if m.column else navigation.PAGE_OF[m.pipeline]
            params = {"model": m.subject, "environment": m.environment, "feature": m.column}
            if key not in things or things[key].state == str(Verdict.PASS):
                things[key] = Hit(kind="feature" if m.column else str(m.pipeline), name=name, about=m.reason, page=page,
                                  params=params, state=str(m.verdict))
    return list(things.values())


def _pages(_: Services, text: str) -> list[Hit]:
    return [Hit(kind="page", name=row.title, about="", page=row.name)
            for row in navigation.listed().values() if text in row.title.lower()]
