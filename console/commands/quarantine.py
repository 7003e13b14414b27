"""`interlock quarantine`: files of a log that cannot be read, and looking at one again."""

from typing import Annotated

import typer

from console.commands.face import AsJson, OpId, face, new_op_id, now, print_items
from services import bootstrap

quarantine = typer.Typer(no_args_is_help=True, help="Log files that cannot be read.")

Log = Annotated[str, typer.Argument(metavar="LOG", help="Such as predictions:flight-delay.")]
Path = Annotated[str, typer.Argument(metavar="PATH", help="The file, as the list names it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(quarantine, name="quarantine")


@quarantine.command(name="list")
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List quarantined files with the reason; the rows of all other files count."""
    items = [{"log": log, "path": file.path, "bytes": file.size, "changed": file.mtime, "reason": file.reason}
             for log, file in face(ctx).services.log_ledger.quarantined()]
    print_items(items, as_json=as_json, as_of=now(), empty="no file is in quarantine")


@quarantine.command()
def release(
    ctx: typer.Context, log: Log, path: Path, *,
    reason: Annotated[str, typer.Option("--reason", help="What changed; kept in the audit log.")], op_id: OpId = "",
) -> None:
    """Look at a file again at the next pass."""
    session = face(ctx)
    done = bootstrap.release_from_quarantine(session.services, log, path, actor=session.actor, reason=reason,
                                             op_id=op_id or new_op_id(), now=now())
    typer.echo(f"{done['path']} of {done['log']} is looked at again by the next pass")
