"""`interlock schema`: what a model version expects of its columns and of a day's rows; changed by people, audited."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, Face, OpId, face, new_op_id, now, print_items, print_json
from services.checks.edit import KINDS, Edit
from services.checks.schema import ColumnSchema, Schema
from services.checks.words import expected, of_a_day
from services.core.window import parse_span
from services.errors import NotFound, Refused

schema = typer.Typer(no_args_is_help=True, help="What data checks expect: one schema per model version.")

Model = Annotated[str, typer.Argument(help="A model of the settings.")]
Version = Annotated[str, typer.Argument(help="The version whose schema it is.")]
_YES = {"yes": True, "no": False, "": None}


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(schema, name="schema")


@schema.command()
def show(ctx: typer.Context, model: Model, version: Version, *, as_json: AsJson = False) -> None:
    """Show the newest revision: what each column and what a day should hold."""
    session = face(ctx)
    found = _latest(session, model, version)
    hidden = session.settings.models[model].sensitive if model in session.settings.models else []
    items = [_item(column, hidden=column.name in hidden) for column in found.columns.values()]
    rows = {"rows_least": found.rows_least, "rows_most": found.rows_most, "fresh_s": found.fresh_s}
    print_items(items, as_json=as_json, as_of=None, columns=("column", "kind", "expects", "missing", "judged"),
                extra={"model": model, "version": version, "revision": found.revision, **rows})
    if not as_json:
        typer.echo(f"revision {found.revision}; a day should hold {of_a_day(found)}")


@schema.command()
def history(ctx: typer.Context, model: Model, version: Version, *, as_json: AsJson = False) -> None:
    """List every revision, newest first: who changed what, when and why."""
    session = face(ctx)
    _latest(session, model, version)
    print_items(session.services.schemas.history(model, version), as_json=as_json, as_of=None,
                columns=("revision", "at", "by", "changed", "reason"))


@schema.command()
def edit(
    ctx: typer.Context, model: Model, version: Version,
    column: Annotated[str, typer.Argument(help="The column; leave it out to change what a day should hold.")] = "", *,
    kind: Annotated[str, typer.Option("--type", help=f"One of {', '.join(KINDS)}.")] = "",
    low: Annotated[float | None, typer.Option(help="Least number expected.")] = None,
    high: Annotated[float | None, typer.Option(help="Greatest number expected.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="A value expected; repeat it for every one.")] = None,
    anything: Annotated[str, typer.Option("--any", help="yes: any value is expected; no: those named are.")] = "",
    missing: Annotated[float | None, typer.Option(help="Usual share of rows without a value, 0 to 1.")] = None,
    judged: Annotated[str, typer.Option(help="yes or no: whether the column is checked at all.")] = "",
    rows_least: Annotated[int | None, typer.Option(help="Least rows a day; 0: as usual.")] = None,
    rows_most: Annotated[int | None, typer.Option(help="Most rows a day; 0: as usual.")] = None,
    fresh: Annotated[str, typer.Option(help="How old the newest row may be, such as 2h; 0s: as usual.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")],
    op_id: OpId = "", as_json: AsJson = False,
) -> None:
    """Change what is expected; the next pass of the monitor judges by it."""
    session = face(ctx)
    wanted = Edit(
        column=column, kind=kind or None, low=low, high=high, missing=missing, rows_least=rows_least,
        categories=tuple(category) if category else None, open=_yes("--any", anything), rows_most=rows_most,
        enabled=_yes("--judged", judged), fresh_s=_seconds(fresh))
    done = session.services.schemas.edit(model, version, wanted, actor=session.actor, reason=reason,
                                         op_id=op_id or new_op_id(), now=now())
    if as_json:
        print_json(done)
        return
    typer.echo(f"{model} v{version}: schema revision {done['revision']}; {done['changed']}")


def _latest(session: Face, model: str, version: str) -> Schema:
    found = session.services.schemas.latest(model, version)
    if found is None:
        raise NotFound(f"{model} v{version} has no schema: it is proposed from its baseline by "
                       "interlock monitor --once")
    return found


def _item(column: ColumnSchema, *, hidden: bool) -> dict[str, Any]:
    value = {name: field for name, field in asdict(column).items() if name not in ("name", "enabled")}
    if hidden:
        value |= {"low": None, "high": None, "categories": [], "accepted": []}
    return {"column": column.name, **value, "judged": "yes" if column.enabled else "no",
            "expects": "hidden: the column is sensitive" if hidden else expected(column)}


def _yes(option: str, given: str) -> bool | None:
    if given not in _YES:
        raise Refused(f"{option} {given}: write yes or no")
    return _YES[given]


def _seconds(written: str) -> float | None:
    if not written:
        return None
    if written in ("0", "0s"):
        return 0.0
    try:
        return parse_span(written).total_seconds()
    except ValueError as error:
        raise Refused(f"--fresh: {error}, or 0s for what is usual") from None
