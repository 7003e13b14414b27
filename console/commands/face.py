"""What every command shares: settings, services, who is asking, how an answer is printed, how it ends.

Exit codes: 0 pass (and list, show), 1 fail, 2 bad usage, settings or refusal, 3 inconclusive or not run.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from services import bootstrap
from services.core.access import Actor
from services.core.measurement import Verdict
from services.errors import NotAllowed, OpsError
from services.settings import Settings, load

EXIT: Final = {Verdict.PASS: 0, Verdict.WARN: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3, Verdict.ERROR: 3}

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
OpId = Annotated[str, typer.Option("--op-id", help="Key that makes a repeat return the first outcome.")]


@dataclass
class Face:
    """The command line's session: one per process."""

    config: str | None = None
    persona: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings, read on first use."""
        return load(self.config)

    @cached_property
    def services(self) -> bootstrap.Services:
        """The services, built on first use, on a store whose schema is checked."""
        services = bootstrap.build(self.settings)
        services.db.require_current()
        return services

    def denied(self, refused: NotAllowed) -> None:
        """Record that the command was denied to whoever asked."""
        if refused.action:
            self.services.refusals.record(refused, actor=self.actor, now=now())

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        from console.identity import command_line_actor

        return command_line_actor(self.services, self.persona, now=now())


def face(ctx: typer.Context) -> Face:
    """Return the session that the root command made."""
    found = ctx.find_object(Face)
    if found is None:
        raise RuntimeError("the root command did not run")
    return found


def now() -> datetime:
    """Return the time at which the person asked; services take it as an argument."""
    return datetime.now(UTC)


def new_op_id() -> str:
    """Return a key for a decision that was asked for without one."""
    return f"cli-{uuid4().hex}"


@contextmanager
def plain_errors(session: Face | None = None) -> Iterator[None]:
    """Turn an expected error into one line on standard error and exit status 2; record a denied command."""
    try:
        yield
    except OpsError as error:
        if session and isinstance(error, NotAllowed):
            session.denied(error)
        typer.echo(f"interlock: {' '.join(str(error).split())}", err=True)
        raise SystemExit(2) from error


def print_items(
    items: Sequence[Mapping[str, Any]], *, as_json: bool, as_of: datetime | None, columns: Sequence[str] = (),
    empty: str = "nothing to show", extra: Mapping[str, Any] | None = None,
) -> None:
    """Print a list: a table for people, or `{"as_of": …, "items": […]}`."""
    if as_json:
        print_json({"as_of": as_of, **(extra or {}), "items": list(items)})
        return
    if not items:
        typer.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = list(columns) or list(items[0])
    for name in shown:
        table.add_column(name.replace("_", " "), overflow="fold")
    for item in items:
        table.add_row(*(Text(_cell(item.get(name))) for name in shown))
    # A pipe has no width: rows stay whole there, for grep and for eyes that scroll.
    Console(width=None if sys.stdout.isatty() else 1_000).print(table)
    if as_of:
        typer.echo(f"as of {as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, default=_jsonable, ensure_ascii=False, allow_nan=False) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_jsonable, ensure_ascii=False)
    # A terminal obeys control characters; names and reasons from outside lose them here.
    return "".join(c for c in str(value) if c.isprintable())


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
