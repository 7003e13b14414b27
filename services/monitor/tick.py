"""Run one pass: every step in order, each on its own, so that one broken source never stops the others."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.errors import OpsError
from services.monitor.step import Step

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a step did, how long it took, and its error where it failed."""

    name: str
    ok: bool
    message: str
    took_s: float


class Journal(Protocol):
    """Where the outcome of each step is kept."""

    def record(self, report: StepReport, *, now: datetime) -> None:
        """Store a report; a failure keeps the as-of time of the last success."""
        ...


def run_pass(
    steps: Sequence[Step], journal: Journal, *, clock: Callable[[], datetime],
    told: Callable[[StepReport], None] | None = None, ended: Callable[[], bool] = lambda: False,
) -> list[StepReport]:
    """Run every step once and return what each reported; none is begun any more once `ended` says so."""
    reports = []
    for step in steps:
        if ended():
            break
        now = clock()
        started = time.perf_counter()
        try:
            ok, message = True, step.run(now=now)
        except OpsError as error:
            ok, message = False, str(error)
        except Exception as error:  # noqa: BLE001 -- the one place: a bug in one step must not blind the others
            _log.exception("step %s failed", step.name)
            ok, message = False, f"monitor error in {step.name}: {type(error).__name__}: {error}"
        report = StepReport(name=step.name, ok=ok, message=message, took_s=time.perf_counter() - started)
        journal.record(report, now=now)
        reports.append(report)
        if told:
            told(report)
    return reports
