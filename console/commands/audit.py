"""`interlock audit`: who decided what, when, on which evidence; and whether the record still holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, face, now, print_items, print_json
from services import bootstrap
from services.core.audit_chain import Head, Recorded, read_head
from services.core.window import TimeWindow, parse_span
from services.errors import SourceUnavailable

audit = typer.Typer(no_args_is_help=True, help="The audit log.")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(audit, name="audit")


@audit.command()
def show(
    ctx: typer.Context,
    *,
    window: Annotated[str, typer.Option(help="How far back: 24h, 30d.")] = "30d",
    subject: Annotated[str, typer.Option(help="Such as release:r-0001.")] = "",
    actor: Annotated[str, typer.Option(help="Such as demo:author.")] = "",
    people: Annotated[bool, typer.Option("--people", help="Leave out what the system did by itself.")] = False,
    limit: int = 200,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first."""
    moment = now()
    rows = face(ctx).services.audit.newest(
        window=TimeWindow.last(parse_span(window), now=moment), subject=subject, actor=actor, people_only=people,
        limit=limit)
    print_items([row_json(row) for row in rows], as_json=as_json, as_of=moment,
                columns=("seq", "at", "who", "action", "subject", "reason"), empty="nothing was decided in that time")


@audit.command()
def verify(
    ctx: typer.Context, *,
    anchor: Annotated[str, typer.Option(help="A head exported before: shows a cut-off tail too.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check the whole chain; exit 0 when it holds, 1 when it does not."""
    services = face(ctx).services
    head = _read_anchor(anchor) if anchor else None
    faults = services.audit.verify(anchor=head)
    rows = services.audit.count()
    items = [{"seq": fault.seq, "what": fault.what} for fault in faults]
    against = f", up to the anchor of {head.at:%Y-%m-%d %H:%M} UTC at row {head.seq}" if head else ""
    said = f"{rows} rows, the chain holds{against}" if not faults else f"{rows} rows, {len(faults)} faults"
    if as_json:
        print_json({"as_of": now(), "verdict": "fail" if faults else "pass", "rows": rows, "reason": said,
                    "items": items})
    else:
        typer.echo(said)
        for item in items:
            typer.echo(f"  {item['what']}")
        if not head:
            typer.echo("without --anchor a cut-off tail or a chain written anew cannot be seen")
    raise typer.Exit(1 if faults else 0)


@audit.command()
def export(
    ctx: typer.Context, *,
    to: Annotated[Path | None, typer.Option(help="File for all rows, one JSON document a line.")] = None,
    head: Annotated[Path | None, typer.Option(help="File for the signed head: keep it elsewhere.")] = None,
) -> None:
    """Write the chain, and its head signed with INTERLOCK_AUDIT_KEY, to files; with neither, the head to the screen."""
    table = face(ctx).services.audit
    moment = now()
    try:
        if to is not None:
            with to.open("w", encoding="utf-8") as out:
                for row in table.all():
                    out.write(json.dumps(row_json(row), ensure_ascii=False, default=str) + "\n")
            typer.echo(f"{table.count()} rows written to {to}", err=True)
        if head is None and to is not None:
            return
        signed = table.head(now=moment, key=bootstrap.audit_key())
        if head is None:
            print_json(signed.to_json())
        else:
            head.write_text(json.dumps(signed.to_json()) + "\n", encoding="utf-8")
            typer.echo(f"head of {signed.seq} rows written to {head}", err=True)
    except OSError as error:
        raise SourceUnavailable(f"{to or head} cannot be written: {error.strerror}") from error


def row_json(row: Recorded) -> dict[str, Any]:
    """Return a row as plain values."""
    return {"seq": row.seq, "at": row.at, "who": row.label, "actor": row.actor, "method": row.method,
            "action": row.action, "subject": row.subject, "reason": row.reason, "evidence": row.evidence,
            "detail": dict(row.detail), "previous": row.previous, "hash": row.hash}


def _read_anchor(path: str) -> Head:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceUnavailable(f"anchor {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SourceUnavailable(f"anchor {path} is not JSON: {error}") from error
    return read_head(value, key=bootstrap.audit_key())
