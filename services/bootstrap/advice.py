"""What stands beside a release's gates as advice: does its serving fit into its pool, and what did training take."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.bootstrap.planning import report_inputs
from services.bootstrap.rooms import Services
from services.core.window import DAY, TimeWindow
from services.quota.history import now_held
from services.quota.prices import price_at
from services.quota.serving import peak
from services.releases.release import Release
from services.releases.serving_fit import Serving, serving_fit
from services.releases.training_cost import Training, training_cost
from services.serving.traffic import busiest, total
from services.validation.gate import Gate, Report

_SMOKE: Final = "latency of a smoke inference"
_HELD: Final = {"cpu": "req_cpu", "ram": "req_ram_gib", "gpu": "req_gpu", "tpu": "req_tpu"}


def release_advice(
    services: Services, *, clock: Callable[[], datetime]
) -> Callable[[Release, Report | None], list[Gate]]:
    """Return what advises on a release, given its newest validation."""
    fits = _serving_advice(services, clock=clock)

    def advise(release: Release, report: Report | None) -> list[Gate]:
        return [fits(release, report), training_cost(
            _training(services, release.model, release.version), _training(services, release.model, release.champion))]

    return advise


def _training(services: Services, model: str, version: str) -> Training | None:
    """Return what the run behind a version held, as the mirror tells it."""
    found = services.registry.version(model, version) if version else None
    run = services.runs.get(found.run_id) if found and found.run_id else None
    if run is None:
        return None
    hours = run.duration_s / 3600 if run.duration_s is not None else None
    pool = next((p for p in services.pools if p.name == run.pool), None)
    if pool is None:
        return Training(unit_hours="core-hours", hours=hours, held=run.req_cpu)
    day = run.started_at.date() if run.started_at else None
    price = price_at(report_inputs(services).prices, pool.model or pool.name, day) if day else None
    return Training(pool=pool.name, unit_hours=pool.unit_hours, hours=hours, held=getattr(run, _HELD[pool.resource]),
                    per_hour=price.per_hour if price else None, currency=price.currency if price else "")


def _serving_advice(services: Services, *, clock: Callable[[], datetime]) -> Callable[[Release, Report | None], Gate]:
    """Return what says whether a release's version can be served out of its pool."""

    def advise(release: Release, report: Report | None) -> Gate:
        now = clock()
        named = next((p for p in services.settings.pipelines if p.kind == "serving" and p.pool
                      and p.name.startswith(release.model)), None)
        pool = next((p for p in services.pools if named and p.name == named.pool), None)
        if named is None or pool is None:
            return serving_fit(Serving())
        hours = services.traffic.hours(release.model, TimeWindow.last(7 * DAY, now=now),
                                       environment=release.environment)
        top = busiest(hours)
        standing = now_held(services.quota, pool, now=now)
        held = sum(s.used for s in standing.shares if s.pipeline == named.name) if standing else 0.0
        return serving_fit(Serving(
            pool=pool.name, unit=pool.unit, peak=peak(top.hour, top.second, hours=top.hours, counted=top.counted),
            service_ms=_service_ms(report) or total(hours).latency.quantile(0.5), per_replica=named.request or 1.0,
            held=held, free=max(0.0, standing.limit - standing.used) if standing else None))

    return advise


def _service_ms(report: Report | None) -> float | None:
    """Return how long one request of the candidate took when it was validated."""
    for gate in report.gates if report else ():
        if gate.name == _SMOKE and isinstance(gate.value, int | float):
            return float(gate.value)
    return None
