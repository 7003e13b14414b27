"""The command line: the root command and the list of its parts.

What each command does stands in console/commands/; what it means, in services.
"""

from typing import Annotated

import typer

from console.commands import (
    aftermath,
    audit,
    connect,
    console,
    demo,
    drift,
    failures,
    gateway,
    house,
    incidents,
    keep,
    monitor,
    quarantine,
    quota,
    releases,
    roles,
    runs,
    schema,
    signals,
)
from console.commands.face import Face, plain_errors

app = typer.Typer(
    name="interlock", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Operations console for ML in production.",
)

for part in (house, monitor, incidents, console, connect, demo, gateway, quota, audit, releases, aftermath, runs,
             failures, drift, signals, schema, roles, keep, quarantine):
    part.register(app)


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        str | None, typer.Option("--config", help="Settings file; else INTERLOCK_CONFIG, else here.")
    ] = None,
    persona: Annotated[str | None, typer.Option("--as", help="Demo mode only: the persona who asks.")] = None,
) -> None:
    """Set up the session that every command shares."""
    session = ctx.ensure_object(Face)
    session.config, session.persona = config, persona


def main() -> None:
    """Run the command line."""
    session = Face()
    with plain_errors(session):
        app(obj=session)


if __name__ == "__main__":
    main()
