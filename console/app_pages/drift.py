"""What moved, since when, how sure? Every feature over time against its baseline, then one feature close up."""

from datetime import datetime, timedelta

from console import session
from console.charts import heatmap, histograms
from console.charts.model import marks_of
from console.queries import drift as queries
from console.widgets import cards, charting, decide, meanings, pickers, status, tables, text
from services.core.access import Action, Actor
from services.core.measurement import Measurement, Verdict
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.drift.compare import Comparison, percent
from services.drift.explain import Explanation
from services.drift.grid import Grid
from services.drift.measure import Against
from services.errors import NotFound

WORDS = {"training": "training baseline", "previous": "window before", "seasonal": "same hours, four weeks"}
SHOWN = 6  # questions with a line of their own; the table below has them all
SPANS = ("24h", "3d", "7d", "30d", "90d")

now = session.now()


def draw_verdicts(found: queries.Overview) -> None:
    """Draw what is not fine, worst first, each with its sentence."""
    status.counts(m.verdict for m, _ in found.measured)
    loud = [(m, since) for m, since in found.measured if m.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)]
    unsure = [m for m, _ in found.measured if m.verdict is Verdict.INCONCLUSIVE]
    if loud:
        with status.lines("drift"):
            for m, since in loud[:SHOWN]:
                status.line(m.verdict, m.column, m.reason, since=since, now=now, kind=m.name.replace("_", " "),
                            measure=m.name, to="drift", params={
                                "model": m.subject, "environment": m.environment, "feature": m.column,
                                "against": str(m.detail.get("against", "training"))})
        if len(loud) > SHOWN:
            text.note(f"{len(loud) - SHOWN} more are below, under Every question")
    elif unsure:
        text.sentence(f"Nothing is known to have moved; of {len(unsure)} questions nobody can say: {unsure[0].reason}.")
    elif found.measured:
        text.sentence(f"No feature and no prediction moved: {len(found.measured)} questions asked, all fine.")


def draw_grid(found: Grid, changes: list[tuple[datetime, str]]) -> None:
    """Draw the heat map with the sentence that it shows, and what was changed meanwhile."""
    text.section("Every column over time")
    if not found.cells:
        cards.empty(cards.Nothing.NONE, "No rows in this time range", "choose a longer one, or another environment")
        return
    moved = moved_in(found)
    if moved:
        first = moved[0]
        since = found.since(first)
        sentence = (f"{first} moved most, since {text.clock(since, now=now)}" if since else "") + (
            f"; {len(moved) - 1} more moved" if len(moved) > 1 else "")
    else:
        unsure = sum(cell.unsure for cell in found.cells)
        sentence = f"Nothing stands out against the {WORDS[str(found.against)]}" + (
            f"; {percent(unsure / len(found.cells))} of the cells have too few rows to say" if unsure else "")
    text.sentence(f"{sentence}.")
    began, ended = min(cell.bucket.start for cell in found.cells), max(cell.bucket.end for cell in found.cells)
    marks = marks_of([(at, words) for at, words in changes if began <= at <= ended], began, ended)
    charting.draw(heatmap.overview(found, charting.palette(), marks=marks), alt=sentence, height=heatmap.height(found),
                  key="drift-grid")
    if marks:
        text.note("Dashed lines: " + "; ".join(f"{text.clock(m['at'], now=now)} {m['what']}" for m in marks[-4:]) + ".")
    text.note("Shade: size of the change. Red outline: larger than usual beyond chance. Dot: too few rows to say."
              + (f" Below, without outlines: {', '.join(sorted(found.restless))}, which move on many ordinary days too."
                 if found.restless else ""))


def draw_then(found: Grid, then: Grid) -> None:
    """Draw which columns stood out a week before, beside those that do now."""
    now_out, then_out = moved_in(found), moved_in(then)
    parts = [f"{words} {', '.join(some[:SHOWN])}" for words, some in (
        ("new since", [c for c in now_out if c not in then_out]), ("as then", [c for c in now_out if c in then_out]),
        ("no longer", [c for c in then_out if c not in now_out])) if some]
    text.sentence(f"A week before, {len(then_out)} columns stood out, now {len(now_out)}"
                  + (f": {'; '.join(parts)}." if parts else "."))


def moved_in(found: Grid) -> list[str]:
    """Return the columns that stand out in a grid, worst first, without those that move on ordinary days too."""
    return [c for c in found.columns if found.since(c) and c not in found.restless]


def draw_explanation(found: Explanation | None) -> None:
    """Draw which features go with the shift of the predictions."""
    if found is None:
        return
    text.section("What goes with the predictions")
    text.sentence(f"Against the {WORDS[against]}: {found.sentence}.")
    tables.table(
        [{"column": p.column, "explains": p.share, "shift": p.shift} for p in found.parts if p.share >= 0.01][:8],
        ["column", tables.Column("explains", "number", unit="%"),
         tables.Column("shift", "number", title=f"shift of the mean {found.answer}")],
        alt="Features by how much their change moves the predictions", name=f"drift-{model}-explained")
    text.note("By how the score follows each feature alone in training: a ranking of causes to look at, no proof.")


def draw_column(found: Comparison, window: TimeWindow, against: str, *, restless: bool) -> None:
    """Draw one column: sentence, distributions, and every number."""
    e = found.effect
    largest = found.largest
    where = f": {largest.text(f'the {WORDS[against]}')}" if largest else ""
    if e.fires:
        often = ", as it does on many ordinary days" if restless else ""
        verdict, lead = Verdict.WARN if restless else Verdict.FAIL, f"{found.window.name} moved{often}{where}"
    elif e.sure:
        verdict, lead = Verdict.PASS, f"{found.window.name} keeps to its {WORDS[against]}{where}"
    else:
        need = f", {e.needed:,} are needed" if e.needed else ""
        verdict, lead = Verdict.INCONCLUSIVE, f"{e.n:,} rows of {found.window.name} are too few to say{need}"
    status.show(verdict, lead)
    sentence = (f"{text.clock(window.start, now=now)} to {text.clock(window.end, now=now)}: {e.n:,} rows (fill) "
                f"against {e.m:,} of the {WORDS[against]} (outline).")
    text.sentence(sentence)
    charting.draw(histograms.distribution(found, charting.palette(), baseline=WORDS[against]), alt=sentence, height=260,
                  key="drift-column")
    chance = "< 1e-12" if e.p < 1e-12 else f"{e.p:.2g}"
    cards.facts([
        cards.Fact("effect", f"{e.effect:.3f}", f"alarm from {e.critical:.3f}", what="X2 (n+m)/(nm), on the PSI scale"),
        cards.Fact("noise", f"{e.noise:.3f}", "expected when nothing changed",
                   what="What the effect would be on average, were both drawn from the same: bins - 1, by their rows"),
        cards.Fact("usual change", f"{e.psi0:.3f}", "set on the baseline's own days",
                   what="The change that ordinary days of the baseline show; smaller ones raise no alarm"),
        cards.Fact("chance", chance, f"alarm below {e.alpha:g}", what="of such a change, were it no larger than usual"),
        cards.Fact("power", f"{e.power:.0%}", f"to see a change of {e.visible:.2f}",
                   what="Chance that a change of that size raises the alarm, with so many rows"),
    ])
    tables.table([{"distance": name.replace("_", " "), "value": value} for name, value in found.distances().items()],
                 ["distance", tables.Column("value", "number", digits=4)],
                 alt=f"Usual distances of {found.window.name}", name=f"drift-{found.window.name}-distances")


def ask(actor: Actor, _reason: str, op_id: str) -> str:
    """Enqueue a look at all features together."""
    job = session.services().jobs.enqueue("together", {"model": model, "environment": environment}, actor=actor,
                                          op_id=op_id, now=session.now())
    return f"job {job}: the monitor learns in a process of its own, for about a minute; this page shows what it found"


def draw_together(found: list[tuple[Measurement, datetime]]) -> None:
    """Draw what was found about all features at once, and offer to look again."""
    text.section("All features together")
    for m, _ in found:
        status.show(m.verdict, f"{m.reason}. Looked at {text.when(m.at, now=now)}.")
    if not found:
        text.sentence("Columns that each keep to their baseline can still change together: whether they did was not "
                      "looked at yet.")
    job = queries.asked_together(model, environment)
    if job and job.state in ("queued", "running"):
        cards.working("Looking at all features together", doing=job.doing, progress=job.progress, asked=job.created_at,
                      now=now)
    elif job and job.error:
        cards.failed("The last look at all features together", job.error)
    decide.quick(f"together-{model}-{environment}", decide.Choice("Look at all features together", Action.RUN_JOB, ask),
                 now=now, model=model, outcome_key="together", kind="secondary")
    decide.outcome("together")
    text.note("How well last week's rows are told from those of the four weeks before: .5 when nobody can, 1 when "
              "anybody could.")


def rows_of(measured: list[tuple[Measurement, datetime]]) -> list[dict[str, object]]:
    """Return the table's rows."""
    return [{"status": str(m.verdict), "column": m.column, "measurement": m.name, "effect": m.value,
             "alarm from": m.detail.get("critical", m.detail.get("allowed")), "rows": m.n, "since": since,
             "reason": m.reason} for m, since in measured]


bar = pickers.bar()
with bar:
    model = pickers.model()
    environment = pickers.environment()
    window = pickers.window(now, default="30d", spans=SPANS)
    against = pickers.choice("against", list(WORDS), label="Compared with", format_func=WORDS.__getitem__)
try:
    found = queries.overview(model, environment)
except NotFound as error:
    text.header("Drift", as_of=None, now=now)
    cards.empty(cards.Nothing.NEVER, f"{model} cannot be compared yet", str(error))
    session.leave()
text.header("Drift", as_of=found.as_of, now=now)
with bar:
    slice_ = pickers.choice("slice", ["", *found.slices[:100]], label="Slice",
                            format_func=lambda s: s or "all rows") if found.slices else ""
    back = pickers.compared()
with cards.guard("verdicts"):
    draw_verdicts(found)
whole = TimeWindow(floor_to(window.start, HOUR), floor_to(window.end, HOUR))
columns: list[str] = []
with cards.guard("overview"):
    seen = queries.cells(model, environment, slice_, against, whole.start, whole.end)
    columns = list(seen.columns)
    draw_grid(seen, queries.changes(model, environment, whole.start, whole.end))
    if back:
        draw_then(seen, queries.cells(model, environment, slice_, against, whole.start - back, whole.end - back))
longest = timedelta(days=7) if against == Against.TRAINING else DAY
close = TimeWindow(whole.end - min(whole.length, longest), whole.end)
if columns:
    with cards.guard("all features together"):
        draw_together(found.together)
    with cards.guard("explanation"):
        draw_explanation(queries.explanation(model, environment, slice_, against, close.start, close.end))
    text.section("One column")
    feature = pickers.choice("feature", columns, label="Column")
    with cards.guard(feature):
        draw_column(queries.column(model, environment, slice_, against, feature, close.start, close.end), close,
                    against, restless=feature in seen.restless)
if found.measured:
    text.section("Every question")
    tables.folded(rows_of(found.measured), [
        tables.Column("status", "status", title="verdict"), "column", "measurement", tables.Column("effect", "number"),
        tables.Column("alarm from", "number"), tables.Column("rows", "number"), tables.Column("since", "ago"), "reason",
    ], alt=f"Skew and drift of {model} v{found.version} in {environment}", name=f"drift-{model}", as_of=found.as_of)

meanings.explain([*queries.NAMES, "multivariate_drift"])
