"""Decide how a run really stands, with the evidence for it.

MLflow's status lies in both directions: a crash under a bare `start_run()` reads FINISHED, a dead process reads
RUNNING for ever, and `sys.exit(0)` inside a `with` reads FAILED. Nothing here writes back to MLflow.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.core.window import span_text
from services.training.run import LOST, Effective, Run

HEARTBEAT: Final = timedelta(seconds=60)  # what the client beats
SYSTEM_SAMPLE: Final = timedelta(seconds=10)  # MLflow's own sampling of system metrics
DEAD_AFTER: Final = timedelta(minutes=5)
STALLED_AFTER: Final = timedelta(minutes=10)
SILENT_AFTER: Final = timedelta(hours=1)  # no sign at all, from a run that never beat
SILENT_WITHOUT_HISTORY: Final = timedelta(hours=24)
_TOLD_TO_STOP: Final = frozenset({"KeyboardInterrupt", "SIGTERM", "SIGINT"})
ENOUGH_HISTORY: Final = 12  # below this a P99 is the slowest of a handful


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How long like runs took: number of finished ones, and the 99th percentile of their seconds."""

    n: int = 0
    p99_s: float | None = None

    @property
    def limit_s(self) -> float | None:
        """The 99th percentile where there are enough runs to believe it."""
        return self.p99_s if self.n >= ENOUGH_HISTORY else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The conclusion, what it rests on, and since when."""

    effective: Effective
    evidence: str
    since: datetime | None


def judge(
    run: Run, *, now: datetime, history: History | None = None, mirror_age: timedelta | None = None,
    objective_s: float | None = None,
) -> Judged:
    """Return how the run stands.

    Args:
        run: as the mirror has it.
        now: the time of judging.
        history: durations of like runs that finished.
        mirror_age: how old the mirror is. Silence is measured up to the moment the mirror last looked, so that an
            unreachable MLflow makes no run look dead.
        objective_s: what its pipeline may take; the run's own objective comes first.
    """
    if run.status in {"FINISHED", "FAILED", "KILLED"}:
        return _ended(run)
    if run.status == "SCHEDULED":
        return Judged(effective=Effective.SCHEDULED, evidence="MLflow says SCHEDULED: not started yet",
                      since=run.submitted_at or run.started_at)
    # A vanished process is our own conclusion, drawn from silence: it is no record of the run's.
    if run.failure.known and run.failure.cls != LOST:
        return Judged(effective=Effective.FAILED, since=run.last_activity_at,
                      evidence=f"MLflow says {run.status}, but the run recorded {_why(run)}")
    looked = now - mirror_age if mirror_age else now
    return (_dead(run, looked, history) or _stalled(run, looked)
            or _overdue(run, looked, history, run.sla_s or objective_s) or _alive(run, looked))


def _ended(run: Run) -> Judged:
    failed = run.failure.known
    if run.status != "KILLED" and run.failure.type in _TOLD_TO_STOP:
        return Judged(effective=Effective.KILLED, since=run.ended_at,
                      evidence=f"MLflow says {run.status}, but the run recorded {_why(run)}")
    if run.status == "FINISHED" and failed:
        return Judged(effective=Effective.FINISHED_BUT_CRASHED, since=run.ended_at,
                      evidence=f"MLflow says FINISHED, but the run recorded {_why(run)}")
    if run.status == "FAILED" and not failed and run.failure.exit_code == 0:
        return Judged(effective=Effective.FINISHED, since=run.ended_at,
                      evidence="MLflow says FAILED, but the process left by sys.exit(0), which is success")
    if run.status == "FAILED":
        why = f"the run recorded {_why(run)}" if failed else "no reason was recorded"
        return Judged(effective=Effective.FAILED, since=run.ended_at, evidence=f"MLflow says FAILED; {why}")
    if run.status == "KILLED":
        why = f": {_why(run)}" if failed else " by an explicit call; no reason was recorded"
        return Judged(effective=Effective.KILLED, since=run.ended_at, evidence=f"MLflow says KILLED{why}")
    contradiction = ""
    if run.started_at and run.ended_at and run.ended_at < run.started_at:
        contradiction = "; its end lies before its start, so it has no duration"
    return Judged(effective=Effective.FINISHED, since=run.ended_at,
                  evidence=f"MLflow says FINISHED and nothing contradicts it{contradiction}")


def _why(run: Run) -> str:
    failure = run.failure
    head = failure.type or failure.cls or f"exit code {failure.exit_code}"
    message = " ".join(failure.message.split())[:160]
    return f"{head}: {message}" if message else head


def _dead(run: Run, looked: datetime, history: History | None) -> Judged | None:
    """Suspected only: the process may live where its network does not."""
    last = run.last_activity_at
    if last is None:
        return None
    if run.heartbeat_at or run.last_system_at:
        interval = HEARTBEAT if run.heartbeat_at else SYSTEM_SAMPLE
        limit = max(DEAD_AFTER, 3 * interval)
        beat = max(t for t in (run.heartbeat_at, run.last_system_at) if t)
        # A training metric proves life as well as a beat does: the thread that beats may have died alone.
        silent = looked - max(beat, last)
        if silent <= limit:
            return None
        what = "heartbeat" if run.heartbeat_at else "system metric"
        return Judged(effective=Effective.SUSPECTED_DEAD, since=last,
                      evidence=f"no {what} for {span_text(silent)} (limit {span_text(limit)}), no end recorded")
    limit_s = history.limit_s if history else None
    gap = step_gap(run)
    limit = SILENT_WITHOUT_HISTORY
    if limit_s is not None or gap is not None:
        limit = max(SILENT_AFTER, timedelta(seconds=limit_s or 0), 10 * (gap or timedelta()))
    silent = looked - last
    if silent <= limit:
        return None
    return Judged(effective=Effective.SUSPECTED_DEAD, since=last,
                  evidence=f"no sign of life for {span_text(silent)} (limit {span_text(limit)}); it never sent a "
                           "heartbeat, and no end was recorded")


def _stalled(run: Run, looked: datetime) -> Judged | None:
    # Without a single training step there is nothing to have stalled: many jobs log only at their end.
    if run.last_metric_at is None or not run.last_step:
        return None
    gap = step_gap(run) or timedelta()
    limit = max(STALLED_AFTER, 10 * gap)
    silent = looked - run.last_metric_at
    if silent <= limit:
        return None
    return Judged(effective=Effective.STALLED, since=run.last_metric_at,
                  evidence=f"alive, but no training step for {span_text(silent)} since step {run.last_step} "
                           f"(limit {span_text(limit)}, usual gap {span_text(gap)})")


def _overdue(run: Run, looked: datetime, history: History | None, objective_s: float | None) -> Judged | None:
    if run.started_at is None:
        return None
    elapsed = (looked - run.started_at).total_seconds()
    limit_s = history.limit_s if history else None
    if objective_s and elapsed > objective_s:
        limit, of = timedelta(seconds=objective_s), "its objective"
    elif limit_s is not None and history is not None and elapsed > limit_s:
        limit, of = timedelta(seconds=limit_s), f"the 99th percentile of {history.n} like runs"
    else:
        return None
    return Judged(effective=Effective.OVERDUE, since=run.started_at + limit,
                  evidence=f"running for {span_text(timedelta(seconds=elapsed))}, longer than {of} "
                           f"({span_text(limit)})")


def _alive(run: Run, looked: datetime) -> Judged:
    last = run.last_activity_at
    if last is None:
        text = "MLflow says RUNNING; it has no start time"
    elif last > looked + timedelta(minutes=1):
        text = f"MLflow says RUNNING; its clock is {span_text(last - looked)} ahead of ours"
    else:
        text = f"MLflow says RUNNING; last sign of life {span_text(looked - last)} ago"
    return Judged(effective=Effective.RUNNING, evidence=text, since=run.started_at)


def step_gap(run: Run) -> timedelta | None:
    """Return the usual time between training steps: first step to last over their number; None before two steps."""
    if run.started_at is None or run.last_metric_at is None or not run.last_step or run.last_step < 1:
        return None
    return max(timedelta(), run.last_metric_at - run.started_at) / run.last_step
