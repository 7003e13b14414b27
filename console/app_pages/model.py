"""How is this model? Every signal in one list, then all of them on one time axis with what was changed meanwhile."""

from datetime import timedelta

import streamlit as st

from console import session
from console.charts import model as charts
from console.queries import model as queries
from console.queries import signals
from console.widgets import cards, charting, meanings, pickers, status, tables, text
from services.core.signals import SIGNALS, Signal, worst_first
from services.core.window import TimeWindow, span_text
from services.quality.coverage import ENOUGH

PAGE_OF = {
    "delivery": "serving", "latency": "serving", "errors": "serving", "volume": "serving", "drift": "drift",
    "data checks": "data", "quality": "quality", "test set": "validation", "training": "training",
    "release": "releases",
}

now = session.now()
with pickers.bar():
    model, environment = pickers.model(), pickers.environment()
    window = pickers.window(now, default="30d", spans=("24h", "3d", "7d", "30d", "90d"))
told, as_of = queries.standing(model, environment)
text.header("Model", as_of=as_of, now=now)


def draw_signal(signal: Signal) -> None:
    """Draw one signal on one line that leads to its page."""
    status.line(signal.verdict, signal.name, signal.reason, since=signal.since, now=now,
                kind=f"{signal.asked} asked, {signal.failing} failing" if signal.asked else "",
                to=PAGE_OF[signal.name], params={"model": model, "environment": environment},
                measure=signal.speaker.name if signal.speaker else "")


def draw_panel(title: str, words: str, chart: object, rows: object, nothing: str) -> None:
    """Draw one panel under its name; a panel without rows says why."""
    text.section(title)
    if rows:
        charting.draw(chart, alt=words, height=charts.HEIGHT, key=f"panel-{title}")
    else:
        text.note(nothing)


def draw_panels(found: queries.Panels, span: TimeWindow) -> None:
    """Draw every signal over time."""
    marks = charts.marks_of([(c.at, c.text) for c in found.changes], span.start, span.end)
    frame = charts.Frame(
        start=span.start, end=span.end, marks=marks, colours=charting.palette(),
        spans=[{"start": max(i.opened_at, span.start), "end": i.resolved_at or span.end, "title": i.title}
               for i in found.incidents])
    p95 = [r for r in found.served.quantiles if r["quantile"] == "p95"]
    newest = {m.name: m for m in queries.speaking(model, environment)}
    usual = newest["latency_p95_ms"].detail.get("history_p95") if "latency_p95_ms" in newest else None
    good = newest.get("quality")
    served = [r for r in found.served.buckets if r["rows"] or r["expected"]]
    draw_panel("Predictions", "Predictions per step, failed ones in red, the usual number dashed",
               charts.volume(found.served.buckets, frame), served, "No prediction in this time range.")
    draw_panel("Latency, p95 in ms", "95% of answers were at least this fast; the usual p95 dashed",
               charts.latency(p95, usual, frame), [r for r in p95 if r["ms"] is not None],
               "No answer was timed in this time range.")
    draw_panel("Drift against training, times its alarm", "How far the column that moved most went; 1 is its alarm",
               charts.moved(found.moved, frame), found.moved, "Nothing to compare: no baseline, or no closed step.")
    draw_panel("Faulty values above the usual share, worst column",
               "Largest share of missing, unseen or out-of-range values of any column, above what training had",
               charts.faults(found.faults, frame), found.faults, "No row was counted in this time range.")
    draw_panel(f"Quality{f', {good.unit}' if good else ''}",
               "Realised quality by day with its 95% interval, the estimate before labels beside it",
               charts.quality(found.quality, good.detail.get("baseline") if good else None,
                              str(good.detail.get("against") or "") if good else "", frame), found.quality,
               "No labelled answer in this time range.")
    draw_panel("Labels here", "Share of labels that are here, of those that will come, by day of the answer",
               charts.labels(found.labels, ENOUGH, frame), found.labels, "No labels in this time range.")


with cards.guard("signals"):
    champion, setting = signals.champion(model), session.settings().models[model]
    cards.facts([
        cards.Fact("champion", f"v{champion}" if champion else "none", "as the registry says"),
        cards.Fact("owner", setting.owner or "nobody", f"models.{model}.owner"),
        cards.Fact("task", setting.task, f"labels mature after {setting.label_maturity}"),
    ])
    status.counts(s.verdict for s in told)
    with status.lines("signals"):
        for signal in worst_first(told):
            draw_signal(signal)

with cards.guard("time"):
    found = queries.panels(model, environment, window.start, window.end)
    text.section("Over time")
    n_changes, n_incidents = len(found.changes), len(found.incidents)
    changed = f"{n_changes} change{'s' * (n_changes > 1)} (dotted lines)" if n_changes else "no change"
    opened = f"{n_incidents} incident{'s' * (n_incidents > 1)} (shaded)" if n_incidents else "no incident"
    text.sentence(f"{model} in {environment} over {span_text(window.length)}: {changed} and {opened}.")
    with st.container(gap=None):
        draw_panels(found, window)
    if found.changes:
        text.section("What was changed")
        tables.table([{"at": c.at, "kind": c.kind, "what": c.text, "to": f"/{c.link}" if c.link else ""}
                      for c in reversed(found.changes)],
                     [tables.Column("at", "time", title="when"), "kind", tables.Column("what", to="to")],
                     alt="Changes in this time range, newest first", name="model-changes")
    if found.incidents:
        text.section("Incidents")
        tables.table([{"opened": i.opened_at, "took": span_text((i.resolved_at or now) - i.opened_at), "what": i.title,
                       "state": str(i.state), "to": f"/incidents?incident={i.id}"} for i in found.incidents],
                     [tables.Column("opened", "time"), "took", tables.Column("what", to="to"), "state"],
                     alt="Incidents that were open in this time range", name="model-incidents")
    if window.length > timedelta(days=3):
        text.note("Days are UTC days; a shorter time range shows hours.")

meanings.explain(name for names in SIGNALS.values() for name in names)
