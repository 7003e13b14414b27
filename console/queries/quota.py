"""Pools for the pages: who holds each now, and its history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import streamlit as st

from console import session
from services.core.measurement import SEVERITY, Measurement, Pipeline, Verdict, worst
from services.core.window import TimeWindow
from services.quota.attribution import Standing
from services.quota.history import History, history, now_held
from services.quota.pool import Pool, limit_at

_FIRST: Final = ("pool_used_pct", "budget_burn")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNow:
    """One pool as it was judged: its verdict is the worst of its measurements, its reason that one's sentence."""

    pool: Pool
    limit: float
    used_pct: float
    as_of: datetime | None
    verdict: Verdict
    reason: str
    since: datetime | None
    found: tuple[Measurement, ...]


@st.cache_data(ttl=15, max_entries=8, show_spinner=False)
def pools() -> list[PoolNow]:
    """Return every declared pool, worst first, then fullest."""
    services = session.services()
    now = session.now()
    measured = [(m, since) for m, since in services.measurements.newest()
                if m.pipeline in (Pipeline.QUOTA, Pipeline.DATA)]
    found = []
    for pool in services.pools:
        # Of equals the pool's own use speaks first: that some detail is unsure is not what a reader came for.
        own = sorted(((m, since) for m, since in measured if m.subject == pool.name),
                     key=lambda pair: (SEVERITY.index(pair[0].verdict), pair[0].name not in _FIRST, pair[0].name))
        limit = limit_at(services.quota.limits(pool.name), now, otherwise=pool.limit)
        found.append(PoolNow(
            pool=pool, limit=limit, as_of=max((m.at for m, _ in own), default=None),
            used_pct=next((m.value or 0.0 for m, _ in own if m.name == "pool_used_pct"), 0.0),
            verdict=worst(m.verdict for m, _ in own),
            reason=own[0][0].reason if own else "never sampled: run interlock monitor --once",
            since=own[0][1] if own else None, found=tuple(m for m, _ in own)))
    return sorted(found, key=lambda p: (SEVERITY.index(p.verdict), -p.used_pct, p.pool.name))


@st.cache_data(ttl=15, max_entries=32, show_spinner=False)
def held(pool: str) -> Standing | None:
    """Return who holds a declared pool now, or None where no sample is fresh."""
    services = session.services()
    return now_held(services.quota, next(p for p in services.pools if p.name == pool), now=session.now())


def fan(pool: PoolNow, grain: str) -> list[dict[str, Any]]:
    """Return the forecast's days as chart rows; none on an hourly chart, where a month ahead would squeeze the past."""
    ahead = next((m for m in pool.found if m.name == "pool_forecast"), None)
    if ahead is None or grain != "day":
        return []
    return [{"at": f"{at}T00:00:00+00:00", "low": low, "mid": mid, "high": high}
            for at, low, mid, high in ahead.detail.get("ahead", [])]


@st.cache_data(ttl=60, max_entries=64, show_spinner=False)
def usage(pool: str, start: datetime, end: datetime) -> History:
    """Return the history of a declared pool."""
    services = session.services()
    found = next(p for p in services.pools if p.name == pool)
    return history(services.quota, found, TimeWindow(start, end))
