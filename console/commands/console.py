"""`interlock console`: the web pages."""

import os
from typing import Annotated

import typer

from console.commands.face import face
from services import bootstrap
from services.core.web import is_loopback
from services.settings import find

Port = Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="Else console.port of the settings.")]
Host = Annotated[str | None, typer.Option("--host", help="Else console.host of the settings.")]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(name="console")(console)


def console(ctx: typer.Context, *, port: Port = None, host: Host = None) -> None:
    """Serve the web pages until stopped."""
    session = face(ctx)
    if port is not None:
        os.environ["INTERLOCK_CONSOLE__PORT"] = str(port)
    if host is not None:
        os.environ["INTERLOCK_CONSOLE__HOST"] = host
    # The pages read the same settings as this command, whatever folder they believe to run in.
    file = find(session.config)
    if file is not None:
        os.environ["INTERLOCK_CONFIG"] = str(file)
    settings = session.settings
    session.services.db.require_current()
    from console import launch  # streamlit takes a second to import: only here

    chosen = settings.console
    typer.echo(f"Interlock: http://{'localhost' if is_loopback(chosen.host) else chosen.host}:{chosen.port}")
    bootstrap.announce(settings, pipeline="interlock-console", kind="")
    launch.serve(settings)
