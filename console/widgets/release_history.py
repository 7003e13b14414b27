"""How a release went: wanted and observed share over time, who did what, what the monitor carried out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from console.charts import releases as charts
from console.queries.releases import Detail
from console.widgets import charting, tables, text
from services.releases.machine import Do
from services.releases.reconcile import split_text


def rollout(found: Detail, now: datetime) -> None:
    """Draw wanted against observed share over time."""
    release = found.release
    wanted = [{"at": row.at.isoformat(), "share": _share(found, row.action, row.detail.get("step")),
               "state": row.detail.get("to", "")}
              for row in found.timeline if row.action in _MOVES]
    seen = [{"at": s.at.isoformat(), "share": s.weights.get(release.version, 0.0)}
            for s in found.served if s.release_id == release.id]
    if not wanted:
        return
    text.section("Rollout")
    last = {**wanted[-1], "at": now.isoformat()} if found.place.release_id == release.id else wanted[-1]
    text.sentence(f"Wanted {release.weight_pct:g}% for v{release.version}; the target showed "
                  f"{split_text(found.place.observed)} when last asked.")
    charting.draw(charts.rollout([*wanted, last], seen, charting.palette()), height=160,
                  alt=f"Share of v{release.version}: {len(wanted)} changes wanted, {len(seen)} read back")


def timeline(found: Detail) -> None:
    """Draw who did what, and what the monitor has carried out."""
    text.section("Timeline")
    tables.table(
        [{"at": row.at, "who": row.label, "what": row.action, "why": row.reason,
          "state": _moved(row.detail)}
         for row in found.timeline],
        [tables.Column("at", "time"), tables.Column("who"), tables.Column("what"), tables.Column("why"),
         tables.Column("state")],
        alt="Who did what, oldest first", name="timeline")
    if found.operations:
        with st.expander(f"{len(found.operations)} operations on target and registry"):
            tables.table(
                [{"n": row.seq, "operation": str(row.op.kind), "state": str(row.state), "said": row.message,
                  "tries": row.attempts, "at": row.done_at} for row in found.operations],
                [tables.Column("n", "number"), tables.Column("operation"), tables.Column("state"),
                 tables.Column("said"), tables.Column("tries", "number"), tables.Column("at", "time")],
                alt="Operations in order", name="operations", export=False)


def _moved(detail: Mapping[str, Any]) -> str:
    """Return from which state to which a release went; a signature that is not the last one leaves it where it is."""
    if "to" not in detail:
        return ""
    before, after = detail.get("from", ""), detail["to"]
    return f"stays {after}" if before == after else f"{before} → {after}"


_MOVES: Final = frozenset({str(d) for d in (Do.DEPLOY, Do.BEGIN_STEP, Do.PROMOTE, Do.ROLL_BACK, Do.CONFIRM_ROLLBACK)})


def _share(found: Detail, action: str, step: int | None) -> float:
    if action == Do.PROMOTE:
        return 100.0
    if action == Do.BEGIN_STEP and step is not None:
        return found.release.plan.steps[step].weight_pct
    return 0.0
