"""Keep jobs: work that a page asks for and the monitor does in a process of its own, with progress and an expiry.

What the kinds of job are is decided in services/bootstrap.py; starting and killing them in supervisor.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import jobs
from services.core.access import Action, Actor, require, system_actor
from services.core.audit import AuditEntry
from services.errors import NotFound

KEPT: Final = timedelta(days=1)
_MONITOR: Final = system_actor("monitor").identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work. `state` is queued, running, done or failed; `progress` runs from 0 to 1."""

    id: str
    kind: str
    args: dict[str, Any]
    actor: str
    state: str
    progress: float
    doing: str
    result: Any
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime


class JobTable:
    """Jobs in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def enqueue(self, kind: str, args: dict[str, Any], *, actor: Actor, op_id: str, now: datetime) -> str:
        """Ask for work; return the job's id. A repeat with the same `op_id` returns the same job.

        Raises:
            NotAllowed: the actor may not run jobs.
        """
        require(actor, Action.RUN_JOB, model=str(args.get("model", "")))
        job_id = uuid4().hex[:12]

        def work(connection: Any) -> tuple[dict[str, Any], list[AuditEntry]]:
            connection.execute(insert(jobs).values(
                id=job_id, kind=kind, args=args, actor=actor.identity, state="queued", progress=0.0,
                doing="waiting for the monitor", result=None, error="", created_at=now, expires_at=now + KEPT))
            return {"job": job_id}, [
                AuditEntry(at=now, actor=actor, action=f"run {kind}", subject=f"job:{job_id}", detail={"args": args})
            ]

        done = self._db.command(op_id, actor=actor, command=f"job {kind}", subject=kind, now=now, work=work)
        return str(done["job"])

    def want(self, kind: str, args: dict[str, Any], *, now: datetime) -> str:
        """Ask for work that the monitor itself needs; return `queued`, or what became of the same wish of the last day.

        Nobody decided it, so it is no audited command. A wish that waits, runs or has failed is not made again.
        """
        with self._db.write() as connection:
            same = connection.execute(select(jobs.c.state, jobs.c.args).where(
                jobs.c.kind == kind, jobs.c.state != "done", jobs.c.created_at > now - KEPT))
            if known := next((row.state for row in same if row.args == args), ""):
                return f"{known} already"
            connection.execute(insert(jobs).values(
                id=uuid4().hex[:12], kind=kind, args=args, actor=_MONITOR, state="queued", progress=0.0,
                doing="waiting for the monitor", result=None, error="", created_at=now, expires_at=now + KEPT))
        return "queued"

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFound: there is none of that id, or it was pruned.
        """
        with self._db.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
        if row is None:
            raise NotFound(f"job {job_id} is not known: its result has expired; ask for it again")
        return _job(row)

    def recent(self, *, kind: str | None = None, limit: int = 50) -> list[Job]:
        """Return the newest jobs."""
        query = select(jobs).order_by(jobs.c.created_at.desc()).limit(limit)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        with self._db.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def claim(self, *, now: datetime) -> Job | None:
        """Mark the oldest queued job as running and return it, people's first; None when nothing waits."""
        with self._db.write() as connection:
            row = connection.execute(
                select(jobs).where(jobs.c.state == "queued")
                .order_by(jobs.c.actor == _MONITOR, jobs.c.created_at).limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(state="running", started_at=now))
            return _job(row)

    def tell(self, job_id: str, *, progress: float, doing: str) -> None:
        """Record how far a job is and what it is doing."""
        with self._db.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(progress=progress, doing=doing))

    def finish(self, job_id: str, *, result: Any = None, error: str = "", now: datetime) -> None:
        """Store the result or the error of a running job; a job that has ended already stays as it is."""
        with self._db.write() as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == job_id, jobs.c.state == "running").values(
                    state="failed" if error else "done", result=result, error=error, finished_at=now,
                    progress=jobs.c.progress if error else 1.0))

    def requeue_orphans(self) -> int:
        """Put jobs back that ran under a monitor which is gone; return how many."""
        with self._db.write() as connection:
            done = connection.execute(update(jobs).where(jobs.c.state == "running").values(
                state="queued", started_at=None, progress=0.0, doing="waiting for the monitor"))
            return int(done.rowcount)


def _job(row: Row[Any]) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__})
