"""Read from the mirror of MLflow what active runs request, and what ended runs wasted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from services.adapters.run_table import RunTable
from services.core.window import TimeWindow
from services.quota.allot import pool_of
from services.quota.estimate import PastRun, quantile
from services.quota.pool import Pool
from services.quota.ports import Request, Wasted
from services.training.ports import RunFilter
from services.training.run import BROKEN, HUNG, Effective, Run

_MOST: Final = 50_000
_PAST: Final = timedelta(days=90)
# Where a run says what it trains and with what: the first that is there counts.
_MODEL_TYPES: Final = (("param", "model_type"), ("tag", "estimator_name"))
_FRAMEWORKS: Final = (("tag", "estimator_class"), ("param", "framework"), ("param", "library"))
_ALSO: Final = {"scikit-learn": "sklearn"}


class RunRequests:
    """What the mirror's runs request and wasted."""

    def __init__(self, runs: RunTable, *, hardware: Mapping[str, str] | None = None) -> None:
        """Read the given mirror; `hardware` names what a pool consists of, for runs that do not say."""
        self._runs = runs
        self._hardware = hardware or {}

    def active(self) -> Sequence[Request]:
        """Return every active run that requests anything."""
        return [
            Request(
                pipeline=run.pipeline, pool=run.pool, kind=str(run.kind), team=run.team, environment=run.environment,
                amounts=_amounts(run),
                waiting=run.status == "SCHEDULED",
            )
            for run in self._runs.active()
        ]

    def wasted(self, window: TimeWindow, *, pools: Sequence[Pool], now: datetime) -> list[Wasted]:
        """Return what was wasted by runs that started in the window, per cause, pool and pipeline.

        Allocated, not measured: a run holds what it requested from start to end, of a dead one to its last sign of
        life. Of a slow run only the surplus over its usual time counts.
        """
        hours: dict[tuple[str, str, str, str], float] = defaultdict(float)
        runs: dict[tuple[str, str, str, str], int] = defaultdict(int)
        for run in self._runs.find(RunFilter(since=window.start, until=window.end), limit=_MOST):
            cause, share = _cause(run)
            if not cause:
                continue
            request = Request(pipeline=run.pipeline, pool=run.pool, amounts=_amounts(run))
            for resource, held in request.amounts.items():
                if pool := pool_of(request, resource, pools):
                    key = (cause, pool.name, run.pipeline, run.team)
                    hours[key] += run.hours(now=now) * held * share
                    runs[key] += 1
        return [Wasted(cause=cause, pool=pool, pipeline=pipeline, team=team, unit_hours=total,
                       runs=runs[cause, pool, pipeline, team])
                for (cause, pool, pipeline, team), total in sorted(hours.items())]

    def lengths(self, *, now: datetime) -> dict[str, timedelta]:
        """Return per pipeline the P90 of how long its finished runs of the last 90 days took."""
        hours: dict[str, list[float]] = defaultdict(list)
        for run in self._finished(now):
            hours[run.pipeline].append((run.duration_s or 0.0) / 3600)
        return {name: timedelta(hours=quantile(sorted(own), 0.9)) for name, own in hours.items()}

    def past(self, resource: str, *, now: datetime) -> list[PastRun]:
        """Return the finished runs of the last 90 days that held any of a resource, for estimates."""
        runs = [run for run in self._finished(now) if _amounts(run).get(resource)]
        ids = [run.run_id for run in runs]
        params, epochs = (self._runs.values_of(ids, kind=kind, key=key) for kind, key in (
            ("metric", "model_params"), ("param", "epochs")))
        kinds, works = self._said(ids, _MODEL_TYPES), self._said(ids, _FRAMEWORKS)
        return [
            PastRun(run_id=run.run_id, pipeline=run.pipeline, kind=str(run.kind), hours=(run.duration_s or 0.0) / 3600,
                    held=_amounts(run)[resource], rows=run.data_rows,
                    hardware=run.hardware or self._hardware.get(run.pool, ""),
                    # MLflow's autologging names the class: sklearn.ensemble._forest.RandomForestClassifier.
                    framework=_ALSO.get(word := works.get(run.run_id, "").partition(".")[0].lower(), word),
                    params=params[run.run_id].number if run.run_id in params else None,
                    epochs=epochs[run.run_id].number if run.run_id in epochs else None,
                    model_type=kinds.get(run.run_id, ""))
            for run in runs
        ]

    def _said(self, ids: Sequence[str], keys: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Return per run the first of some params and tags that it has."""
        found: dict[str, str] = {}
        for kind, key in reversed(keys):
            found |= {run: value.text for run, value in self._runs.values_of(ids, kind=kind, key=key).items()
                      if value.text}
        return found

    def peak_gib(self, pipeline: str, *, now: datetime) -> float | None:
        """Return the most device memory in GiB that a pipeline's finished runs reported, or None.

        MLflow's system metrics are of the whole host: an upper bound, which is the safe side for what must fit.
        """
        ids = [run.run_id for run in self._finished(now) if run.pipeline == pipeline]
        found = self._runs.values_of(ids, kind="metric", key="system/gpu_0_memory_usage_megabytes")
        known = [value.number for value in found.values() if value.number is not None]
        return max(known) / 1024 if known else None

    def wasted_share(self, *, now: datetime) -> float:
        """Return which share of the hours of the last 90 days went into runs that were killed, failed or hung."""
        total = lost = 0.0
        for run in self._runs.find(RunFilter(since=now - _PAST), limit=_MOST):
            hours = run.cost_hours(now=now)
            total += hours
            lost += hours * _cause(run)[1]
        return lost / total if total else 0.0

    def _finished(self, now: datetime) -> list[Run]:
        wanted = RunFilter(effective=Effective.FINISHED, since=now - _PAST)
        return [run for run in self._runs.find(wanted, limit=_MOST) if run.duration_s]


def _amounts(run: Run) -> Mapping[str, float]:
    asked = (("cpu", run.req_cpu), ("ram", run.req_ram_gib), ("gpu", run.req_gpu), ("tpu", run.req_tpu))
    return {resource: wanted for resource, wanted in asked if wanted}


def _cause(run: Run) -> tuple[str, float]:
    """Return why a run's hours were wasted and which share of them; an empty cause where they were not."""
    if run.effective is Effective.KILLED:
        return "killed", 1.0
    if run.effective in BROKEN:
        return "failed", 1.0
    if run.effective in HUNG:
        return "hung", 1.0
    if run.slow_pct and run.slow_pct > 0:
        return "slower", run.slow_pct / (100 + run.slow_pct)
    return "", 0.0
