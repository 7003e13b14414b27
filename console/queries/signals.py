"""What the pages Serving, Data, Quality and Validation show: newest verdicts, hours, days, samples, reports."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from console import session
from services.checks.schema import Schema
from services.core.measurement import SEVERITY, Measurement
from services.core.window import DAY, HOUR, TimeWindow, floor_to, parse_span
from services.quality.day import ScoreDay, Whole
from services.quality.metric import HEADLINE
from services.serving.traffic import HISTORY, Volume, total, usual
from services.training.inputs import MOST, hindrance, measured, subject_of
from services.validation.gate import Report

INPUTS_OF = 5  # versions whose inputs are listed
POINTS = 120  # buckets that a chart shows at most
Pair = tuple[Measurement, datetime]


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def newest(subject: str, environment: str, names: tuple[str, ...]) -> list[Pair]:
    """Return the newest measurements of these names with the time since which each verdict has held, worst first."""
    found = session.services().measurements.newest(subject=subject, environment=environment)
    return sorted(((m, since) for m, since in found if m.name in names),
                  key=lambda pair: (SEVERITY.index(pair[0].verdict), names.index(pair[0].name), pair[0].column,
                                    pair[0].slice))


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def as_of(step: str) -> datetime | None:
    """Return when a step of the monitor last worked."""
    found = session.services().sources.get(f"step:{step}")
    return found.as_of if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Traffic in buckets, oldest first, with what is usual, and the whole."""

    buckets: list[dict[str, Any]]
    quantiles: list[dict[str, Any]]
    whole: Volume
    versions: list[dict[str, Any]]
    errors: list[dict[str, Any]]


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def served(model: str, environment: str, start: datetime, end: datetime) -> Served:
    """Return the hours of a window, coarsened so that a chart can show them."""
    window = TimeWindow(floor_to(start, HOUR), end)
    hours = session.services().traffic.hours(model, TimeWindow(window.start - HISTORY, end), environment=environment)
    known, inside = usual(hours), [t for t in hours if t.hour in window]
    grain = HOUR * max(1, -(-int(window.length / HOUR) // POINTS))
    buckets, quantiles = [], []
    by: dict[datetime, list[Any]] = {}
    for t in inside:
        by.setdefault(floor_to(t.hour, grain), []).append(t)
    for bucket in window.buckets(grain):
        some = total(by.get(bucket.start, []))
        expected = known.expected(TimeWindow(bucket.start, min(bucket.end, end)))
        buckets.append({"at": bucket.start, "end": bucket.end, "rows": some.rows, "failed": some.failed,
                        "expected": expected})
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            value = some.latency.quantile(q)
            quantiles.append({"at": bucket.start, "quantile": name, "ms": None if value is None else round(value, 2)})
    versions = []
    for version in sorted({t.version for t in inside}):
        mine = total(t for t in inside if t.version == version)
        versions.append({"version": version, "predictions": mine.rows, "failed": mine.failed,
                         **{name: mine.latency.quantile(q) for name, q in (("p50", .5), ("p95", .95), ("p99", .99))}})
    whole = total(inside)
    errors = [{"error": kind, "requests": n} for kind, n in sorted(whole.errors.items(), key=lambda i: -i[1])]
    return Served(buckets=buckets, quantiles=quantiles, whole=whole, versions=versions, errors=errors)


def p95_then(past: Served | None, back: timedelta | None) -> list[dict[str, Any]]:
    """Return the p95 of an earlier window moved on by `back`, as rows at, before; nothing where none is wanted."""
    return [] if past is None or back is None else [
        {"at": row["at"] + back, "before": row["ms"]} for row in past.quantiles if row["quantile"] == "p95"]


def volume_then(past: Served | None, back: timedelta | None) -> list[dict[str, Any]]:
    """Return the predictions of an earlier window moved on by `back`, as rows at, before."""
    return [] if past is None or back is None else [
        {"at": row["at"] + back, "before": row["rows"]} for row in past.buckets]


def quality_then(past: "Scored | None", back: timedelta | None) -> list[dict[str, Any]]:
    """Return the realised quality of an earlier window moved on by `back`, as rows at, before."""
    return [] if past is None or back is None else [
        {"at": row["at"] + back, "before": row["value"]} for row in past.series if row["kind"] == "realised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Days of quality: one row per day for the chart, one per day and state of its labels."""

    series: list[dict[str, Any]]
    coverage: list[dict[str, Any]]


@st.cache_data(ttl=30, max_entries=64, show_spinner=False)
def scored(model: str, environment: str, slice_: str, start: datetime, end: datetime) -> Scored:
    """Return realised quality and label coverage by day; days whose labels are still due are immature."""
    services, now = session.services(), session.now()
    setting = session.settings().models[model]
    maturity = parse_span(setting.label_maturity)
    days = services.scores.days(model, TimeWindow(floor_to(start, DAY), end), environment=environment, slice_=slice_)
    by: dict[datetime, list[ScoreDay]] = {}
    for day in days:
        by.setdefault(day.day, []).append(day)
    series, coverage = [], []
    for moment, some in sorted(by.items()):
        whole = Whole.of(some)
        metric = whole.scores.metrics().get(HEADLINE[setting.task]) if whole.scores else None
        if metric:
            kind = "realised" if some[0].mature(maturity, now=now) else "immature"
            series.append({"at": moment, "kind": kind, "value": metric.value, "low": metric.low, "high": metric.high})
        c = whole.coverage
        coverage += [{"at": moment, "end": moment + DAY, "state": state, "n": n} for state, n in
                     (("labelled", c.labelled), ("waiting", c.waiting), ("never", c.never))]
    return Scored(series=series, coverage=coverage)


@st.cache_data(ttl=30, max_entries=32, show_spinner=False)
def slices(model: str, environment: str) -> list[str]:
    """Return the slices that quality knows, largest first."""
    now = session.now()
    return session.services().scores.slices(model, TimeWindow(now - timedelta(days=14), now), environment=environment)


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def schema(model: str, version: str) -> Schema | None:
    """Return the newest schema of a version; of a sensitive column without its values."""
    found = session.services().schemas.latest(model, version)
    setting = session.settings().models.get(model)
    if found is None or setting is None:
        return found
    return replace(found, columns={
        name: replace(c, low=None, high=None, categories=(), accepted=()) if name in setting.sensitive else c
        for name, c in found.columns.items()})


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def schema_history(model: str, version: str) -> list[dict[str, Any]]:
    """Return every revision of a schema, newest first: revision, by, reason, at, changed."""
    return session.services().schemas.history(model, version)


@st.cache_data(ttl=15, max_entries=64, show_spinner=False)
def sample(model: str, environment: str, name: str, column: str) -> dict[str, Any]:
    """Return the failing rows of one question: `values` with their number, and a few `rows`."""
    found = session.services().samples.get(model, environment, name, column)
    return found[0] if found else {"values": [], "rows": []}


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def failed(model: str, environment: str) -> list[dict[str, Any]]:
    """Return a few failed requests of each class of error, as the monitor last kept them."""
    return list(session.services().samples.get(model, environment, "error_share", ""))


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def reports(model: str) -> list[Report]:
    """Return the newest report of each validated version."""
    return list(session.services().gates.recent(model))


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def versions(model: str) -> list[str]:
    """Return the registered versions, newest first."""
    return [v.version for v in sorted(session.services().registry.versions(model), key=lambda v: -int(v.version))]


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)
def champion(model: str) -> str:
    """Return the version that the registry calls champion, or nothing."""
    found = session.services().registry.champion(model)
    return found.version if found else ""


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def inputs(model: str) -> list[dict[str, Any]]:
    """Return the data sets that the runs of the newest versions logged in MLflow, newest version first.

    `subject` is what one is measured under, and empty where it is not: then `measured` says why.
    """
    services, rows = session.services(), []
    versions = services.registry.versions(model)[:INPUTS_OF]
    logged = services.runs.inputs_of([v.run_id for v in versions])
    for place, v in enumerate(versions):
        names = measured(model, logged.get(v.run_id, []))
        subjects = {given: name for name, given in names.items()}
        for given in logged.get(v.run_id, []):
            subject = subjects.get(given, "") if place == 0 else ""
            crowded = f"only {MOST} of a run are" if subject_of(model, given.name) not in names else ""
            why = "only the newest version's are" if place else (
                hindrance(given) or crowded or "another of that name is")
            earlier = [f"v{old.version}" for old in versions[place + 1 :] if any(
                (o.name, o.digest) == (given.name, given.digest) for o in logged.get(old.run_id, []))]
            rows.append({
                "version": v.version, "data_set": given.name, "digest": given.digest, "rows": given.rows,
                "context": given.context, "source": given.uri or given.source, "as_for": ", ".join(earlier),
                "subject": subject, "measured": "yes" if subject else f"no: {why}"})
    return rows


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def datasets(model: str) -> list[Pair]:
    """Return what was measured of the data sets of a model, worst first."""
    services, wanted = session.services(), []
    for name, data in session.settings().datasets.items():
        if data.model == model and data.role != "test":
            wanted += services.measurements.newest(subject=name)
    for row in inputs(model):
        if row["subject"]:
            wanted += services.measurements.newest(subject=row["subject"])
    kept = [(m, since) for m, since in wanted if m.pipeline == "data"]
    return sorted(kept, key=lambda pair: (SEVERITY.index(pair[0].verdict), pair[0].subject, pair[0].column))
