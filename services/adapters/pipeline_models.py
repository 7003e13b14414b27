"""Know the model that a pipeline makes: which version it registered last, how big that is, how it answers."""

from datetime import datetime, timedelta
from typing import Final

from services.adapters.model_size_table import ModelSizeTable
from services.adapters.registry_table import RegisteredVersion, RegistryTable
from services.adapters.run_table import RunTable
from services.adapters.signal_table import TrafficTable
from services.core.window import HOUR, TimeWindow, floor_to
from services.quota.serving import peak
from services.quota.suits import ModelSize, Served
from services.serving.traffic import busiest, total
from services.training.ports import RunFilter
from services.training.run import Effective

_PAST: Final = timedelta(days=90)
_MEASURED_OVER: Final = timedelta(days=7)
_MOST: Final = 2_000
_PRODUCTION: Final = "production"


class PipelineModels:
    """The models of pipelines, for the advisor and the serving calculator."""

    def __init__(
        self, *, runs: RunTable, registry: RegistryTable, sizes: ModelSizeTable, traffic: TrafficTable,
    ) -> None:
        """Read the mirror, the sizes that were read from logged models, and the hours of traffic."""
        self._runs = runs
        self._registry = registry
        self._sizes = sizes
        self._traffic = traffic

    def made_by(self, pipeline: str, *, now: datetime) -> list[RegisteredVersion]:
        """Return the versions that were registered from runs of the pipeline, newest first."""
        runs = self._runs.find(RunFilter(pipeline=pipeline, since=now - _PAST), limit=_MOST)
        return self._registry.of_runs([run.run_id for run in runs])

    def size(self, pipeline: str, *, now: datetime) -> ModelSize:
        """Return how big a pipeline's newest model is: read from the logged model, else as its run logged it."""
        for made in self.made_by(pipeline, now=now):
            if read := self._sizes.of(made.model, made.version):
                return read
        return self._logged(pipeline, now)

    def served(self, model: str, *, now: datetime, target_ms: float | None = None) -> Served | None:
        """Return how a model answered in production over the last 7 days; None where it did not."""
        hour = floor_to(now, HOUR)
        hours = self._traffic.hours(model, TimeWindow(hour - _MEASURED_OVER, hour), environment=_PRODUCTION)
        if not hours:
            return None
        top, latency = busiest(hours), total(hours).latency
        return Served(model=model, qps=top.hour / 3600, p95_ms=latency.quantile(0.95), p50_ms=latency.quantile(0.5),
                      target_ms=target_ms, per_minute=top.minute,
                      peak=peak(top.hour, top.second, hours=top.hours, counted=top.counted))

    def _logged(self, pipeline: str, now: datetime) -> ModelSize:
        wanted = RunFilter(pipeline=pipeline, effective=Effective.FINISHED, since=now - _PAST)
        newest = max(self._runs.find(wanted, limit=_MOST), key=lambda run: run.started_at or now - _PAST, default=None)
        if newest is None:
            return ModelSize()
        values = {(v.kind, v.key): v for v in self._runs.values(newest.run_id)}

        def metric(key: str) -> float | None:
            return values["metric", key].number if ("metric", key) in values else None

        name = values.get(("param", "model_type")) or values.get(("tag", "estimator_name"))
        return ModelSize(params=metric("model_params"), bytes=metric("model_bytes"), operations=metric("model_ops"),
                         architecture=(name.text or "") if name else "", source=f"as run {newest.run_id[:8]} logged it")
