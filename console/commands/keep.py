"""`interlock backup`, `restore` and `prune`: keep the ops store, and let go of what is old."""

from pathlib import Path
from typing import Annotated

import typer

from console.commands.face import AsJson, OpId, face, new_op_id, now, print_items, print_json
from console.identity import command_line_actor
from services import bootstrap

File = Annotated[Path, typer.Argument(metavar="FILE")]
Reason = Annotated[str, typer.Option(help="Kept in the audit log.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(backup)
    app.command()(restore)
    app.command()(prune)


def backup(ctx: typer.Context, file: File, *, reason: Reason = "", op_id: OpId = "", as_json: AsJson = False) -> None:
    """Write the ops store into FILE and prove it by its audit chain."""
    session = face(ctx)
    made = bootstrap.back_up(session.services, file, actor=session.actor, reason=reason, op_id=op_id or new_op_id(),
                             now=now())
    signed = "its end is signed" if made.head else "its end is not signed: set INTERLOCK_AUDIT_KEY"
    if as_json:
        print_json({"as_of": made.at, "file": str(file), "schema": made.schema, "rows": dict(made.rows),
                    "signed": bool(made.head)})
        return
    typer.echo(f"{made.total} rows of {len(made.rows)} tables written to {file} and read back; the audit chain of "
               f"{made.rows['audit']} rows holds, {signed}")


def restore(
    ctx: typer.Context, file: File, *, reason: Reason = "", op_id: OpId = "",
    check: Annotated[bool, typer.Option("--check", help="Prove the file only; change nothing.")] = False,
) -> None:
    """Fill an empty ops store from FILE."""
    if check:
        found = bootstrap.check_backup(file)
        typer.echo(f"{file} of {found.at}: {found.total} rows, schema {found.schema}, the audit chain holds")
        return
    session = face(ctx)
    services = bootstrap.build(session.settings)  # the store may be empty: its schema is not asked for
    found = bootstrap.restore(services, file, actor=command_line_actor(services, session.persona, now=now()),
                              reason=reason, op_id=op_id or new_op_id(), now=now())
    typer.echo(f"{found.total} rows of {found.at} restored; the audit chain holds")


def prune(
    ctx: typer.Context, *, reason: Reason = "", op_id: OpId = "", as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
) -> None:
    """Delete what [retention] no longer keeps; the audit log, releases, incidents and reports always stay."""
    session, moment = face(ctx), now()
    pruner, cuts = bootstrap.pruner(session.services, now=moment)
    found = pruner.count(cuts) if dry_run else pruner.prune(
        cuts, actor=session.actor, reason=reason, op_id=op_id or new_op_id(), now=moment)
    items = [{"kind": p.kind, "what": p.what, "count": p.count, "before": p.before, "left_because": p.why}
             for p in found]
    print_items(items, as_json=as_json, as_of=moment, extra={"dry_run": dry_run},
                empty="nothing is kept by age here")
    if not as_json:
        typer.echo("nothing was deleted: --dry-run" if dry_run else "the audit log is never pruned")
