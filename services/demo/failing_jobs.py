"""Four ways in which a training really fails, each in a process of its own that is forked before TensorFlow loads.

- *diverges*: a descent with too long a step; its loss becomes NaN, and it raises.
- *missing column*: a feed that renamed a column; pandas raises.
- *killed*: SIGKILL in the middle; nobody ends the run, so MLflow says RUNNING for ever.
- *bare crash*: `start_run()` without `with`, then an error; MLflow says FINISHED.

Only the times are injected: a job of today is entered at the time it stands for. What a scheduler would know (the exit
code, the job's log) is added after the job's end by the process that started it, as a scheduler's epilogue does.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from services.demo.features import AIR_TIME, DELAY, FEATURES
from services.demo.flights import data_folder
from services.demo.tracking import RunRecord, Tracker

LOG_LINES: Final = 200
_LEARNING_RATE: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job that will fail, and when it is said to have started."""

    name: str
    experiment: str
    started_at: datetime
    work: Callable[[Tracker, str, "Job"], None]
    attempt: int = 1
    recorded: bool = True  # whether the job itself writes its failure down, as a well-behaved one does
    bare: bool = False

    @property
    def record(self) -> RunRecord:
        """The run as it is entered before the job begins."""
        return RunRecord(
            experiment=self.experiment, name=self.name, pipeline=f"{self.experiment}-refresh", kind="training",
            started_at=self.started_at, took_s=0, params={"learning_rate": _LEARNING_RATE, "batch": 256},
            tags={"ops.attempt": str(self.attempt), "ops.heartbeat": str(_ms(self.started_at)),
                  "ops.origin": "demo: really failed, start injected"},
        )


def jobs(now: datetime) -> list[Job]:
    """Return the jobs, oldest first."""
    def at(**ago: float) -> datetime:
        return now - timedelta(**ago)

    return [
        Job(name="delay-lr-sweep-1", experiment=DELAY, started_at=at(days=9, hours=4), work=_diverge),
        Job(name="air-time-new-feed", experiment=AIR_TIME, started_at=at(days=6, hours=2), work=_missing_column),
        Job(name="delay-lr-sweep-2", experiment=DELAY, started_at=at(days=3, hours=5), work=_diverge, attempt=2),
        Job(name="air-time-new-feed-retry", experiment=AIR_TIME, started_at=at(days=2, hours=1), work=_missing_column,
            attempt=2),
        Job(name="air-time-notebook", experiment=AIR_TIME, started_at=at(days=1, hours=3), work=_crash_bare,
            recorded=False, bare=True),
        Job(name="delay-wide-trees", experiment=DELAY, started_at=at(hours=9), work=_wait_for_death, recorded=False),
    ]


def run_all(tracker: Tracker, now: datetime, logs: Path) -> Callable[[], None] | None:
    """Run every job in a fork; return None in the parent, and in a child the job to run at the top of the program.

    A child must not fail somewhere down the parent's stack: an exception that ends the interpreter is part of what
    is shown, because only then does MLflow's own exit handler run.
    """
    logs.mkdir(parents=True, exist_ok=True)
    for job in jobs(now):
        run_id = tracker.begin(job.record)
        log = logs / f"{run_id}.log"
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            return lambda job=job, run_id=run_id, log=log: _in_child(tracker, job, run_id, log)  # type: ignore[misc]
        if job.work is _wait_for_death:
            _kill_when_ready(child, log)
        _, status = os.waitpid(child, 0)
        _epilogue(tracker, job, run_id, log, status=status, took_s=time.monotonic() - began)
    return None


def _in_child(tracker: Tracker, job: Job, run_id: str, log: Path) -> None:
    """Be the job: standard error goes to its log, and it fails as such jobs fail."""
    import mlflow

    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    _say(job, f"{job.name} started as attempt {job.attempt}")
    if job.bare:
        mlflow.start_run(run_id=run_id)  # no `with`: this is the mistake that is shown
        job.work(tracker, run_id, job)
        return
    with mlflow.start_run(run_id=run_id):
        try:
            job.work(tracker, run_id, job)
        except Exception as error:
            traceback.print_exc()
            _write_down(tracker, run_id, error, log)
            raise


def _write_down(tracker: Tracker, run_id: str, error: Exception, log: Path) -> None:
    """Leave the evidence that a well-behaved job leaves: what failed, and the end of its log."""
    said = {"type": type(error).__name__, "message": str(error)[:500], "exit_code": 1, "evidence": "ops/log.txt"}
    for key, value in said.items():
        tracker.client.set_tag(run_id, f"ops.fail.{key}", str(value))
    sys.stderr.flush()
    _keep_log(tracker, run_id, log)
    tracker.log_text(run_id, json.dumps(said), "ops/failure.json")


def _epilogue(tracker: Tracker, job: Job, run_id: str, log: Path, *, status: int, took_s: float) -> None:
    """Do what a scheduler does after a job: note exit code and log. A job killed with its node gets neither."""
    if os.WIFSIGNALED(status):
        return
    if not job.recorded:
        tracker.client.set_tag(run_id, "ops.fail.exit_code", str(os.waitstatus_to_exitcode(status)))
        tracker.client.set_tag(run_id, "ops.fail.evidence", "ops/log.txt")
        _keep_log(tracker, run_id, log)
    left_as = tracker.client.get_run(run_id).info.status
    ended = _ms(job.started_at) + max(1, round(took_s * 1000))
    tracker.client.set_terminated(run_id, status=left_as, end_time=ended)


def _keep_log(tracker: Tracker, run_id: str, log: Path) -> None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    tracker.log_text(run_id, "\n".join(lines) + "\n", "ops/log.txt")


def _diverge(tracker: Tracker, run_id: str, job: Job) -> None:
    """Fit a line by gradient descent with a step that is far too long, until the loss is no number."""
    import numpy as np
    import pandas as pd

    weather = pd.read_csv(data_folder() / "weather.csv", usecols=["temp", "dewp", "humid"]).dropna().head(2_000)
    x, y = weather[["temp", "dewp"]].to_numpy(), weather["humid"].to_numpy()
    weights = np.zeros(2)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(400):
            miss = x @ weights - y
            loss = float((miss**2).mean())
            if step % 5 == 0 or not np.isfinite(loss):
                _log(tracker, run_id, job, "loss", loss, step)
                _say(job, f"step {step} loss {loss:.6g}")
            if np.isnan(loss):
                raise FloatingPointError(f"loss is NaN at step {step}: training diverged")
            weights -= _LEARNING_RATE * 2 * (x.T @ miss) / len(y)


def _missing_column(tracker: Tracker, run_id: str, job: Job) -> None:
    """Read a feed whose `visib` is now called `visibility`."""
    import pandas as pd

    feed = pd.read_csv(data_folder() / "weather.csv", nrows=5_000).rename(columns={"visib": "visibility"})
    _say(job, f"read {len(feed)} rows")
    _log(tracker, run_id, job, "rows", float(len(feed)), 0)
    wanted = [name for name in FEATURES if name in feed.columns or name == "visib"]
    _say(job, f"features {feed[wanted].shape}")


def _crash_bare(tracker: Tracker, run_id: str, job: Job) -> None:
    """Run out of rows after an over-eager filter, in a script that never closes its run."""
    import pandas as pd

    feed = pd.read_csv(data_folder() / "weather.csv", nrows=5_000)
    calm = feed[feed["wind_speed"] < 0]
    _log(tracker, run_id, job, "rows", float(len(calm)), 0)
    _say(job, f"{len(calm)} rows left after the filter")
    calm["temp"].iloc[0]


def _wait_for_death(tracker: Tracker, run_id: str, job: Job) -> None:
    """Train on, logging, until somebody kills the process."""
    for step in range(10_000):
        _log(tracker, run_id, job, "loss", 0.7 * 0.99**step, step, after_s=60.0 * step)
        tracker.client.set_tag(run_id, "ops.heartbeat", str(_ms(job.started_at) + 60_000 * step))
        _say(job, f"step {step}")
        time.sleep(0.05)


def _kill_when_ready(child: int, log: Path) -> None:
    """Send SIGKILL once the job has written its third step."""
    until = time.monotonic() + 120  # a loaded machine takes its time
    while time.monotonic() < until and not (log.exists() and "step 2" in log.read_text(encoding="utf-8")):
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)


def _log(tracker: Tracker, run_id: str, job: Job, key: str, value: float, step: int, after_s: float = 0.0) -> None:
    tracker.client.log_metric(run_id, key, value, timestamp=_ms(job.started_at) + round(after_s * 1000) + step,
                              step=step)


def _say(job: Job, text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {job.experiment} {text}", file=sys.stderr, flush=True)  # noqa: T201


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
