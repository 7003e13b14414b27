"""What the planner and the report are worked out from."""

from collections.abc import Sequence
from datetime import date, datetime

from services.adapters.pipeline_models import PipelineModels
from services.adapters.usage_runs import RunRequests
from services.bootstrap.rooms import Services
from services.core.measurement import Verdict
from services.core.window import parse_span
from services.quota.estimate import PastRun
from services.quota.hardware import Advice, advise
from services.quota.loads import Planned
from services.quota.prices import Price
from services.quota.report import Inputs
from services.quota.twice import NAME as TWO_POOLS


def report_inputs(services: Services) -> Inputs:
    """Return what a quota report is built from."""
    doubted = [m for m, _ in services.measurements.newest(name=TWO_POOLS) if m.verdict is Verdict.WARN]
    return Inputs(
        pools=services.pools,
        store=services.quota,
        runs=run_requests(services),
        prices=[
            Price(hardware=p.hardware, per_hour=p.per_hour, since=date.fromisoformat(p.since[:10]),
                  memory_gib=p.memory_gib, currency=p.currency)
            for p in services.settings.prices
        ],
        forecasts={m.subject: m for m, _ in services.measurements.newest(name="pool_forecast")},
        # Both pools of a pair say the same sentence.
        doubted=sorted({m.reason for m in doubted}),
    )


def plan_inputs(services: Services) -> tuple[list[Planned], RunRequests]:
    """Return what the planner knows of pipelines: the settings' and the mirror's."""
    planned = [
        Planned(name=p.name, kind=p.kind, pool=p.pool, schedule=p.schedule, request=p.request,
                objective=parse_span(p.objective) if p.objective else None)
        for p in services.settings.pipelines
    ]
    return planned, run_requests(services)


def run_requests(services: Services) -> RunRequests:
    """Return what runs request and wasted; a run that names no hardware ran on what its pool consists of."""
    return RunRequests(services.runs, hardware={pool.name: pool.model or pool.name for pool in services.pools})


def pipeline_models(services: Services) -> PipelineModels:
    """Return what is known of the models that pipelines make."""
    return PipelineModels(runs=services.runs, registry=services.registry, sizes=services.sizes,
                          traffic=services.traffic)


def advice(services: Services, pipeline: str, past: Sequence[PastRun], *, now: datetime) -> Advice:
    """Return the advisor's four answers for a pipeline from its past runs, its model and how that answers."""
    models = pipeline_models(services)
    made = next(iter(models.made_by(pipeline, now=now)), None)
    objective = float(services.settings.gateway.timeout_ms)
    return advise(
        pipeline, past, report_inputs(services).prices, models.size(pipeline, now=now), day=now.date(),
        peak_gib=run_requests(services).peak_gib(pipeline, now=now),
        served=models.served(made.model, now=now, target_ms=objective) if made else None,
    )
