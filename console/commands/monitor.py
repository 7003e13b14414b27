"""`interlock monitor`: the worker, whole or one pass; its parts run as hidden commands of the same program."""

import logging
import signal
import sys
from datetime import timedelta
from typing import Annotated

import typer

from console.commands.face import Face, face, now
from console.reports.letters import ReportFiles
from services import bootstrap
from services.core.window import parse_span
from services.monitor import loop
from services.monitor.tick import StepReport, run_pass

Once = Annotated[bool, typer.Option("--once", help="One full pass and the jobs that wait, then exit.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(monitor)
    app.command("monitor-part", hidden=True)(monitor_part)


def monitor(ctx: typer.Context, *, once: Once = False) -> None:
    """Run the worker: sync, profile, measure, carry out decisions."""
    session = face(ctx)
    services = bootstrap.build(session.settings)
    services.db.migrate()
    if once:
        reports = run_pass(bootstrap.build_steps(services, read=_reading), bootstrap.SourceJournal(services.sources),
                           clock=now, told=_say)
        for line in bootstrap.run_waiting_jobs(services, clock=now):
            typer.echo(f"job  {line}")
        raise typer.Exit(0 if all(r.ok for r in reports) else 1)
    _log_to_stderr()
    bootstrap.announce(session.settings, pipeline="interlock-monitor", kind="")
    supervisor = bootstrap.build_supervisor(services, part_command=_part_command(session), clock=now)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: supervisor.stop())
    supervisor.run()


def monitor_part(ctx: typer.Context, part: str, fence: int, job: str = "") -> None:
    """Run one part of the monitor until standard input closes."""
    _log_to_stderr()
    services = bootstrap.build(face(ctx).settings)
    watch = bootstrap.parent_watch()
    settings = services.settings
    if part == "job":
        bootstrap.run_job(services, job, clock=now)
        return
    if part == "outbox":
        outbox = bootstrap.build_outbox(services)
        every = timedelta(milliseconds=settings.monitor.outbox_interval_ms)
        loop.repeat(lambda: outbox.run_due(fence=fence, now=now()), every=every, ended=watch.ended, clock=now)
        return
    if part == "metrics":
        with bootstrap.build_metrics(services, clock=now):
            watch.ended.wait()
        return
    if part == "notifier":
        notifier = bootstrap.build_notifier(services, draw=ReportFiles(services.reports, settings.report.files))
        pulse = bootstrap.build_watch(services, now=now())

        def turn() -> None:
            pulse.look(now=now())
            notifier.run_due(now=now())

        loop.repeat(turn, every=timedelta(seconds=1), ended=watch.ended, clock=now)
        return
    steps, journal = bootstrap.build_steps(services), bootstrap.SourceJournal(services.sources)
    every = parse_span(settings.monitor.interval)
    loop.repeat(lambda: run_pass(steps, journal, clock=now, ended=watch.ended.is_set), every=every, ended=watch.ended,
                clock=now)


def _part_command(session: Face) -> bootstrap.PartCommand:
    config = ["--config", session.config] if session.config else []

    def command(part: str, fence: int, job: str) -> list[str]:
        return [sys.executable, "-m", "console.cli", *config, "monitor-part", part, str(fence),
                *(["--job", job] if job else [])]

    return command


def _reading(done: int) -> None:
    """Show how far a long reading is to a person who watches; MLflow does not tell how many runs there are."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r     mirror         {done:,} runs read")
        sys.stderr.flush()


def _say(report: StepReport) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    word = "ok  " if report.ok else "FAIL"
    typer.echo(f"{word} {report.name:<14} {report.took_s:6.2f} s  {report.message}")


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # One line per request, four times a second, would bury what matters.
    logging.getLogger("httpx").setLevel(logging.WARNING)
