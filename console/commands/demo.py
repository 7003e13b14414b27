"""`interlock demo`: seed a home from real flights, then serve everything that a team would see."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from console.commands.face import now
from console.identity import PERSONAS, persona
from services import bootstrap
from services.core.window import parse_span
from services.errors import Refused
from services.settings import Settings, load
from services.settings.load import FILE_NAME

Tell = Callable[[str, int, int], None]  # stage, steps done, steps in all


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(demo)


def demo(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the pages, on this machine only.")] = 8501,
    fast: Annotated[bool, typer.Option("--fast", help="Six weeks of history instead of ten months.")] = False,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Seed, run one full pass, exit.")] = False,
    inject: Annotated[
        str, typer.Option(help="Fault for a running demo: null-feed, celsius-feed, latency, outage, or "
                          "bad-candidate.")
    ] = "",
    span: Annotated[str, typer.Option("--for", help="How long the fault lasts.")] = "10m",
) -> None:
    """Seed from the real flights of 2013, then serve everything and print the address."""
    # Imported here: they bring pandas, which no other command needs.
    from services.demo import home, run
    from services.demo.serve import serve

    file = Path.cwd() / FILE_NAME
    if inject:
        _inject(load(str(file)), inject, span)
        return
    with home.only_one(file.parent):
        settings = run.configure(file, port=port, today=now().date())
        failed = 0
        if home.reusable(settings.home_path, fast=fast, now=now()):
            typer.echo(f"going on with the demo seeded in {settings.home_path}")
            bootstrap.build(settings).db.migrate()  # the seed may be older than this version
        else:
            failed = _seed(settings, file, fast=fast)
        if no_serve:
            raise typer.Exit(1 if failed else 0)
        serve(settings, file, say=typer.echo)


def _inject(settings: Settings, fault: str, span: str) -> None:
    from services.demo import bad_candidate, faults, home

    if home.marker_of(settings.home_path) is None:
        raise Refused(f"{settings.home_path} holds no seeded demo: run interlock demo here first")
    if fault == faults.BAD_CANDIDATE:
        version = bad_candidate.register(settings.tracking_uri, settings.home_path / "mlartifacts", now=now())
        typer.echo(f"flight-delay v{version}: {bad_candidate.MEANING}. Propose it into staging with a canary plan")
        return
    try:
        length = parse_span(span)
    except ValueError as error:
        raise Refused(f"--for: {error}") from error
    until = faults.inject(settings.home_path, fault, span=length, now=now())
    typer.echo(f"{fault}: {faults.MEANING[faults.Fault(fault)]}, until {until:%H:%M:%S} UTC, while the demo serves")


def _seed(settings: Settings, file: Path, *, fast: bool) -> int:
    """Seed and run one full pass; return how many of its steps failed: the demo shows those as it shows any."""
    from services.demo import home, run

    aside = home.move_aside(settings.home_path, now=now())
    if aside:
        typer.echo(f"the demo in {settings.home_path} was unfinished, too old or too small: it is now {aside}")
    with _bars() as tell:
        seeded = run.seed(settings, {name: persona(name) for name in PERSONAS}, now=now(), fast=fast, tell=tell)
        try:
            reports = run.first_pass(bootstrap.build(settings), clock=now, tell=tell)
            seeded.validate(now=now())
        finally:
            seeded.close()
    failed = [report for report in reports if not report.ok]
    for report in failed:
        typer.echo(f"interlock: step {report.name} of the first pass failed: {report.message}", err=True)
    home.complete(settings.home_path, fast=fast, weeks=seeded.weeks, now=seeded.now)
    typer.echo(f"seeded {settings.home_path}; settings in {file}")
    return len(failed)


@contextmanager
def _bars() -> Iterator[Tell]:
    """Yield what draws one bar per stage; where nobody watches a terminal, one line as it begins and one as it ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(lambda text: typer.echo(text, err=True))
        return
    columns = (TextColumn("{task.description:<46}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as progress:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield tell


def _lines(say: Callable[[str], None]) -> Tell:
    """Return what says each stage's begin and end: a bar would reach a log only once it is full."""
    began: dict[str, float] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in began:
            began[stage] = time.monotonic()
            say(f"{stage} ...")
        if done == total:
            say(f"{stage}: {done} of {total} in {time.monotonic() - began[stage]:.1f} s")

    return tell
