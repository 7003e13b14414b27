"""What the Planner knows: loads, the fit check, and past runs to estimate from."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from console import session
from services import bootstrap
from services.quota.estimate import PastRun
from services.quota.fit import Fit, Load, check
from services.quota.hardware import Advice
from services.quota.loads import loads
from services.quota.pool import Pool, PoolKind, limit_at
from services.quota.suits import Served

_LOOKED_AT = 2_000


def pools() -> list[str]:
    """Return the pools that a calendar can be laid over: of a budget only its sum over the period counts."""
    return [pool.name for pool in session.services().pools if pool.kind is PoolKind.CAPACITY]


@st.cache_data(ttl=300, max_entries=32, show_spinner=False)
def found(pool: str, hour: datetime) -> tuple[Pool, float, Sequence[Load], Fit]:
    """Return a pool, its limit, what every pipeline needs of it, and whether that fits."""
    services = session.services()
    own = next(p for p in services.pools if p.name == pool)
    limit = limit_at(services.quota.limits(pool), hour, otherwise=own.limit)
    planned, runs = bootstrap.plan_inputs(services)
    needs = loads(own, planned, services.quota, runs.lengths(now=hour), now=hour)
    return own, limit, needs, check(own, needs, limit=limit, now=hour)


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def past(resource: str, hour: datetime) -> tuple[list[PastRun], float]:
    """Return the finished runs that held a resource, and which share of all hours was lost."""
    _, runs = bootstrap.plan_inputs(session.services())
    return runs.past(resource, now=hour), runs.wasted_share(now=hour)


@st.cache_data(ttl=300, max_entries=8, show_spinner=False)
def advisable(resource: str, hour: datetime) -> list[str]:
    """Return the pipelines that held a resource, those whose models were registered lately first: they tell more."""
    runs = past(resource, hour)[0]
    newest = {run.run_id: run.pipeline for run in runs[:_LOOKED_AT]}
    made = {newest[version.run_id] for version in session.services().registry.of_runs(list(newest))}
    return sorted({run.pipeline for run in runs}, key=lambda name: (name not in made, name))


def said(runs: Sequence[PastRun], trait: str) -> list[str]:
    """Return every model type, framework or hardware that some runs have, by name."""
    return sorted({getattr(run, trait) for run in runs} - {""})


@st.cache_data(ttl=300, max_entries=32, show_spinner=False)
def served(model: str, hour: datetime) -> Served | None:
    """Return how a model answered in production over the last 7 days, or None."""
    return bootstrap.pipeline_models(session.services()).served(model, now=hour)


@st.cache_data(ttl=300, max_entries=32, show_spinner=False)
def advice(pipeline: str, resource: str, hour: datetime) -> Advice:
    """Return the four answers about a pipeline's hardware."""
    return bootstrap.advice(session.services(), pipeline, past(resource, hour)[0], now=hour)
