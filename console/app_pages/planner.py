"""Does everything fit, what would a change do, and what does the next pipeline need?"""

from datetime import datetime

import streamlit as st

from console import session
from console.charts import plan as charts
from console.queries import planner as queries
from console.widgets import cards, charting, meanings, pickers, status, tables, text
from services.core.measurement import Verdict
from services.core.window import HOUR, floor_to
from services.errors import OpsError, Refused
from services.quota.estimate import KINDS, Wanted, doubled, estimate
from services.quota.fit import Fit, Load, sentence
from services.quota.hardware import money, spent, taken
from services.quota.meanings import PLANNER
from services.quota.serving import replicas
from services.quota.what_if import Change, what_if

now = session.now()
hour = floor_to(now, HOUR)
names = queries.pools()
text.header("Planner", as_of=hour, now=now, stale_after=2 * HOUR)
if not names:
    cards.empty(cards.Nothing.NONE, "No pool of capacity is declared in interlock.toml",
                "add [[pools]] with name, resource and limit")
    session.leave()
with pickers.bar():
    name = pickers.choice("pool", names)
pool, limit, needs, fit = queries.found(name, hour)
unit = pool.unit



def clock(moment: datetime) -> str:
    """Return a time as the viewer's clock shows it."""
    return text.clock(moment, now=now)


def room(what: str, found: Fit, note: str) -> cards.Fact:
    """Return what is free in the fullest hour, or how much is short there."""
    return cards.Fact(what, free(found), note, Verdict.PASS if found.fits else Verdict.FAIL)


def free(found: Fit) -> str:
    """Return the same in words."""
    left = round(found.headroom, 2)
    return f"{text.number(abs(left), unit)} {'short' if left < 0 else 'free'}"


text.section("Do all pipelines fit?")
if needs:
    words = sentence(fit, clock=clock)
    status.show(Verdict.PASS if fit.fits else Verdict.FAIL, words)
    facts = [room("the fullest hour", fit, f"of {text.number(limit, unit)}"),
             cards.Fact("hours that do not fit", str(fit.broken_hours), f"of the next {len(fit.hours)}"),
             cards.Fact("everything at once", text.number(round(fit.worst_case, 2), unit), "the worst case"),
             cards.Fact("kept for experiments", text.number(round(fit.experiments, 2), unit),
                        "as measured" if not fit.experiments else "20% of the limit until they are measured")]
    if fit.broken:
        facts.insert(0, cards.Fact("breaks first", text.clock(fit.broken.at, now=now),
                                   f"move {fit.broken.move} to {fit.broken.to}" if fit.broken.move
                                   else "no single move mends it: raise the limit"))
    cards.facts(facts)
    charting.draw(charts.demand(fit, charting.palette()), alt=words, height=200)
    text.note("Demand by hour for 14 days: measured P95 per hour of the week, and scheduled runs.")
    with st.expander(f"What the {len(needs)} pipelines need", expanded=not fit.fits):
        tables.table(
            [{"pipeline": x.pipeline, "kind": x.kind, "peak": x.peak, "schedule": x.schedule or "always",
              "length": taken(x.length / HOUR) if x.schedule else "", "known": x.source}
             for x in sorted(needs, key=lambda x: -x.peak)],
            ["pipeline", "kind", tables.Column("peak", "number", unit=unit), tables.Column("schedule", "code"),
             tables.Column("length", title="a run takes"), tables.Column("known", title="known by")],
            alt=f"What every pipeline needs of {name}, most first", name=f"loads-{name}", as_of=hour)
else:
    cards.empty(cards.Nothing.NONE, f"No pipeline uses or declares {name}",
                "add [[pipelines]] with pool, schedule and request, or let the monitor sample it")

changing, serving, starting, hardware = st.tabs(["What if?", "Serving", "A new pipeline", "Hardware"])

with changing:
    with st.form("what-if", border=False):
        left, right = st.columns(2)
        grow = left.number_input("Requests grow by the factor", 0.0, 100.0, 1.0, 0.1)
        lose = right.number_input(f"Lose, {text.escape(unit)}", 0.0, 1e6, 0.0, 1.0)
        faster = left.number_input("New hardware is faster by the factor", 0.1, 100.0, 1.0, 0.1)
        extra = right.number_input(f"Add a pipeline that needs, {text.escape(unit)}", 0.0, 1e6, 0.0, 1.0)
        schedule = left.text_input("Its schedule (five fields, UTC; empty is always)", "0 2 * * *", max_chars=60)
        length = right.number_input("For how many hours a run", 0.1, 168.0, 2.0, 0.5)
        asked = st.form_submit_button("Compare")
    if asked:
        try:
            new = (Load(pipeline="new pipeline", kind="training", peak=extra, schedule=schedule.strip(),
                        length=length * HOUR),) if extra else ()
            answer = what_if(pool, needs, Change(add=new, grow=(("serving", grow),), faster=faster, lose=lose),
                             limit=limit, now=hour)
            cards.facts([room(what, found, "in the fullest hour")
                         for what, found in (("before", answer.before), ("after", answer.after))])
            words = sentence(answer.after, clock=clock)
            text.sentence(words)
            charting.draw(charts.demand(answer.after, charting.palette(), before=answer.before), alt=words, height=200,
                          key="what-if-chart")
        except OpsError as error:
            cards.failed("That change cannot be tried", error)

with serving:
    known = {m: measured for m in session.settings().models if (measured := queries.served(m, hour))}
    chosen = pickers.choice("model", ["none yet", *known], label="Measured from", default=next(iter(known), "none yet"))
    measured = known.get(chosen)
    qps_known = measured.peak.qps if measured and measured.peak else 50.0
    service_known = (measured.p50_ms or 40.0) if measured else 40.0
    if measured:
        minute = "" if measured.per_minute is None else f", {measured.per_minute / 60:.2g} in its busiest minute"
        text.note(f"{chosen} in production over 7 days: {measured.qps:.2g} requests a second in its busiest hour"
                  f"{minute}; P50 {text.number(measured.p50_ms, 'ms')}, P95 {text.number(measured.p95_ms, 'ms')}. "
                  f"{measured.peak.said if measured.peak else ''}")
    with st.form("serving", border=False):
        left, right = st.columns(2)
        qps = left.number_input("Requests per second in the busiest second", 0.0, 1e6, max(0.01, round(qps_known, 2)),
                                1.0, key=f"qps:{chosen}")
        service = right.number_input("Service time, ms", 0.01, 1e6, max(0.01, round(service_known, 2)), 1.0,
                                     key=f"service:{chosen}")
        together = left.number_input("Requests that one replica works on at once", 1, 10_000, 1)
        target = right.number_input("Latency target, ms (0 is none)", 0.0, 1e6, 250.0, 10.0)
        per = left.number_input(f"A replica takes, {text.escape(unit)}", 0.0, 1e6, 1.0, 0.25)
        spare = right.number_input("Spare replicas", 0, 1000, 1)
        asked = st.form_submit_button("Calculate")
    if asked:
        try:
            need = replicas(qps, service, concurrency=int(together), spare=int(spare), units_per_replica=per,
                            target_ms=target or None)
            cards.facts([
                cards.Fact("replicas", str(need.replicas), f"{need.busy} busy, {need.replicas - need.busy} spare"),
                cards.Fact("of the pool", text.number(need.units, unit), f"{free(fit)} in the fullest hour"),
                cards.Fact("mean latency", text.number(need.latency_ms, "ms"), f"{need.wait_ms:.1f} ms of it waiting",
                           None if need.meets_target is None else Verdict.PASS if need.meets_target else Verdict.FAIL,
                           what="Service time plus the mean wait by Kingman and Sakasegawa, for Poisson arrivals."),
                cards.Fact("busy", f"{100 * need.utilisation:.0f}%", "of the time, without the spare"),
            ])
        except Refused as error:
            cards.failed("That cannot be calculated", error)

with starting:
    runs, lost = queries.past(pool.resource, hour)
    with st.form("estimate", border=False):
        left, right = st.columns(2)
        kind = left.selectbox("Kind", KINDS)
        rows = right.number_input("Rows (0 is unknown)", 0.0, 1e13, 0.0)
        pipeline = left.text_input("Its name, when prototypes ran already", "", max_chars=200)
        devices = right.number_input(f"It runs on, {text.escape(unit)} (0 lets similar runs decide)", 0.0, 1e6, 0.0)
        epochs = left.number_input("Epochs (0 is unknown)", 0.0, 1e6, 0.0)
        params = right.number_input("Parameters of the model (0 is unknown)", 0.0, 1e13, 0.0)
        # What no run has would tell none of them apart: only their own words can be chosen.
        model_type = left.selectbox("Model type", queries.said(runs, "model_type"), index=None, placeholder="not known")
        framework = right.selectbox("Framework", queries.said(runs, "framework"), index=None, placeholder="not known")
        ran_on = left.selectbox("Hardware", queries.said(runs, "hardware"), index=None, placeholder="not known")
        asked = st.form_submit_button("Estimate")
    if asked:
        wanted = Wanted(kind=str(kind), rows=rows or None, pipeline=pipeline.strip(), devices=devices or None,
                        epochs=epochs or None, params=params or None, model_type=model_type or "",
                        framework=framework or "", hardware=ran_on or "")
        guess = estimate(wanted, runs, wasted_share=lost)
        if guess.why_not:
            cards.empty(cards.Nothing.NONE, guess.why_not[0].upper() + guess.why_not[1:],
                        "run a prototype three times, and ask again")
        else:
            hours, units = doubled(guess)
            cards.facts([
                cards.Fact("a run takes", taken(guess.hours_p50), f"P90 {taken(guess.hours_p90)}"),
                cards.Fact("costs", spent(guess.unit_hours_p50, pool.unit_hours),
                           f"P90 {spent(guess.unit_hours_p90, pool.unit_hours)}"),
                cards.Fact("request", text.number(guess.request, unit), "P95 of similar runs, and 15%"),
                cards.Fact("plan", spent(guess.with_overhead, pool.unit_hours),
                           f"with {100 * lost:.0f}% lost to failed runs, and 20% for experiments"),
                cards.Fact("on twice as many", taken(hours), spent(units, pool.unit_hours)),
            ])
        tables.table(
            [{"run": n.run.run_id[:12], "pipeline": n.run.pipeline, "took": taken(n.run.hours), "held": n.run.held,
              "with": " · ".join(x for x in (n.run.model_type, n.run.framework, n.run.hardware) if x),
              "rows": n.run.rows, "scaled": taken(n.scaled_hours), "distance": n.distance} for n in guess.neighbours],
            [tables.Column("run", "code"), "pipeline", "with", "took", tables.Column("held", "number", unit=unit),
             tables.Column("rows", "number"), tables.Column("scaled", title="at the new size"),
             tables.Column("distance", "number", "unlikeness")],
            alt="The similar runs that the estimate rests on, nearest first", name="neighbours", as_of=hour)

with hardware:
    ran = queries.advisable(pool.resource, hour)
    if ran:
        advice = queries.advice(pickers.choice("pipeline", ran, width=320), pool.resource, hour)
        tables.table(
            [{"question": question, "answer": answer} for question, answer in (
                ("Cheaper to train?", advice.cheaper), ("Faster on another?", advice.faster),
                ("How big is the model?", advice.size), ("What suits its training?", advice.trains_on),
                ("What suits its serving?", advice.serves_on))],
            ["question", "answer"], alt="The advisor's answers for this pipeline", name="advice", export=False)
        tables.table(
            [{"hardware": o.hardware, "hours": taken(o.hours), "cost": "no price" if o.cost is None else money(o.cost),
              "known": o.source, "fits": "yes" if o.feasible else "too little memory"} for o in advice.options],
            ["hardware", tables.Column("hours", title="a run takes"), tables.Column("cost", title="a run costs"),
             "fits", tables.Column("known", title="known by")],
            alt="Hardware for this pipeline, cheapest first", name="hardware", as_of=hour)
    else:
        cards.empty(cards.Nothing.NONE, f"No finished run held any {unit} in the last 90 days",
                    "advice rests on a pipeline's own runs: tag them with ops.req.* and ops.hw.*")

meanings.explain((), also=PLANNER)
