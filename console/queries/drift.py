"""What the Drift page shows: verdicts, the grid, one column beside its baseline."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from console import session
from console.queries.changes import changed
from services.adapters.job_table import Job
from services.core.measurement import SEVERITY, Measurement, Pipeline
from services.core.window import TimeWindow
from services.drift import multivariate
from services.drift.compare import Comparison
from services.drift.explain import Explanation, explain
from services.drift.gather import RECENT, Gatherer, chosen
from services.drift.grid import Grid, grid
from services.drift.measure import Against, compare_column

NAMES = ("skew", "drift", "drift_seasonal", "prediction_skew", "prediction_drift", "prediction_drift_seasonal",
         "unseen_rate", "out_of_range_rate", "worst_slice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The serving version, its newest verdicts worst first with the time since which each has held, and the slices."""

    version: str
    baseline_rows: int
    measured: list[tuple[Measurement, datetime]]
    together: list[tuple[Measurement, datetime]]  # of all features at once, worst first
    slices: list[str]
    as_of: datetime | None


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def overview(model: str, environment: str) -> Overview:
    """Return what is known about one model in one environment.

    Raises:
        NotFound: nothing was counted yet, or there is no baseline; the message says what to do.
    """
    services, now = session.services(), session.now()
    of = gatherer(model, environment, "")
    newest = services.measurements.newest(subject=model, environment=environment, pipeline=Pipeline.SERVING)
    found = sorted((pair for pair in newest if pair[0].name in NAMES and not pair[0].slice),
                   key=lambda pair: (SEVERITY.index(pair[0].verdict), -(pair[0].value or 0.0)))
    slices = services.profiles.slices(of.baseline.layout, TimeWindow.last(RECENT, now=now), model=model,
                                      environment=environment)
    step = services.sources.get("step:drift")
    # Counted before its column was named sensitive: still there, no longer offered.
    slices = [name for name in slices if name.partition("=")[0] not in of.baseline.masked]
    together = sorted((pair for pair in newest if pair[0].name == multivariate.NAME),
                      key=lambda pair: SEVERITY.index(pair[0].verdict))
    return Overview(version=of.subject.version, baseline_rows=of.baseline.rows, measured=found, slices=slices,
                    together=together, as_of=step.as_of if step else None)


@st.cache_data(ttl=30, max_entries=64, show_spinner=False)
def cells(model: str, environment: str, slice_: str, against: str, start: datetime, end: datetime) -> Grid:
    """Return the grid of every column over a time range.

    Raises:
        NotFound: the slice has no baseline.
    """
    return grid(gatherer(model, environment, slice_), TimeWindow(start, end), Against(against))


@st.cache_data(ttl=30, max_entries=64, show_spinner=False)
def changes(model: str, environment: str, start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Return when releases moved traffic and versions were registered, with words, oldest first."""
    return [(c.at, c.text) for c in changed(model, environment, TimeWindow(start, end))]


@st.cache_data(ttl=30, max_entries=64, show_spinner=False)
def column(model: str, environment: str, slice_: str, against: str, name: str, start: datetime, end: datetime,
           ) -> Comparison:
    """Return one column over a window beside what it is compared with.

    Raises:
        NotFound: the slice has no baseline.
    """
    of = gatherer(model, environment, slice_)
    return compare_column(name, of.pair(TimeWindow(start, end), Against(against)), of.baseline, Against(against))


@st.cache_data(ttl=30, max_entries=64, show_spinner=False)
def explanation(model: str, environment: str, slice_: str, against: str, start: datetime, end: datetime,
                ) -> Explanation | None:
    """Return what goes with the shift of the predictions; None where the baseline knows no answers.

    Raises:
        NotFound: the slice has no baseline.
    """
    of = gatherer(model, environment, slice_)
    pair = of.pair(TimeWindow(start, end), Against(against))
    return explain(pair.ours, pair.theirs, of.baseline)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def asked_together(model: str, environment: str) -> Job | None:
    """Return the newest look at all features together that was asked for, whatever became of it."""
    jobs = session.services().jobs.recent(kind="together")
    return next((j for j in jobs if (j.args.get("model"), j.args.get("environment")) == (model, environment)), None)


@st.cache_resource(ttl=15, max_entries=64, show_spinner=False)
def gatherer(model: str, environment: str, slice_: str) -> Gatherer:
    """Return the profiles of a model's serving version in its baseline's bins; shared, because nothing changes it.

    Raises:
        NotFound: nothing was served and counted lately, or there is no baseline.
    """
    services = session.services()
    return chosen(services.baselines, services.profiles, model, environment=environment, slice_=slice_,
                  now=session.now())
