"""Training: how long runs take, how they really ended, why they failed, and which ones hang."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

import streamlit as st

from console import session, state
from console.charts import training as charts
from console.mlflow_pages import base
from console.queries import training as queries
from console.widgets import cards, charting, decide, links, meanings, pickers, status, tables, text, walk
from services.core.access import Action, Actor
from services.core.measurement import SEVERITY, Measurement, Verdict
from services.core.signals import SIGNALS
from services.core.window import TimeWindow, span_text
from services.training.classify import FAILURE_RECORD
from services.training.correct import correct
from services.training.duration import ENOUGH, span
from services.training.failure_rule import Owner
from services.training.failure_rules import CLASSES
from services.training.run import BROKEN, HUNG, Effective, Run

ALL = "all pipelines"
MANY = 8
STATE = {
    Effective.FINISHED: Verdict.PASS, Effective.RUNNING: Verdict.PASS, Effective.SCHEDULED: Verdict.INCONCLUSIVE,
    Effective.KILLED: Verdict.INCONCLUSIVE, Effective.OVERDUE: Verdict.WARN,
    **dict.fromkeys(BROKEN, Verdict.FAIL), **dict.fromkeys(HUNG - {Effective.OVERDUE}, Verdict.FAIL),
}

now = session.now()


def page_of(run_id: str) -> str:
    """Return the address of one run on this page."""
    return f"/training?run={run_id}"


def hours(amount: float) -> str:
    """Return hours held as people read them: none, a trace, or a number."""
    return "0 h" if amount == 0 else "under 0.01 h" if amount < 0.01 else f"{amount:,.2f} h"


def rows(runs: Sequence[Run]) -> list[dict[str, object]]:
    """Return runs as table rows."""
    return [
        {"state": str(STATE[r.effective]), "run": r.name or r.run_id[:8], "to": page_of(r.run_id),
         "pipeline": r.pipeline if r.attributed else f"{r.pipeline} (unattributed)", "how": str(r.effective),
         "mlflow": r.status, "evidence": r.evidence, "began": r.started_at, "took": span(r.duration_s),
         "class": r.failure.cls, "why": r.failure.line or r.failure.message, "owner": r.failure.owner,
         "step": r.last_step, "last": r.last_activity_at, "held": hours(r.cost_hours(now=now))}
        for r in runs
    ]


def draw_times(found: queries.Overview, past: queries.Overview | None, back: timedelta | None) -> None:
    """Draw what the monitor says of the durations, and the durations with band and change markers."""
    text.section("Training time")
    fine = [m for m in found.times if m.verdict is Verdict.PASS]
    say([m for m in found.times if m.verdict is not Verdict.PASS])
    if fine:
        # Of one pipeline it is what the reader came for.
        with st.expander(f"{len(fine):,d} fine", expanded=len(found.times) == 1):
            say(fine)
    if not found.times:
        text.note(f"No durations are compared yet: that takes {ENOUGH} finished runs of one pipeline on like hardware.")
    points = queries.points(found.runs)
    if not points:
        cards.empty(cards.Nothing.NONE, "No run with a duration began in this time range",
                    "widen the time range, or see the hung runs below")
        return
    scale, unit = (1.0, "minutes") if median(float(str(p["minutes"])) for p in points) >= 2 else (60.0, "seconds")
    then = queries.points_then(past.runs if past else (), back)
    for p in (*points, *then):
        p["minutes"] = float(str(p["minutes"])) * scale
    # Bands of several pipelines would cover each other.
    one = found.times[0] if len(found.times) == 1 and found.times[0].verdict is not Verdict.INCONCLUSIVE else None
    usual = queries.usual(points, _since(one)) if one else []
    first = min(str(p["at"]) for p in points)
    marks = [{"at": since, "label": f"{m.detail['change']}: {m.detail['effect']:+.0%}"} for m in found.times
             if (since := _since(m)) is not None and str(since) >= first]
    seconds = 60 / scale
    band = "; then ".join(f"{span(b['low'] * seconds)} to {span(b['high'] * seconds)}" for b in usual)
    band = f"; the grey band is the usual {band}" if usual else ""
    chart = charts.durations(points, charting.palette(), usual=usual, marks=marks, unit=unit,
                             before=then)
    if past:
        text.sentence(f"Hollow: the {len(then)} runs a week before, {past.rate.failed} of them failed; "
                      f"{found.rate.failed} of {len(points)} now.")
    charting.draw(chart, alt=f"{len(points)} runs by duration in {unit}{band}", key="durations")
    if len(found.runs) > queries.MAX_DRAWN:
        text.note(f"the newest {queries.MAX_DRAWN:,} of {len(found.runs):,} runs are drawn")


def say(times: Sequence[Measurement]) -> None:
    """Say what the monitor concluded of durations, one line each."""
    for m in times[:MANY]:
        status.show(m.verdict, f"{m.subject}{m.slice.replace('hardware=', ' on ')}: {m.reason}")
    if len(times) > MANY:
        text.note(f"and {len(times) - MANY:,d} more: choose a pipeline, or ask interlock runs --times")


def _since(m: Measurement) -> datetime | None:
    """Return when the durations changed, where they did."""
    return datetime.fromisoformat(str(m.detail["since"])) if m.detail.get("since") else None


def draw_objectives(found: queries.Overview) -> None:
    """Draw which pipelines keep their objective, and how long runs waited for their machine."""
    if found.objectives:
        text.section("Objectives")
        tables.folded(
            [{"status": str(m.verdict), "pipeline": m.subject, "objective": span(m.detail.get("objective_s")),
              "met": m.detail.get("met"), "missed": m.detail.get("missed"), "risk": m.detail.get("at_risk"),
              "why": m.reason} for m in found.objectives],
            [tables.Column("status", "status", title=""), "pipeline", tables.Column("objective", title="may take"),
             tables.Column("met", "number"), tables.Column("missed", "number"),
             tables.Column("risk", "number", title="at risk"), "why"],
            alt="How long runs may take and whether they did, worst first", name="objectives", as_of=as_of)
    if found.waits:
        text.section("Queue wait")
        worst = found.waits[0]
        most = f"at most {span(worst.p95_s)}" + (f", {worst.team or worst.pool}" if worst.p95_s else "")
        with st.expander(f"{len(found.waits):,d} by pool and team: {text.escape(most)}"):
            tables.table(
                [{"pool": q.pool or "no pool named", "team": q.team, "median": span(q.median_s), "p95": span(q.p95_s),
                  "runs": q.n} for q in found.waits],
                ["pool", "team", "median", tables.Column("p95", title="95th percentile"),
                 tables.Column("runs", "number")],
                alt="Wait from submission to start, longest first", name="queue-wait", as_of=as_of)


def draw_failures(found: queries.Overview) -> None:
    """Draw how often runs fail, and the failures in groups and one by one."""
    text.section("Failures")
    told = found.rate
    if told.share is None:
        text.note("No run ended in this time range.")
    else:
        text.sentence(
            f"{told.failed} of {told.ended} runs failed ({told.share:.0%}, 95% interval {told.low:.0%} to "
            f"{told.high:.0%}). Of {hours(told.hours)} held, {hours(told.failed_hours)} failed, "
            f"{hours(told.killed_hours)} were killed, {hours(told.hung_hours)} hang.")
    if found.groups:
        tables.table(
            [{"class": g.cls, "owner": g.owner, "retry": "yes" if g.retryable else "no", "count": g.count,
              "wasted": hours(g.wasted_hours), "first": g.first_seen, "last": g.last_seen, "line": g.line,
              "pipelines": ", ".join(g.pipelines), "to": page_of(g.runs[0])} for g in found.groups],
            [tables.Column("class", to="to"), "owner", tables.Column("retry", title="retry helps"),
             tables.Column("count", "number"), tables.Column("wasted"),
             tables.Column("first", "ago", title="first seen"), tables.Column("last", "ago", title="last seen"),
             tables.Column("line", title="the line that shows it"), "pipelines"],
            alt="Failures that are the same, most wasted hours first", name="failure-groups", as_of=as_of)
    for flake in found.flaky[:5]:
        text.note(f"Flaky: {flake.pipeline} at commit {flake.git_commit[:8]} failed {len(flake.failed)} and passed "
                  f"{len(flake.passed)} times on the same data.")
    failed = [r for r in found.runs if r.effective in BROKEN]
    if failed:
        with st.expander(f"{len(failed):,d} failed {'run' if len(failed) == 1 else 'runs'} one by one, newest first"):
            tables.table(rows(failed[:200]), [
                tables.Column("state", "status", title=""), tables.Column("run", to="to"), "pipeline",
                tables.Column("began", "time"), "took", tables.Column("class"), tables.Column("why"),
                tables.Column("mlflow", title="MLflow says")],
                alt="Failed runs, newest first", name="failed-runs", as_of=as_of)


def draw_hung(found: queries.Overview) -> None:
    """Draw the runs that hang, dearest first."""
    text.section("Hung runs")
    tables.table(rows(found.hung), [
        tables.Column("state", "status", title=""), tables.Column("run", to="to"), "pipeline",
        tables.Column("how", title="how"), "evidence", tables.Column("step", "number", title="last step"),
        tables.Column("last", "ago", title="last sign"), "held"],
        alt="Runs that hang, most hours held first", name="hung-runs", as_of=as_of)


def draw_list() -> None:
    """Draw one pipeline, or all."""
    names = [name for name, _, _ in queries.pipelines()]
    if not names:
        text.header("Training", as_of=as_of, now=now)
        cards.empty(cards.Nothing.NEVER, "No run was mirrored yet",
                    "run interlock monitor --once; tracking.uri in interlock.toml says where the runs are")
        return
    text.header("Training", as_of=as_of, now=now)
    with pickers.bar():
        chosen = pickers.choice("pipeline", [ALL, *dict.fromkeys(names)], default=ALL)
        window: TimeWindow = pickers.window(now, default="30d", spans=("24h", "7d", "30d", "90d", "365d"))
        back = pickers.compared()
    pipeline = "" if chosen == ALL else chosen
    with cards.guard("the runs"):
        found = queries.overview(pipeline, window)
        hung, broken = len(found.hung), found.rate.failed
        cards.facts([
            cards.Fact("runs", str(len(found.runs)), f"began in {span_text(window.length)}"),
            cards.Fact("failed", str(broken), "crashes that read FINISHED are counted",
                       Verdict.FAIL if broken else Verdict.PASS if found.rate.ended else Verdict.INCONCLUSIVE),
            cards.Fact("hung", str(hung), "suspected dead, stalled or overdue", Verdict.FAIL if hung else Verdict.PASS),
            cards.Fact("wasted", text.number(found.rate.wasted, "%"), "of the hours held: failed, killed, hung"),
        ])
        if found.hung:  # what burns money now stands before what happened
            draw_hung(found)
        past = queries.overview(pipeline, TimeWindow(window.start - back, window.end - back)) if back else None
        for _, draw in sorted([
            (_worst(found.times), lambda: draw_times(found, past, back)),
            (SEVERITY.index(Verdict.FAIL if broken else Verdict.PASS), lambda: draw_failures(found)),
            (_worst(found.objectives), lambda: draw_objectives(found)),
        ], key=lambda part: part[0]):
            draw()
    meanings.explain(SIGNALS["training"])


def _worst(found: Sequence[Measurement]) -> int:
    return min((SEVERITY.index(m.verdict) for m in found), default=SEVERITY.index(Verdict.PASS))


def draw_one(run_id: str) -> None:
    """Draw one run: how it ended and why, then everything it said."""
    found = queries.detail(run_id)
    run = found.run
    text.header(run.name or run.run_id, as_of=run.as_of, now=now, stale_after=timedelta(days=36_500))
    status.show(STATE[run.effective], run.evidence)
    if run.deleted:
        cards.notice("This run was deleted in MLflow; the mirror keeps it.")
    cards.facts([
        cards.Fact("pipeline", run.pipeline, f"{run.kind}{'' if run.attributed else ', unattributed'}"),
        cards.Fact("really", str(run.effective), f"MLflow says {run.status}"),
        cards.Fact("took", span(run.duration_s), f"began {text.when(run.started_at, now=now)}"),
        cards.Fact("held", hours(run.cost_hours(now=now)), run.hardware or run.pool or "no hardware named"),
    ])
    said = (("run", run.run_id), ("experiment", run.experiment), ("commit", run.git_commit[:12]),
            ("attempt", run.attempt), ("retry of", run.retry_of[:8]),
            ("rows", f"{run.data_rows:,}" if run.data_rows else ""),
            ("waited", span(run.queue_wait_s) if run.queue_wait_s is not None else ""), ("last step", run.last_step),
            ("last sign of life", text.when(run.last_activity_at, now=now) if run.ended_at is None else ""))
    text.note(", ".join(f"{name} {value}" for name, value in said if value not in ("", None)))
    if run.failure.known or run.failure.line:
        text.section("Why")
        retry = {True: "a retry may help", False: "a retry will not help", None: ""}[run.failure.retryable]
        text.sentence(f"{run.failure.cls or 'unknown'}: {run.failure.line or run.failure.message}")
        text.note(", ".join(p for p in (f"owner {run.failure.owner}" if run.failure.owner else "", retry,
                                        f"exit code {run.failure.exit_code}" if run.failure.exit_code else "") if p))
        draw_correction(run)
    links.mlflow("Open in MLflow", base(session.settings()), experiment=run.experiment_id, run=run.run_id)
    for path, body in found.texts.items():
        with st.expander(text.escape(path), expanded=path != FAILURE_RECORD):
            st.code(body, language=None, wrap_lines=True)
    text.section("Params, metrics, tags")
    tables.table([{"kind": v.kind, "key": v.key, "value": v.number if v.number is not None else v.text, "step": v.step}
                  for v in found.values], ["kind", "key", "value", tables.Column("step", "number")],
                 alt="What the run logged", name=f"run-{run.run_id[:8]}", as_of=run.as_of)


def draw_correction(run: Run) -> None:
    """Draw the form in which a person says what the failure really is."""
    with st.expander("This is not what happened"):
        cls = st.selectbox("It really is", CLASSES, key="correct:class")
        owner = st.selectbox("Owner", [str(o) for o in Owner if o is not Owner.UNKNOWN], key="correct:owner")
        retry = st.checkbox("A retry helps", key="correct:retry")

        def decided(actor: Actor, reason: str, op_id: str) -> str:
            done = correct(session.services().failures, run.run_id, cls=str(cls), owner=str(owner), retryable=retry,
                           reason=reason, actor=actor, op_id=op_id, now=session.now())
            return f"{done['runs']} runs are {done['class']} now, and so is every one like them from here on"

        decide.panel(f"correct-{run.run_id}-{run.failure.cls}",
                     [decide.Choice("Correct the class", Action.CORRECT_FAILURE, decided)], now=now,
                     environment=run.environment, ask="How you know, kept in the audit log")


as_of, answers, said = queries.mirror()
if not answers:
    cards.notice("MLflow does not answer; what is shown is the mirror, as old as it says.", state=Verdict.ERROR,
                 detail=said)
run_id = state.get("run")
if run_id:
    walk.through("run", queries.siblings(run_id), run_id, what="runs")
    with cards.guard("the run"):
        draw_one(run_id)
else:
    draw_list()
