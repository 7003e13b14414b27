"""Turn mirrored runs into rows and back, and a question about runs into a condition."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_

from services.adapters.ops_tables import EPOCH, UtcTime
from services.adapters.ops_tables.mirror import runs
from services.training.effective import Judged
from services.training.ports import RunFilter
from services.training.run import ACTIVE, BROKEN, HUNG, TERMINAL, Effective, Failure, Kind, Run

_MICROSECOND: Final = timedelta(microseconds=1)
_PLAIN: Final = (
    "run_id", "experiment_id", "experiment", "name", "status", "pipeline", "attributed", "evidence",
    "effective_since", "started_at", "ended_at", "team", "environment", "pool", "data_rows", "hardware",
    "git_commit", "parent_run_id", "attempt", "retry_of", "req_cpu", "req_ram_gib", "req_gpu", "req_tpu",
    "submitted_at", "scheduled_for", "sla_s", "job_ref", "heartbeat_at", "last_metric_at", "last_system_at",
    "last_step", "slow_z", "slow_pct", "artifact_uri", "deleted", "as_of",
)
COLUMNS: Final = tuple(c.name for c in runs.c)
_TIMES: Final = tuple(c.name for c in runs.c if isinstance(c.type, UtcTime))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A run as read from MLflow: typed and judged, with its values as text and the digest of what was said."""

    run: Run
    judged: Judged
    values: str
    digest: str


def where(query: Select[Any], wanted: RunFilter) -> Select[Any]:
    """Return the query narrowed to the runs that are wanted."""
    c = runs.c
    tests: list[Any] = []
    if not wanted.deleted:
        tests.append(c.deleted.is_(False))
    states = [
        *(BROKEN if wanted.failed else ()), *(HUNG if wanted.hung else ()), *(ACTIVE if wanted.active else ()),
        *((wanted.effective,) if wanted.effective else ()),
    ]
    either: list[Any] = [c.effective.in_([str(s) for s in states])] if states else []
    if wanted.slow:
        either.append(and_(c.slow_z > 3.5, c.slow_pct > 10))
    if either:
        tests.append(or_(*either))
    if wanted.ended:
        tests.append(c.status.in_(list(TERMINAL)))
    for column, value in ((c.pipeline, wanted.pipeline), (c.team, wanted.team), (c.environment, wanted.environment),
                          (c.status, wanted.status), (c.fingerprint, wanted.fingerprint),
                          (c.fail_class, wanted.failure_class), (c.kind, str(wanted.kind or ""))):
        if value:
            tests.append(column == value)
    moment = func.coalesce(c.started_at, c.as_of)
    if wanted.since:
        tests.append(or_(c.started_at >= wanted.since, and_(c.started_at.is_(None), moment >= wanted.since)))
    if wanted.until:
        tests.append(or_(c.started_at < wanted.until, and_(c.started_at.is_(None), moment < wanted.until)))
    return query.where(*tests) if tests else query


def run_row(read: Read) -> tuple[object, ...]:
    """Return a run as the driver takes it: the values of `COLUMNS`, times in microseconds.

    By hand, because SQLAlchemy's own binding of fifty columns costs as much as reading a run from MLflow does.
    """
    run, judged = read.run, read.judged
    told = {
        **{name: getattr(run, name) for name in _PLAIN}, "user_name": run.user, "kind": str(run.kind),
        "duration_s": run.duration_s, "last_activity_at": run.last_activity_at, **failure_columns(run.failure),
        "effective": str(judged.effective), "evidence": judged.evidence, "effective_since": judged.since,
        "digest": read.digest,
    }
    for name in _TIMES:
        moment = told[name]
        told[name] = (moment - EPOCH) // _MICROSECOND if moment is not None else None
    return tuple(told[name] for name in COLUMNS)


def failure_columns(failure: Failure) -> dict[str, Any]:
    """Return what is known of a failure as column values."""
    return {
        "fail_class": failure.cls, "fail_type": failure.type, "fail_message": failure.message,
        "fail_exit_code": failure.exit_code, "fail_evidence": failure.evidence, "fail_line": failure.line,
        "fail_owner": failure.owner, "fail_retryable": failure.retryable, "fingerprint": failure.fingerprint,
    }


def read_run(row: Any) -> Run:
    """Return the run that a row holds."""
    return Run(
        **{name: getattr(row, name) for name in _PLAIN}, user=row.user_name, kind=Kind(row.kind),
        effective=Effective(row.effective),
        failure=Failure(cls=row.fail_class, type=row.fail_type, message=row.fail_message,
                        exit_code=row.fail_exit_code, evidence=row.fail_evidence, line=row.fail_line,
                        owner=row.fail_owner, retryable=row.fail_retryable, fingerprint=row.fingerprint),
    )
