"""`interlock gateway`: serve models on this machine."""

from typing import Annotated

import typer

from console.commands.face import face
from services import bootstrap


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(gateway)


def gateway(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; else as set, loopback.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port; 0 takes a free one; else as set.")] = None,
) -> None:
    """Split traffic between model versions, log every prediction, obey releases."""
    bootstrap.announce(face(ctx).settings, pipeline="interlock-gateway", kind="serving")
    bootstrap.run_gateway(face(ctx).settings, host=host, port=port, told=lambda url: typer.echo(f"gateway on {url}"))
