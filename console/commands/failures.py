"""`interlock failures`: the same failure as often as it happened, and why a log's job failed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, OpId, face, new_op_id, now, print_items, print_json
from services.core.window import TimeWindow, parse_span
from services.errors import OpsError
from services.settings import find
from services.training.classify import classify
from services.training.correct import correct
from services.training.failure_rules import Rules
from services.training.failures import flaky, groups, rate
from services.training.ports import SOURCE, RunFilter

failures = typer.Typer(no_args_is_help=True, help="Failures: grouped, costed, explained.")

LogFile = Annotated[Path, typer.Argument(help="A log file; - reads standard input.")]
ExitCode = Annotated[int | None, typer.Option("--exit-code", help="Of the job; used only where the log is silent.")]
Window = Annotated[str, typer.Option("--window", help="How far back, such as 7d or 90d.")]
Pipeline_ = Annotated[str, typer.Option("--pipeline", help="Only this pipeline's runs.")]
_LARGEST = 64_000_000


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(failures, name="failures")


@failures.command("list")
def list_(ctx: typer.Context, *, window: Window = "30d", pipeline: Pipeline_ = "", as_json: AsJson = False) -> None:
    """List failures by fingerprint, most wasted hours first, with how often runs fail and which are flaky."""
    services = face(ctx).services
    state = services.sources.get(SOURCE)
    try:
        since = TimeWindow.last(parse_span(window), now=now()).start
    except ValueError as error:
        raise OpsError(str(error)) from error
    runs = services.runs.find(RunFilter(pipeline=pipeline, since=since), limit=100_000)
    told = rate(runs, now=now())
    items: list[dict[str, Any]] = [
        {"class": g.cls, "owner": g.owner, "retryable": g.retryable, "count": g.count, "first_seen": g.first_seen,
         "last_seen": g.last_seen, "wasted_hours": round(g.wasted_hours, 3), "pipelines": list(g.pipelines),
         "line": g.line, "fingerprint": g.fingerprint, "runs": list(g.runs[:20])}
        for g in groups(runs, now=now())
    ]
    extra = {
        "window": window,
        "rate": {"failed": told.failed, "ended": told.ended, "share": told.share, "low": told.low, "high": told.high,
                 "wasted_share_of_hours": told.wasted, "failed_hours": told.failed_hours,
                 "killed_hours": told.killed_hours, "hung_hours": told.hung_hours, "hours": told.hours},
        "flaky": [{"pipeline": f.pipeline, "git_commit": f.git_commit, "data_rows": f.data_rows,
                   "failed": list(f.failed), "passed": list(f.passed)} for f in flaky(runs)],
    }
    print_items(items, as_json=as_json, as_of=state.as_of if state else None, extra=extra,
                columns=("class", "owner", "retryable", "count", "first_seen", "last_seen", "wasted_hours", "line"),
                empty=f"no run failed in the last {window}")
    if not as_json and told.share is not None:
        typer.echo(f"{told.failed} of {told.ended} runs failed ({told.share:.0%}, 95% interval {told.low:.0%} to "
                   f"{told.high:.0%}); {told.wasted or 0:.0%} of {told.hours:.1f} hours came to nothing")


@failures.command("classify")
def classify_(ctx: typer.Context, logfile: LogFile, *, exit_code: ExitCode = None, as_json: AsJson = False) -> None:
    """Say why the job that wrote a log failed: class, owner, whether a retry helps, and the line that shows it.

    The kind is the class by our own finer names; it is shown where it says more than the class.
    """
    found = classify(_text(logfile), exit_code=exit_code, rules=_corrections(ctx))
    body = {"class": found.common, "kind": found.cls, "owner": str(found.owner), "retryable": found.retryable,
            "line": found.line, "error_type": found.type, "fingerprint": found.fingerprint, "by": found.by}
    if as_json:
        print_json(body)
        return
    shown = "".join(c for c in found.line if c.isprintable())
    kind = f"kind       {found.cls}\n" if found.cls != found.common else ""
    typer.echo(f"class      {found.common}\n{kind}owner      {found.owner}\n"
               f"retryable  {'yes' if found.retryable else 'no'}\nline       {shown}")


@failures.command("correct")
def correct_(
    ctx: typer.Context, run: Annotated[str, typer.Argument(help="The run whose failure was classified wrongly.")], *,
    cls: Annotated[str, typer.Option("--class", help="What it really is.")],
    owner: Annotated[str, typer.Option("--owner", help="infrastructure, data, code or user.")],
    retryable: Annotated[bool, typer.Option("--retryable/--not-retryable", help="Whether a retry helps.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="How you know; kept in the audit log.")], op_id: OpId = "",
    as_json: AsJson = False,
) -> None:
    """Say what a failure really is; every failure that shows the same line is classified so from now on."""
    session = face(ctx)
    like = session.services.runs.like(run)
    done = correct(session.services.failures, like[0] if len(like) == 1 else run, cls=cls, owner=owner,
                   retryable=retryable, reason=reason, actor=session.actor, op_id=op_id or new_op_id(), now=now())
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{done['runs']} runs are {done['class']} now{' (already)' if done['already'] else ''}")


def _corrections(ctx: typer.Context) -> Rules:
    """Return the team's corrections; without a store the shipped rules still answer for any log."""
    if find(face(ctx).config) is None:
        return Rules()  # asking for the services would create an embedded store in this folder
    try:
        return face(ctx).services.failures.rules()
    except OpsError:
        return Rules()


def _text(logfile: Path) -> str:
    try:
        if str(logfile) == "-":
            import sys

            return sys.stdin.buffer.read(_LARGEST).decode("utf-8", "replace")
        with logfile.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise OpsError(f"log file {logfile} cannot be read: {error.strerror}. Name a readable text file") from error
