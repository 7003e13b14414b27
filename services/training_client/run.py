"""Start an MLflow run that says what it is, beats, and tells the truth about its end.

It works as a context manager and as a decorator; scikit-learn and Keras code goes inside unchanged.
"""

import sys
from collections.abc import Mapping
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, Literal, Self

from services.training_client import record
from services.training_client.context import environment_tags
from services.training_client.watch import BEAT_S, Tee, Terminated, watch

KindName = Literal["data", "training", "validation", "serving", "experiment"]


class training_run(ContextDecorator):  # noqa: N801 -- used as a verb: with training_run(...)
    """One run of a pipeline.

    Args:
        pipeline: its name; the console groups by it.
        kind: which of the watched pipelines it is.
        name: the run's name.
        team: who owns it.
        environment: such as production or experiment.
        pool: the quota pool it takes from.
        cpu: cores requested.
        ram_gib: memory requested.
        gpu: GPUs requested.
        tpu: TPUs requested.
        accelerator: such as A100-80GB; durations are compared on like hardware.
        data_rows: rows read; durations are compared per row where they differ.
        objective_s: how long it may take, in seconds.
        attempt: number of the try.
        retry_of: the run that this one repeats.
        tags: further tags, laid over these.
        beat_s: seconds between heartbeats.

    Entering returns MLflow's run. An exception ends it FAILED, `sys.exit(0)` FINISHED, Ctrl-C and SIGTERM KILLED; each
    leaves its reason. The exception goes on as if this were not here.
    """

    def __init__(
        self, pipeline: str, *, kind: KindName = "training", name: str = "", team: str = "", environment: str = "",
        pool: str = "", cpu: float | None = None, ram_gib: float | None = None, gpu: float | None = None,
        tpu: float | None = None, accelerator: str = "", data_rows: int | None = None,
        objective_s: float | None = None, attempt: int | None = None, retry_of: str = "",
        tags: Mapping[str, str] | None = None, beat_s: float = BEAT_S,
    ) -> None:
        given = {
            "ops.pipeline": pipeline, "ops.pipeline_kind": kind, "ops.team": team, "ops.env": environment,
            "ops.pool": pool, "ops.req.cpu": cpu, "ops.req.ram_gib": ram_gib, "ops.req.gpu": gpu, "ops.req.tpu": tpu,
            "ops.hw.accelerator": accelerator, "ops.data_rows": data_rows, "ops.sla_s": objective_s,
            "ops.attempt": attempt, "ops.retry_of": retry_of,
        }
        self._tags = {key: str(value) for key, value in given.items() if value not in (None, "")} | dict(tags or {})
        self._name, self._beat_s = name, beat_s
        self._run_id = ""
        self._streams: tuple[Any, Any] | None = None

    def _recreate_cm(self) -> Self:
        """Return a fresh run for each call of a decorated function."""
        again = type(self).__new__(type(self))
        again.__dict__ = dict(self.__dict__)
        return again

    def __enter__(self) -> Any:
        """Start the run and the heartbeat; return MLflow's run."""
        import mlflow

        seen = watch()
        tags = {**environment_tags(), **self._tags, "ops.heartbeat": str(record.now_ms())}
        run = mlflow.start_run(run_name=self._name or None, tags=tags, nested=mlflow.active_run() is not None)
        self._run_id = run.info.run_id
        self._done = seen.beat(self._run_id, every_s=self._beat_s)
        self._streams = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = Tee(sys.stdout, seen.tail.lines), Tee(sys.stderr, seen.tail.lines)
        return run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        """End the run as it really ended; the exception goes on."""
        import mlflow

        self._done.set()
        if self._streams:
            sys.stdout, sys.stderr = self._streams
        status = self._write(error) if error is not None else "FINISHED"
        watch().recorded(self._run_id)
        # Through MLflow, so that its stack of runs and its system metrics end as well.
        record.safely("the end of the run", lambda: mlflow.end_run(status))
        return False

    def _write(self, error: BaseException) -> str:
        tail = list(watch().tail.lines)
        if isinstance(error, Terminated):
            record.failure(self._run_id, kind="SIGTERM", message="the process was told to stop", tail=tail,
                           exit_code=143)
            return "KILLED"
        if isinstance(error, KeyboardInterrupt):
            record.of_exception(self._run_id, error, tail=tail, exit_code=130)
            return "KILLED"
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
            if code == 0:
                record.safely("the exit code", lambda: record.tag(self._run_id, {"ops.exit_code": "0"}))
                return "FINISHED"
            record.failure(self._run_id, kind="SystemExit", message=f"sys.exit({error.code})", tail=tail,
                           exit_code=code)
            return "FAILED"
        record.of_exception(self._run_id, error, tail=tail)
        return "FAILED"
