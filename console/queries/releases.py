"""Releases as pages ask for them: the list, one release with everything beside its buttons, what can be proposed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import streamlit as st

from console import session
from services.adapters.look_table import Looked
from services.adapters.outbox_table import OutboxRow
from services.adapters.served_table import Served
from services.core.audit_chain import Recorded
from services.core.measurement import Measurement
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.releases.drill import NAME
from services.releases.numbers import Number, numbers
from services.releases.options import signatures
from services.releases.release import TERMINAL, Approval, Place, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One release and what an approver, or whoever rolls it back, must see."""

    release: Release
    place: Place
    stage: str
    needed: int
    signed: list[Approval]
    approvals: list[Approval]
    operations: list[OutboxRow]
    timeline: list[Recorded]
    served: list[Served]
    earlier: list[str] = field(default_factory=list)  # versions that served there before, newest first
    looks: list[Looked] = field(default_factory=list)
    drill: Measurement | None = None
    per_hour: float = 0.0  # requests there, over the last day
    predictions: int = 0  # answered by the release's version there since it was proposed


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def listed(model: str, environment: str) -> list[dict[str, Any]]:
    """Return releases newest first, each with what it waits for; an empty name means every one."""
    services = session.services()
    rows = []
    for release in services.releases.newest(model=model, environment=environment):
        waits = signatures(services.desk, release)
        rows.append({"release": release,
                     "waits": f"{len(waits[2])} of {waits[1]} signed for {waits[0]}" if waits else ""})
    return rows


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def places() -> list[Place]:
    """Return what should be served everywhere, and what was last seen."""
    return session.services().releases.places()


@st.cache_data(ttl=2, max_entries=32, show_spinner=False)
def detail(release_id: str, now: datetime) -> Detail:
    """Return one release; `now` is rounded by the caller, so that the answer is found again."""
    services = session.services()
    release = services.releases.get(release_id)
    place = next((p for p in services.releases.places()
                  if (p.model, p.environment) == (release.model, release.environment)),
                 Place(model=release.model, environment=release.environment))
    stage, needed, signed = signatures(services.desk, release) or ("", 0, [])
    before = services.releases.newest(model=release.model, environment=release.environment)
    known = [r.champion for r in before] + [place.previous] + [r.version for r in before if r.state == "completed"]
    return Detail(
        release=release, place=place, stage=stage, needed=needed, signed=signed,
        approvals=services.releases.approvals_of(release_id), operations=services.outbox.of(release_id),
        timeline=services.audit.of(f"release:{release_id}"),
        served=services.served.during(TimeWindow(release.created_at, max(now, release.created_at)), model=release.model,
                                      environment=release.environment),
        looks=services.looks.of(release_id),
        drill=next((m for m, _ in services.measurements.newest(subject=release.model, name=NAME,
                                                               environment=release.environment)), None),
        per_hour=per_hour(release.model, release.environment, floor_to(now, HOUR)),
        predictions=sum(t.rows for t in services.traffic.hours(
            release.model, TimeWindow(floor_to(release.created_at, HOUR), max(now, release.created_at)),
            environment=release.environment) if t.version == release.version),
        earlier=[v for v in dict.fromkeys(known) if v and v not in {release.version, place.champion}],
    )


@st.cache_data(ttl=2, max_entries=32, show_spinner=False)
def blasts(release_id: str) -> dict[str, Any] | None:
    """Return the newest count of how far a release's version reached, or None where nobody asked for one."""
    for job in session.services().jobs.recent(kind="blast"):
        if job.args.get("release") == release_id:
            return {"state": job.state, "result": job.result, "error": job.error, "doing": job.doing,
                    "progress": job.progress, "asked": job.created_at}
    return None


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def versions(model: str) -> list[str]:
    """Return the registered versions of a model, newest first, as the mirror knows them."""
    found = session.services().registry.versions(model)
    return sorted((v.version for v in found), key=lambda v: (len(v), v), reverse=True)


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def serving_at(moment: datetime) -> list[dict[str, Any]]:
    """Return what was serving at a time."""
    return [
        {"model": s.model, "environment": s.environment, "at": s.at, "release": s.release_id, "weights": s.weights}
        for s in session.services().served.at(moment)
    ]


@st.cache_data(ttl=60, max_entries=64, show_spinner=False)
def per_hour(model: str, environment: str, now: datetime) -> float:
    """Return the mean number of requests per hour over the last day; `now` is rounded by the caller."""
    hours = session.services().traffic.hours(model, TimeWindow.last(DAY, now=now), environment=environment)
    return sum(t.rows for t in hours) / 24


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def how_it_goes() -> list[Number]:
    """Return lead time, wait, failure rate and time to recover over the releases that ended."""
    services = session.services()
    ended = [r for r in services.releases.newest(limit=200) if r.state in TERMINAL]
    created = {}
    for release in ended:
        version = services.registry.version(release.model, release.version)
        if version and version.created_at:
            created[release.id] = version.created_at
    return numbers(ended, {r.id: services.audit.of(f"release:{r.id}") for r in ended}, created)
