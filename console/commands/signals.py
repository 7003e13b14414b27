"""`interlock checks`, `quality`, `validate` and `accept-value`: the signals of one model, for people and for CI."""

from typing import Annotated, Any

import typer

from console.commands.face import EXIT, AsJson, OpId, face, new_op_id, now, print_items, print_json
from services.bootstrap import build_validator
from services.core.measurement import SEVERITY, Measurement, worst
from services.errors import NotFound

Model = Annotated[str, typer.Argument(help="A model of the settings.")]
Environment = Annotated[str, typer.Option("--environment", help="One environment; else all that were measured.")]

CHECKS = ("schema", "missing_rate", "wrong_type_rate", "unseen_rate", "out_of_range_rate", "duplicate_keys", "volume",
          "freshness", "quarantined_files")
QUALITY = ("quality", "estimated_quality", "label_coverage")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(checks)
    app.command()(quality)
    app.command()(validate)
    app.command("accept-value")(accept_value)


def checks(ctx: typer.Context, model: Model, *, environment: Environment = "", as_json: AsJson = False) -> None:
    """Say which data checks fail, worst first. Exits 1 when one fails, 3 when none does and one is unsure."""
    found = _newest(ctx, model, CHECKS, environment)
    _print(found, model, as_json=as_json, columns=("verdict", "check", "column", "environment", "value", "reason"))


def quality(ctx: typer.Context, model: Model, *, environment: Environment = "", as_json: AsJson = False) -> None:
    """Say how good the model is, over which labels, and how many are missing. Exits 1 when worse, 3 when unsure."""
    found = _newest(ctx, model, QUALITY, environment)
    # A slice too small to judge does not make the whole unsure: the verdict is that of the model.
    _print(found, model, as_json=as_json, columns=("verdict", "check", "slice", "environment", "value", "reason"))


def validate(ctx: typer.Context, model: Model, version: Annotated[str, typer.Argument(help="A registered version.")],
             *, as_json: AsJson = False) -> None:
    """Load and score a version beside the champion and judge its gates. Exits 1 when one fails, 3 when one did not run.

    Made for a CI job: it needs the settings file, the registry and the test set, and no running monitor.
    """
    services = face(ctx).services
    report = build_validator(services).validate(model, version, now=now())
    gates = [{"verdict": "not run" if gate.verdict == "inconclusive" else str(gate.verdict), "gate": gate.name,
              "required": gate.required, "value": gate.value, "threshold": gate.threshold, "reason": gate.reason}
             for gate in report.gates]
    print_items(gates, as_json=as_json, as_of=report.at, columns=("verdict", "gate", "reason"),
                extra={"model": model, "version": version, "champion": report.champion, "artefact": report.artefact,
                       "verdict": str(report.verdict), "summary": report.summary()})
    raise typer.Exit(EXIT[report.verdict])


def accept_value(
    ctx: typer.Context, model: Model, version: Annotated[str, typer.Argument(help="The version whose schema changes.")],
    column: Annotated[str, typer.Argument(help="The column.")],
    value: Annotated[str, typer.Argument(help="A category to expect from now on, or a number to widen the range to.")],
    *, reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")], op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Expect a value from now on: it no longer counts as unseen or out of range."""
    session = face(ctx)
    done = session.services.schemas.accept(model, version, column, value, actor=session.actor, reason=reason,
                                           op_id=op_id or new_op_id(), now=now())
    if as_json:
        print_json(done)
        return
    typer.echo(f"{model} v{version} expects {value!r} in {column}: schema revision {done['revision']}")


def _newest(ctx: typer.Context, model: str, names: tuple[str, ...], environment: str) -> list[Measurement]:
    session = face(ctx)
    if model not in session.settings.models:
        known = ", ".join(session.settings.models) or "none"
        raise NotFound(f"{model} is not a model of the settings: they have {known}")
    newest = session.services.measurements.newest(subject=model, environment=environment or None)
    found = [m for m, _ in newest if m.name in names]
    return sorted(found, key=lambda m: (SEVERITY.index(m.verdict), names.index(m.name), m.slice, m.column))


def _print(found: list[Measurement], model: str, *, as_json: bool, columns: tuple[str, ...]) -> None:
    verdict = worst(m.verdict for m in found if not m.slice)
    items: list[dict[str, Any]] = [
        {"verdict": str(m.verdict), "why": str(m.why), "check": m.name, "column": m.column, "slice": m.slice,
         "environment": m.environment, "version": m.version, "value": m.value, "unit": m.unit, "rows": m.n,
         "reason": m.reason, "window": {"start": m.window.start, "end": m.window.end}, "detail": dict(m.detail)}
        for m in found
    ]
    print_items(items, as_json=as_json, as_of=max((m.at for m in found), default=None), columns=columns,
                empty=f"nothing was measured of {model} yet: run interlock monitor --once",
                extra={"model": model, "verdict": str(verdict)})
    raise typer.Exit(EXIT[verdict])
