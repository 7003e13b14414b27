"""What the Training page shows: pipelines, their runs and durations, failures in groups, hung runs, one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from console import session
from services.core.measurement import SEVERITY, Measurement
from services.core.window import TimeWindow
from services.errors import NotFound
from services.training.failures import Flaky, Group, Rate, flaky, groups, rate
from services.training.ports import SOURCE, RunFilter
from services.training.run import BROKEN, HUNG, Effective, Run, Value
from services.training.statistics import percentile
from services.training.waits import Wait, waits

MAX_RUNS = 20_000
MAX_DRAWN = 2_000
_BAND = 5  # finished runs, below which a band would be two of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything of one pipeline (or of all) in one window, from one reading of the mirror."""

    runs: Sequence[Run]
    times: Sequence[Measurement]  # one per pipeline and hardware, as the monitor last compared them
    objectives: Sequence[Measurement]
    groups: Sequence[Group]
    hung: Sequence[Run]
    rate: Rate
    flaky: Sequence[Flaky]
    waits: Sequence[Wait]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One run with its values and the texts it left."""

    run: Run
    values: Sequence[Value]
    texts: Mapping[str, str]


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def pipelines() -> list[tuple[str, str, int]]:
    """Return every pipeline with its kind and number of runs."""
    return [(name, str(kind), n) for name, kind, n in session.services().runs.pipelines()]


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def mirror() -> tuple[datetime | None, bool, str]:
    """Return when MLflow last answered, whether it does now, and what it said."""
    state = session.services().sources.get(SOURCE)
    return (state.as_of, state.ok, state.message) if state else (None, True, "")


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def overview(pipeline: str, window: TimeWindow) -> Overview:
    """Return the runs of a pipeline (empty: of all) that started in the window, and what they say."""
    table = session.services().runs
    runs = table.find(RunFilter(pipeline=pipeline, since=window.start, until=window.end), limit=MAX_RUNS)
    known = {r.run_id for r in runs}
    # A run that hangs is shown however long ago it began.
    hung = [r for r in table.open_runs() if r.effective in HUNG and pipeline in ("", r.pipeline)]
    everything = [*runs, *(r for r in hung if r.run_id not in known)]
    told = _measured(pipeline)
    return Overview(
        runs=runs, times=[m for m in told if m.name == "training_time"],
        objectives=[m for m in told if m.name == "training_objective"],
        groups=groups(everything, now=window.end), rate=rate(runs, now=window.end),
        hung=sorted(hung, key=lambda r: -r.cost_hours(now=window.end)), flaky=flaky(runs), waits=waits(runs),
    )


def _measured(pipeline: str) -> list[Measurement]:
    """Return what the monitor last measured of a pipeline's runs (empty: of all), worst first."""
    found = session.services().measurements.newest(subject=pipeline or None)
    told = [m for m, _ in found if m.name in ("training_time", "training_objective")]
    return sorted(told, key=lambda m: (SEVERITY.index(m.verdict), m.subject, m.slice))


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def detail(run_id: str) -> Detail:
    """Return one run.

    Raises:
        NotFound: the mirror has none of that id.
    """
    table = session.services().runs
    run = table.get(run_id)
    if run is None:
        raise NotFound("the mirror has no run of that id: it may be older than the mirror, or belong to another server")
    return Detail(run=run, values=table.values(run_id), texts=table.artifacts(run_id))


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def siblings(run_id: str) -> list[str]:
    """Return the newest runs of the same pipeline, newest first; nothing for a run that the mirror does not have."""
    table = session.services().runs
    run = table.get(run_id)
    return [r.run_id for r in table.find(RunFilter(pipeline=run.pipeline))] if run else []


def usual(points: Sequence[Mapping[str, Any]], since: datetime | None) -> list[dict[str, Any]]:
    """Return the bands in which eight of ten finished runs lie (start, end, low, high): before a change and after it.

    `points` are one pipeline's; a side with fewer than five has no band.
    """
    fine = sorted((p for p in points if p["state"] == "fine"), key=lambda p: p["at"])
    sides = [[p for p in fine if p["at"] < since], [p for p in fine if p["at"] >= since]] if since else [fine]
    return [
        {"start": side[0]["at"], "end": since if since and side[0]["at"] < since else side[-1]["at"],
         "low": percentile([p["minutes"] for p in side], 10), "high": percentile([p["minutes"] for p in side], 90)}
        for side in sides if len(side) >= _BAND
    ]


def points_then(runs: Sequence[Run], back: timedelta | None) -> list[dict[str, object]]:
    """Return the runs of an earlier window as points moved on by `back`; nothing where none is wanted."""
    return [] if back is None else [
        {"at": r.started_at + back, "minutes": r.duration_s / 60, "name": r.name or r.run_id[:8]}
        for r in runs[:MAX_DRAWN] if r.started_at is not None and r.duration_s is not None]


def points(runs: Sequence[Run]) -> list[dict[str, object]]:
    """Return the runs as points of the duration chart, newest first, as many as a chart can show."""
    found: list[dict[str, object]] = []
    for r in runs[:MAX_DRAWN]:
        if r.started_at is None or r.duration_s is None:
            continue
        state = "failing" if r.effective in BROKEN else "unsure" if r.effective is Effective.KILLED else "fine"
        found.append({
            "at": r.started_at, "minutes": r.duration_s / 60, "state": state, "status": str(r.effective),
            "pipeline": r.pipeline, "name": r.name or r.run_id[:8], "slow": "slow" if r.slow_z is not None else "",
            "class": r.failure.cls, "rows": r.data_rows,
        })
    return found
