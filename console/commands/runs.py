"""`interlock runs`: how each run really stands, how long it took, and why it failed."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from console.commands.face import AsJson, face, now, print_items, print_json
from console.mlflow_pages import base, mlflow_url
from services.core.measurement import SEVERITY, Measurement
from services.core.window import TimeWindow, parse_span
from services.errors import NotFound, OpsError
from services.training.ports import SOURCE, RunFilter
from services.training.run import Kind, Run
from services.training.waits import waits

Failed = Annotated[bool, typer.Option("--failed", help="Runs that failed, and those that crashed and read FINISHED.")]
Hung = Annotated[bool, typer.Option("--hung", help="Runs suspected dead, stalled or overdue.")]
Slow = Annotated[bool, typer.Option("--slow", help="Finished runs that took far longer than those before them.")]
Pipeline_ = Annotated[str, typer.Option("--pipeline", help="Only this pipeline's runs.")]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="data, training, validation, serving or experiment.")]
Window = Annotated[str, typer.Option("--window", help="Runs that started within it, such as 24h or 30d; default all.")]
Run_ = Annotated[str, typer.Option("--run", help="One run: everything known of it, with its last log lines.")]
Times = Annotated[bool, typer.Option("--times", help="How training time does, pipeline by pipeline: steady, slower "
                                                     "since when, creeping; whether objectives are kept; "
                                                     "and the wait by pool and team.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, newest first.")]


_TIMES = ("training_time", "training_objective")
_HUNG = ("evidence", "last_step", "last_activity_at", "cost_hours")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(runs)


def runs(
    ctx: typer.Context, *, failed: Failed = False, hung: Hung = False, slow: Slow = False, pipeline: Pipeline_ = "",
    kind: KindOption = None, window: Window = "", run: Run_ = "", times: Times = False,
    limit: Limit = 50, as_json: AsJson = False,
) -> None:
    """List runs of every pipeline with their effective status and its evidence, newest first."""
    services = face(ctx).services
    state = services.sources.get(SOURCE)
    as_of = state.as_of if state else None
    if run:
        _one(ctx, run, as_json=as_json)
        return
    if times:
        _times(ctx, pipeline, _since(window or "30d"), as_json=as_json, as_of=as_of)
        return
    wanted = RunFilter(failed=failed, hung=hung, slow=slow, pipeline=pipeline, kind=kind, since=_since(window))
    found = services.runs.find(wanted, limit=limit)
    items = [row(r, now=now()) for r in found]
    columns: tuple[str, ...] = ("run", "pipeline", "name", "effective", "mlflow_status", "started_at", "duration_s")
    columns += ("failure_class", "line") if failed else _HUNG if hung else ("slow_pct",) if slow else ()
    empty = "no run matches" if as_of else "no run was mirrored yet: run interlock monitor --once"
    extra = {} if state is None or state.ok else {"warning": state.message}
    if extra and not as_json:
        typer.echo(f"warning: {' '.join(state.message.split()) if state else ''}", err=True)
    print_items(items, as_json=as_json, as_of=as_of, columns=columns, empty=empty, extra=extra)


def row(run: Run, *, now: datetime) -> dict[str, Any]:
    """Return a run as one line of a list."""
    return {
        "run": run.run_id[:8], "run_id": run.run_id, "name": run.name, "experiment": run.experiment,
        "pipeline": run.pipeline,
        "kind": str(run.kind), "attributed": run.attributed, "effective": str(run.effective),
        "mlflow_status": run.status, "evidence": run.evidence, "started_at": run.started_at, "ended_at": run.ended_at,
        "duration_s": run.duration_s, "queue_wait_s": run.queue_wait_s, "hours_held": run.hours(now=now),
        "cost_hours": run.cost_hours(now=now),
        "last_step": run.last_step, "last_activity_at": run.last_activity_at, "heartbeat_at": run.heartbeat_at,
        "team": run.team, "environment": run.environment, "pool": run.pool, "hardware": run.hardware,
        "data_rows": run.data_rows, "git_commit": run.git_commit, "attempt": run.attempt, "retry_of": run.retry_of,
        "failure_class": run.failure.cls, "owner": run.failure.owner, "retryable": run.failure.retryable,
        "error_type": run.failure.type, "message": run.failure.message, "line": run.failure.line,
        "exit_code": run.failure.exit_code, "fingerprint": run.failure.fingerprint, "slow_z": run.slow_z,
        "slow_pct": run.slow_pct,
    }


def time_row(m: Measurement) -> dict[str, Any]:
    """Return what is known of a pipeline's durations, or of its objective, as one line of a list."""
    keys = ("hardware", "change", "effect", "since", "since_run", "commit", "median_s", "low_s", "high_s", "detectable",
            "objective_s", "met", "missed", "at_risk")
    return {"pipeline": m.subject, "measurement": m.name, "verdict": m.verdict, "reason": m.reason, "n": m.n,
            **{key: m.detail.get(key) for key in keys}}


def _times(ctx: typer.Context, pipeline: str, since: datetime | None, *, as_json: bool, as_of: datetime | None) -> None:
    services = face(ctx).services
    told = [time_row(m) for m, _ in services.measurements.newest(subject=pipeline or None) if m.name in _TIMES]
    waited = [asdict(w) for w in waits(services.runs.find(RunFilter(pipeline=pipeline, since=since), limit=20_000))]
    print_items(sorted(told, key=lambda r: (SEVERITY.index(r["verdict"]), r["pipeline"], r["measurement"])),
                as_json=as_json, as_of=as_of, columns=("verdict", "pipeline", "measurement", "reason"),
                empty="no durations are compared yet: the monitor does it with its next pass",
                extra={"queue_waits": waited})
    if waited and not as_json:
        typer.echo("\nwait from submission to start, seconds")
        print_items(waited, as_json=False, as_of=None)


def _one(ctx: typer.Context, run_id: str, *, as_json: bool) -> None:
    services = face(ctx).services
    like = services.runs.like(run_id)
    if len(like) > 1:
        raise NotFound(f"{len(like)} runs or more begin with {run_id}: give more of the id")
    found = services.runs.get(like[0]) if like else None
    if found is None:
        raise NotFound(f"the mirror has no run {run_id}: see interlock runs, or run interlock monitor --once")
    texts = services.runs.artifacts(found.run_id)
    values = [{"kind": v.kind, "key": v.key, "value": v.number if v.number is not None else v.text, "step": v.step}
              for v in services.runs.values(found.run_id)]
    address = mlflow_url(base(face(ctx).settings), experiment=found.experiment_id, run=found.run_id)
    body = {"as_of": found.as_of, **row(found, now=now()), "deleted": found.deleted, "mlflow": address,
            "values": values, "artifacts": texts}
    if as_json:
        print_json(body)
        return
    told = [{"field": k, "value": v} for k, v in body.items()
            if k not in {"run", "values", "artifacts"} and v not in ("", None)]
    print_items(told, as_json=False, as_of=None)
    typer.echo()
    print_items(values, as_json=False, as_of=found.as_of, empty="no params, metrics or tags")
    for path, text in texts.items():
        typer.echo(f"\n{path}")
        for line in text.splitlines():
            typer.echo("".join(c for c in line if c.isprintable() or c == "\t"))


def _since(window: str) -> datetime | None:
    if not window:
        return None
    try:
        return TimeWindow.last(parse_span(window), now=now()).start
    except ValueError as error:
        raise OpsError(str(error)) from error
