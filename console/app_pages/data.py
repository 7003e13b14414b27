"""Are the values what the model expects? Checks of serving data and of data sets, failing rows, accept this value."""

from console import session, state
from console.queries import signals as queries
from console.widgets import cards, decide, meanings, pickers, schema_desk, status, tables, text
from services.core.access import Action, Actor
from services.core.measurement import Verdict

NAMES = ("schema", "missing_rate", "wrong_type_rate", "unseen_rate", "out_of_range_rate", "duplicate_keys", "volume",
         "quarantined_files")
ACCEPTABLE = ("unseen_rate", "out_of_range_rate")
SAMPLED = (*ACCEPTABLE, "missing_rate", "wrong_type_rate", "duplicate_keys")

now = session.now()
with pickers.bar():
    model, environment = pickers.model(), pickers.environment()
found = queries.newest(model, environment, NAMES)
text.header("Data", as_of=queries.as_of("checks"), now=now)
if not found:
    cards.empty(cards.Nothing.NEVER, f"No check of {model} was made in {environment}",
                "run interlock monitor --once; a version without a baseline has no schema to be checked by")
else:
    status.counts(m.verdict for m, _ in found)
    loud = [(m, since) for m, since in found if m.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)]
    if loud:
        with status.lines("data"):
            for m, since in loud[:12]:
                status.line(m.verdict, m.column or m.name.replace("_", " "), m.reason, since=since, now=now,
                            kind=m.name.replace("_", " "), measure=m.name, to="data",
                            params={"model": model, "environment": environment, "check": m.name, "feature": m.column})
    else:
        text.sentence("No check of what the model was asked fails in the last closed day; data sets stand below.")

check, feature = state.get("check", ""), state.get("feature", "")
picked = next((m for m, _ in found if (m.name, m.column) == (check, feature) and check in SAMPLED), None)
if picked is not None:
    with cards.guard("failing rows"):
        kept = queries.sample(model, environment, check, feature)
        text.section(f"{check.replace('_', ' ')} of {feature or 'the requests'}")
        text.sentence(f"{picked.reason}.")
        if kept["values"]:
            tables.table(kept["values"], ["value", tables.Column("rows", "number")],
                         alt="Values that should not be there, most frequent first" if feature else
                         "Request ids that were answered more than once", name="offending-values")
        if kept["rows"]:
            tables.table(kept["rows"], list(kept["rows"][0]), alt="A few of the failing rows", name="failing-rows")
        if not kept["values"]:
            text.note("No values are kept: the check never failed, or the column is named sensitive.")
        if check in ACCEPTABLE and kept["values"]:
            judged_by = picked.version
            value = pickers.choice("value", [str(v["value"]) for v in kept["values"]], label="Value to accept")

            def accept(actor: Actor, reason: str, op_id: str) -> str:
                """Expect the value from now on."""
                done = session.services().schemas.accept(model, judged_by, feature, value, actor=actor,
                                                         reason=reason, op_id=op_id, now=session.now())
                return f"{feature} expects {value} from now on: schema revision {done['revision']}"

            decide.panel(f"accept-{model}-{picked.version}-{feature}-{value}",
                         [decide.Choice("Accept this value", Action.ACCEPT_VALUE, accept, primary=True)], model=model,
                         now=now)

with cards.guard("checks"):
    if found:
        text.section("Every check")
        tables.folded(
            [{"status": str(m.verdict), "check": m.name.replace("_", " "), "column": m.column, "share": m.value
              if m.unit == "share" else None, "rows": m.n, "reason": m.reason} for m, _ in found],
            [tables.Column("status", "status"), "check", "column", tables.Column("share", "number", unit="%"),
             tables.Column("rows", "number"), "reason"],
            alt="Every check of the last closed day, worst first", name="checks", as_of=queries.as_of("checks"))
    version = next((m.version for m, _ in found if m.version), "")
    schema = queries.schema(model, version) if version else None
    if schema:
        schema_desk.draw(schema, now=now)

with cards.guard("data sets"):
    sets = queries.datasets(model)
    if sets:
        text.section("Data sets")
        tables.folded(
            [{"status": str(m.verdict), "data_set": m.subject, "check": m.name.replace("_", " "), "column": m.column,
              "reason": m.reason} for m, _ in sets],
            [tables.Column("status", "status"), "data_set", "check", "column", "reason"],
            alt="Newest parts of the data sets, worst first", name="datasets", as_of=queries.as_of("datasets"))

with cards.guard("inputs of runs"):
    inputs = queries.inputs(model)
    if inputs:
        text.section("What trainings read")
        text.note("As logged by mlflow.log_input. What the monitor can open of the newest version is measured above, "
                  "against the training of the version that serves.")
        tables.table(inputs, ["version", "data_set", tables.Column("digest", "code"), tables.Column("rows", "number"),
                              "context", "source", tables.Column("as_for", title="same data as for"), "measured"],
                     alt="Data sets that runs logged as their inputs, newest version first", name="inputs",
                     as_of=queries.as_of("mirror"))

meanings.explain(NAMES)
