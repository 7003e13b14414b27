"""May this version go on? Its gates beside the champion, and the test sets against training and live traffic."""

import streamlit as st

from console import session
from console.queries import signals as queries
from console.widgets import cards, decide, links, meanings, pickers, status, tables, text
from services.core.access import Action, Actor
from services.core.measurement import SEVERITY, Verdict
from services.validation.gate import Report

NAMES = ("test_set_skew", "test_set_drift")

now = session.now()
with pickers.bar():
    model = pickers.model()
    reports = queries.reports(model)
    known = queries.versions(model)
    version = pickers.choice("version", known, default=next((r.version for r in reports if r.version in known), ""))
champion = queries.champion(model)
report = next((r for r in reports if r.version == version), None)
text.header("Validation", as_of=queries.as_of("datasets"), now=now)


def ask(actor: Actor, _reason: str, op_id: str) -> str:
    """Enqueue the validation."""
    job = session.services().jobs.enqueue("validate", {"model": model, "version": version}, actor=actor, op_id=op_id,
                                          now=session.now())
    return f"job {job}: the monitor loads and scores v{version} in a process of its own; this page shows the report"


def draw_answer(found: Report) -> None:
    """Draw whether the version may go on, beside whom it was judged, and each gate."""
    status.show(found.verdict, f"{found.answer()}.")
    beside = f"Judged beside champion v{found.champion}" if found.champion else "Judged alone: nothing is served yet"
    text.note(f"{beside}, {text.when(found.at, now=now)}: {found.summary()}.")
    if champion and found.champion != champion:
        cards.notice(f"The champion is v{champion} by now: validate again before anybody signs.", state=Verdict.WARN)


def draw_gates(found: Report) -> None:
    """Draw every gate, failing first."""
    text.section(f"Gates of v{found.version}")
    tables.table(
        [{"status": str(g.verdict), "gate": g.name, "required": "yes" if g.required else "", "reason": g.reason}
         for g in sorted(found.gates, key=lambda gate: SEVERITY.index(gate.verdict))],
        [tables.Column("status", "status"), "gate", "required", "reason"],
        alt="Gates, failing first; unsure means not run", name="gates", as_of=found.at)


with cards.guard("gates"):
    if report is None:
        cards.empty(cards.Nothing.NEVER, f"Version {version or '(none)'} of {model} was never validated: nobody knows "
                    "whether it may go on", f"run interlock validate {model} {version}, or press Validate")
    else:
        draw_answer(report)
    if version:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            decide.quick(f"validate-{model}-{version}", decide.Choice("Validate", Action.RUN_JOB, ask), now=now,
                         model=model, outcome_key="validate", kind="secondary")
            if report is not None and version != champion and report.verdict in (Verdict.PASS, Verdict.WARN):
                links.to("releases", "Propose it for release", icon=":material/arrow_forward:", propose=model,
                         version=version)
        decide.outcome("validate")
    if report is not None:
        draw_gates(report)
    if reports:
        text.section("Every validated version")
        tables.table(
            [{"status": str(r.verdict), "version": f"v{r.version}", "answer": r.answer(), "when": r.at,
              "beside": f"v{r.champion}" if r.champion else "",
              "to": f"/validation?model={model}&version={r.version}"} for r in reports],
            [tables.Column("status", "status"), tables.Column("version", "code", to="to"),
             tables.Column("answer", title="may it go on?"), tables.Column("beside", "code", title="champion"),
             tables.Column("when", "ago", title="validated, ago")],
            alt="The newest validation of each version, newest first", name="validated")

with cards.guard("validations under way"):
    jobs = [job for job in session.services().jobs.recent(kind="validate") if job.args.get("model") == model][:5]
    if jobs:
        tables.table(
            [{"version": j.args.get("version"), "state": j.state, "progress": j.progress, "doing": j.doing,
              "error": j.error, "asked": j.created_at} for j in jobs],
            [tables.Column("version", "code"), "state", tables.Column("progress", "number", unit="%"), "doing", "error",
             tables.Column("asked", "ago", title="asked, ago")],
            alt="Validations that were asked for, newest first", name="validations", export=False)

with cards.guard("test sets"):
    found = queries.newest(model, "", NAMES)
    if found:
        text.section("Test set")
        told = [f"{sum(m.verdict is Verdict.FAIL for m in some)} of {len(some)} columns moved against {words}"
                for name, words in (("test_set_skew", "training"), ("test_set_drift", "live traffic"))
                if (some := [m for m, _ in found if m.name == name])]
        text.sentence(f"{'; '.join(told)}.")
        tables.folded(
            [{"status": str(m.verdict), "against": "training" if m.name == "test_set_skew" else "live traffic",
              "column": m.column, "effect": m.value, "rows": m.n, "reason": m.reason} for m, _ in found],
            [tables.Column("status", "status"), "against", "column", tables.Column("effect", "number"),
             tables.Column("rows", "number"), "reason"],
            alt="The test set against training and against live traffic, worst first", name="test-set")
    else:
        cards.empty(cards.Nothing.NONE, f"No test set of {model} was compared",
                    'name one in [datasets.…] with role = "test" and run interlock monitor --once')

meanings.explain(NAMES)
