"""Write down how a job ended: tags on its run, the failure record and the last log lines as artefacts.

Nothing here may break a job: what cannot be written is logged and forgotten.
"""

import json
import logging
import os
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from services.training.classify import FAILURE_RECORD, LOG_TAIL, classify

_log = logging.getLogger(__name__)

_MESSAGE: Final = 500
_BY_SIGNAL: Final = {"KeyboardInterrupt": 130, "SIGTERM": 143}


def now_ms() -> int:
    """Return the time as MLflow counts it."""
    return time.time_ns() // 1_000_000


def failure(
    run_id: str, *, kind: str, message: str, trace: str = "", tail: list[str], exit_code: int | None = None
) -> None:
    """Tag a run with why it ended and leave the record and the last lines as artefacts.

    Args:
        run_id: of MLflow.
        kind: the exception's qualified name, or the signal's.
        message: the exception's text.
        trace: the formatted traceback.
        tail: the last lines that the job logged or printed.
        exit_code: of the process, as far as it is known.
    """
    code = _BY_SIGNAL.get(kind, 1) if exit_code is None else exit_code
    told = f"received {kind}" if kind == "SIGTERM" else f"{kind}: {message}".strip(": ")
    found = classify("\n".join([*tail, trace or told]), exit_code=code)
    record = {
        "type": kind, "message": message, "traceback": trace, "exit_code": code, "class": found.cls,
        "owner": str(found.owner), "retryable": found.retryable, "line": found.line, "at_ms": now_ms(),
        "host": socket.gethostname(), "pid": os.getpid(),
    }
    safely("the failure tags", lambda: tag(run_id, {
        "ops.fail.class": found.cls, "ops.fail.type": kind[:250], "ops.fail.message": message[:_MESSAGE],
        "ops.fail.exit_code": str(code), "ops.fail.evidence": FAILURE_RECORD}))
    safely("the failure record", lambda: client().log_text(run_id, json.dumps(record, indent=1), FAILURE_RECORD))
    if tail:
        safely("the last log lines", lambda: client().log_text(run_id, "\n".join(tail), LOG_TAIL))


def of_exception(run_id: str, error: BaseException, *, tail: list[str], exit_code: int | None = None) -> None:
    """Record an exception that ended a job."""
    cls = type(error)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    trace = "".join(traceback.format_exception(error))[-20_000:]
    failure(run_id, kind=name, message=str(error), trace=trace, tail=tail, exit_code=exit_code)


def tag(run_id: str, tags: dict[str, str]) -> None:
    """Set tags on a run, in one call."""
    from mlflow.entities import RunTag

    client().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def client() -> Any:
    """Return a client of the tracking server that the job uses."""
    from mlflow import MlflowClient

    return MlflowClient()


def safely(what: str, work: Callable[[], object]) -> None:
    """Do something that must not break the job, whatever happens."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- a training job must not die of its bookkeeping
        _log.warning("%s could not be written: %s", what, error)
