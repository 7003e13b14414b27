"""How good are the answers, over which labels, and what is estimated where labels are still to come?"""

from console import session
from console.charts import signals as charts
from console.queries import signals as queries
from console.widgets import cards, charting, links, meanings, pickers, status, tables, text

NAMES = ("quality", "estimated_quality", "label_coverage")

now = session.now()
with pickers.bar():
    model, environment = pickers.model(), pickers.environment()
    window = pickers.window(now, default="30d", spans=("7d", "30d", "90d", "365d"))
    cut = pickers.choice("slice", ["all rows", *queries.slices(model, environment)])
    back = pickers.compared()
chosen = "" if cut == "all rows" else cut
found = queries.newest(model, environment, NAMES)
whole = [(m, since) for m, since in found if not m.slice]
text.header("Quality", as_of=queries.as_of("quality"), now=now)
if not found:
    cards.empty(cards.Nothing.NEVER, f"No quality of {model} was measured in {environment}",
                f"name its label log in models.{model}.labels and run interlock monitor --once")
else:
    with status.lines("quality"):
        for m, since in whole:
            status.line(m.verdict, m.name.replace("_", " "), m.reason, since=since, now=now, kind=environment,
                        measure=m.name)
    links.to("model", f"All signals of {text.escape(model)}", icon=":material/arrow_forward:", model=model,
             environment=environment)

with cards.guard("quality over time"):
    scored = queries.scored(model, environment, chosen, window.start, window.end)
    past = queries.scored(model, environment, chosen, window.start - back, window.end - back) if back else None
    newest = {m.name: m for m, _ in found if m.slice == chosen}
    real, guess = newest.get("quality"), newest.get("estimated_quality")
    rows = list(scored.series)
    if guess:
        rows += [{"at": d["day"], "kind": "estimated", "value": d["estimated"], "low": None, "high": None}
                 for d in guess.detail.get("days", []) if d["estimated"] is not None]
    if rows and real:
        error = guess.detail.get("error") if guess else None
        text.section("Realised, and estimated before labels")
        words = (f"the estimate was off by {text.number(error)} on average on days that have both" if error is not None
                 else "how wrong the estimate is, is not known yet")
        sentence = f"{real.unit} by day; {words}; days whose labels are still due are drawn in grey"
        if past:
            sentence += "; dotted: a week before"
        text.sentence(f"{sentence}.")
        charting.draw(charts.quality(rows, real.detail.get("baseline"), str(real.detail.get("against") or ""),
                                     real.unit, charting.palette(), before=queries.quality_then(past, back)),
                      alt=sentence)
    if scored.coverage:
        coverage = newest.get("label_coverage")
        text.section("Labels")
        sentence = coverage.reason if coverage else "Labels by the day of their prediction"
        text.sentence(f"{sentence}.")
        charting.draw(charts.coverage(scored.coverage, charting.palette()), alt=sentence)

with cards.guard("metrics"):
    if real and real.detail.get("metrics"):
        text.section("Metrics of the last mature week")
        before, validation = real.detail.get("before", {}), real.detail.get("validation", {})
        tables.table(
            [{"metric": name, "value": m["value"], "low": m["low"], "high": m["high"],
              "weeks_before": before.get(name, {}).get("value"), "validation": validation.get(name), "labels": m["n"]}
             for name, m in real.detail["metrics"].items()],
            ["metric", *(tables.Column(key, "number", digits=4) for key in
                         ("value", "low", "high", "weeks_before", "validation")), tables.Column("labels", "number")],
            alt="Metrics with their 95% interval, the four weeks before and the validation score", name="metrics")
        if real.detail.get("calibration"):
            text.section("Calibration")
            text.sentence("On the diagonal, a predicted share is the share that happened.")
            charting.draw(charts.calibration(real.detail["calibration"], charting.palette()),
                          alt="Predicted against observed share in ten groups of answers")
    sliced = [(m, since) for m, since in found if m.slice]
    if sliced:
        text.section("Slices, worst first")
        tables.folded(
            [{"status": str(m.verdict), "slice": m.slice, "value": m.value, "labels": m.n, "reason": m.reason}
             for m, _ in sliced],
            [tables.Column("status", "status"), "slice", tables.Column("value", "number", digits=4),
             tables.Column("labels", "number"), "reason"],
            alt="Quality of each slice against its own weeks before", name="quality-slices")

meanings.explain(NAMES)
