"""What a run is: the typed copy of an MLflow run, and the words for how it really ended.

How the words are chosen is in effective.py; how a run is read from MLflow's tags, in tags.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

# MLflow's own words. Nothing else ends a run there.
TERMINAL: Final = frozenset({"FINISHED", "FAILED", "KILLED"})

# MLflow's stores keep infinity as the largest float; nothing real is that large.
INFINITE: Final = 1e307

LOST: Final = "lost_process"  # the failure class of a run that went silent


class Kind(StrEnum):
    """Which of the watched pipelines a run belongs to."""

    DATA = "data"
    TRAINING = "training"
    VALIDATION = "validation"
    SERVING = "serving"
    EXPERIMENT = "experiment"


class Effective(StrEnum):
    """How a run stands, as far as the evidence goes; shown beside MLflow's status, never instead of it."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    FINISHED_BUT_CRASHED = "finished-but-crashed"
    KILLED = "killed"
    SUSPECTED_DEAD = "suspected dead"
    STALLED = "stalled"
    OVERDUE = "overdue"


BROKEN: Final = frozenset({Effective.FAILED, Effective.FINISHED_BUT_CRASHED})
HUNG: Final = frozenset({Effective.SUSPECTED_DEAD, Effective.STALLED, Effective.OVERDUE})
ACTIVE: Final = frozenset({Effective.SCHEDULED, Effective.RUNNING, Effective.STALLED, Effective.OVERDUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One param, metric or tag. `number` is None for texts and for what is not finite; `text` then says which."""

    kind: str  # param, metric, tag
    key: str
    text: str | None = None
    number: float | None = None
    step: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run ended badly, as far as it is known; every field is empty where nothing was recorded."""

    cls: str = ""
    type: str = ""
    message: str = ""
    exit_code: int | None = None
    evidence: str = ""  # path of the artefact that shows it
    line: str = ""  # the log line the class was read from
    owner: str = ""
    retryable: bool | None = None
    fingerprint: str = ""

    @property
    def known(self) -> bool:
        """Tell whether anything at all was recorded about a failure; an exit code of 0 is not one."""
        return bool(self.cls or self.type or self.message) or self.exit_code not in (None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the mirror. Times are aware UTC; a field is empty or None where the run does not say."""

    run_id: str
    experiment_id: str
    experiment: str
    name: str
    status: str
    pipeline: str
    kind: Kind = Kind.TRAINING
    attributed: bool = False
    effective: Effective = Effective.RUNNING
    evidence: str = ""
    effective_since: datetime | None = None
    user: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    team: str = ""
    environment: str = ""
    pool: str = ""
    data_rows: int | None = None
    hardware: str = ""
    git_commit: str = ""
    parent_run_id: str = ""
    attempt: int | None = None
    retry_of: str = ""
    req_cpu: float | None = None
    req_ram_gib: float | None = None
    req_gpu: float | None = None
    req_tpu: float | None = None
    submitted_at: datetime | None = None
    scheduled_for: datetime | None = None
    sla_s: float | None = None
    job_ref: str = ""
    heartbeat_at: datetime | None = None
    last_metric_at: datetime | None = None
    last_system_at: datetime | None = None
    last_step: int | None = None
    failure: Failure = field(default_factory=Failure)
    slow_z: float | None = None
    slow_pct: float | None = None
    artifact_uri: str = ""
    deleted: bool = False
    as_of: datetime | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None while it runs, and where the clocks contradict each other."""
        if self.started_at is None or self.ended_at is None or self.ended_at < self.started_at:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def last_activity_at(self) -> datetime | None:
        """The newest sign of life: start, training metric, system metric, heartbeat or end."""
        signs = (self.started_at, self.last_metric_at, self.last_system_at, self.heartbeat_at, self.ended_at)
        return max((s for s in signs if s is not None), default=None)

    @property
    def queue_wait_s(self) -> float | None:
        """Seconds from submission to start, where the run says when it was submitted."""
        if self.submitted_at is None or self.started_at is None:
            return None
        return max(0.0, (self.started_at - self.submitted_at).total_seconds())

    def hours(self, *, now: datetime) -> float:
        """Return the hours the run has held its resources; of a dead one until its last sign of life."""
        if self.started_at is None:
            return 0.0
        end = self.ended_at or (self.last_activity_at if self.effective is Effective.SUSPECTED_DEAD else now) or now
        return max(0.0, (end - self.started_at).total_seconds()) / 3600

    def cost_hours(self, *, now: datetime) -> float:
        """Return the accelerator-hours held, or core-hours without an accelerator, or plain hours without either."""
        return self.hours(now=now) * (self.req_gpu or self.req_tpu or self.req_cpu or 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInput:
    """A data set that a run logged as its input; `uri` is empty where its source has no address."""

    name: str
    digest: str
    context: str = ""
    source: str = ""  # local, s3, code, …
    uri: str = ""
    rows: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRun:
    """A run exactly as MLflow tells it, in plain values; milliseconds since 1970 where it counts time so."""

    run_id: str
    experiment_id: str
    experiment: str
    status: str
    start_ms: int | None
    end_ms: int | None
    name: str = ""
    user: str = ""
    artifact_uri: str = ""
    deleted: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[tuple[str, float, int, int], ...] = ()  # key, value, milliseconds, step
    inputs: tuple[DataInput, ...] = ()
