"""What the page of one model shows: every signal, the panels of its one time axis, and what was changed meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from console import session
from console.queries import drift, signals
from console.queries.changes import changed
from services.alerts.incident import Incident
from services.alerts.ports import Change
from services.core.measurement import Measurement
from services.core.signals import Signal
from services.core.signals import signals as gather
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.drift.grid import Grid
from services.drift.measure import Against
from services.errors import NotFound
from services.profiles.baseline import Baseline
from services.profiles.profile import Profile

SHORT = timedelta(days=3)  # up to here the hours of faults are drawn, beyond the days


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """Rows of each panel: plain dictionaries with `at`, as the charts take them."""

    served: signals.Served
    moved: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    quality: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    changes: list[Change] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def standing(model: str, environment: str) -> tuple[list[Signal], datetime | None]:
    """Return every signal of a model, and when the newest of them was measured."""
    found = session.services().measurements.newest()
    told = gather(found, model, environment=environment)
    return told, max((s.speaker.at for s in told if s.speaker), default=None)


@st.cache_data(ttl=30, max_entries=32, show_spinner=False)
def panels(model: str, environment: str, start: datetime, end: datetime) -> Panels:
    """Return what happened to a model over a time range."""
    services = session.services()
    window = TimeWindow(start, end)
    scored = signals.scored(model, environment, "", start, end)
    incidents = [i for i in services.incidents.history(subject=model)
                 if i.environment in (environment, "") and i.opened_at < end and (i.resolved_at or end) >= start]
    return Panels(
        served=signals.served(model, environment, start, end), moved=_moved(model, environment, window),
        faults=_faults(model, environment, window), quality=[*scored.series, *_estimated(model, environment, window)],
        labels=_labels(scored.coverage), incidents=incidents,
        changes=changed(model, environment, window),
    )


def speaking(model: str, environment: str) -> list[Measurement]:
    """Return the measurements beside which a panel is read: the usual latency, quality, and its estimate."""
    found = signals.newest(model, environment, ("latency_p95_ms", "quality", "estimated_quality"))
    return [m for m, _ in found if not m.slice]


def _moved(model: str, environment: str, window: TimeWindow) -> list[dict[str, Any]]:
    """Return per step how far the column went that moved most, in units of its alarm, and how many columns moved."""
    whole = TimeWindow(floor_to(window.start, HOUR), floor_to(window.end, HOUR))
    try:
        found = drift.cells(model, environment, "", Against.TRAINING, whole.start, whole.end)
    except NotFound:
        return []
    return moved_rows(found)


def moved_rows(found: Grid) -> list[dict[str, Any]]:
    """Return the rows of the drift panel from a grid; columns that move on ordinary days too are left out."""
    by: dict[datetime, list[tuple[float, str, bool]]] = {}
    for cell in found.cells:
        if cell.column not in found.restless and not cell.unsure and cell.effect.critical > 0:
            ratio = cell.effect.effect / cell.effect.critical
            by.setdefault(cell.bucket.start, []).append((ratio, cell.column, cell.effect.fires))
    rows = []
    for at, cells in sorted(by.items()):
        ratio, column, _ = max(cells)
        rows.append({"at": at, "value": round(min(ratio, 1_000.0), 3), "column": column,
                     "moved": sum(fires for *_, fires in cells)})
    return rows


def _faults(model: str, environment: str, window: TimeWindow) -> list[dict[str, Any]]:
    """Return per hour or day the largest share of faulty values of any column, above what is usual in training."""
    try:
        of = drift.gatherer(model, environment, "")
    except NotFound:
        return []
    short = window.length <= SHORT
    grain = HOUR if short else DAY
    found = session.services().profiles.read(
        of.baseline.layout, TimeWindow(floor_to(window.start, grain), window.end), model=model,
        environment=environment, slice_="", grain="hour" if short else "day")
    by: dict[datetime, list[Profile]] = {}
    for item in found:
        by.setdefault(item.bucket.start, []).append(item.profile)
    return [row for at, some in sorted(by.items()) if (row := _fault(at, some, of.baseline))]


def _fault(at: datetime, found: Sequence[Profile], baseline: Baseline) -> dict[str, Any] | None:
    shares = []
    for name in baseline.features:
        columns, usual = [profile.column(name) for profile in found], baseline.usual_of(name)
        rows = sum(c.rows for c in columns)
        if rows:
            shares += [(max(0.0, sum(getattr(c, kind) for c in columns) / rows - often), f"{name}: {words}")
                       for kind, words, often in (("missing", "missing", usual.missing),
                                                  ("unseen", "unseen", usual.out_of_range),
                                                  ("out_of_range", "out of range", usual.out_of_range))]
    if not shares:
        return None
    share, what = max(shares)
    return {"at": at, "value": round(share, 5), "column": what}


def _estimated(model: str, environment: str, window: TimeWindow) -> list[dict[str, Any]]:
    found = next((m for m in speaking(model, environment) if m.name == "estimated_quality"), None)
    days = found.detail.get("days", []) if found else []
    return [{"at": d["day"], "kind": "estimated", "value": d["estimated"], "low": None, "high": None} for d in days
            if d["estimated"] is not None and datetime.fromisoformat(d["day"]) in window]


def _labels(coverage: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the share of labels that are there, of those that will come, by day."""
    by: dict[datetime, dict[str, int]] = {}
    for row in coverage:
        by.setdefault(row["at"], {})[row["state"]] = row["n"]
    return [{"at": at, "value": round(n["labelled"] / due, 4)} for at, n in sorted(by.items())
            if (due := n["labelled"] + n["waiting"])]
