"""The monitor's pass: its steps, in order, with the heavy libraries imported where a step needs them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from services.adapters.house_tables import Cursor, SourceState, SourceTable
from services.adapters.usage_runs import RunRequests
from services.alerts.briefing import briefing
from services.alerts.from_settings import all_rules
from services.alerts.incident import Incident
from services.alerts.suspects import LOOK_BACK
from services.bootstrap.planning import report_inputs
from services.bootstrap.rooms import Services
from services.bootstrap.targets import _canary_logs, targets_of
from services.core.window import TimeWindow, parse_span
from services.errors import SourceUnavailable
from services.monitor.pulse import PauseStep
from services.monitor.step import Step
from services.monitor.steps.alerts import AlertsStep
from services.monitor.steps.audit import AuditStep
from services.monitor.steps.denials import DenialsStep
from services.monitor.steps.health import HealthStep
from services.monitor.tick import StepReport
from services.profiles.ports import PredictionLog
from services.quota.report import build as build_report
from services.releases import drill
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.log_compaction import LogCompaction


def build_steps(services: Services, *, read: Callable[[int], None] | None = None) -> list[Step]:
    """Return the monitor's steps, in the order of a pass; `read` hears how many runs a pass has read so far."""
    steps: list[Step] = [PauseStep(states=services.sources, save=services.measurements.save,
                                   every=parse_span(services.settings.monitor.interval))]
    # First: what MLflow says is what the others measure.
    steps += _training_steps(services, read)
    steps += _quota_steps(services)
    steps += _profile_steps(services)
    steps += _release_steps(services)
    steps += _planning_steps(services)
    # Last, whatever comes before: what was measured in this pass becomes incidents in this pass.
    steps += _alert_steps(services)
    return steps


def _training_steps(services: Services, read: Callable[[int], None] | None) -> list[Step]:
    from services.adapters.mlflow_runs import MlflowRuns
    from services.adapters.mlflow_sql import MlflowSql
    from services.adapters.run_mirror import MirrorCursor, RunMirror
    from services.monitor.steps.mirror import MirrorStep
    from services.monitor.steps.training import Objective, TrainingStep

    settings = services.settings
    runs = RunMirror(services.db, kinds={p.name: p.kind for p in settings.pipelines})
    cursor = MirrorCursor(services.sources)
    objectives = {
        p.name: Objective(seconds=parse_span(p.objective).total_seconds() if p.objective else None,
                          environment=p.environment, schedule=p.schedule)
        for p in settings.pipelines
    }
    where = settings.tracking_uri, settings.tracking.registry_uri
    source = MlflowSql(*where, sql=settings.tracking.sql) if settings.tracking.sql else MlflowRuns(*where)
    return [
        MirrorStep(source, runs, services.registry, cursor, rules=services.failures.rules,
                   named=lambda: settings.tracking_named, told=read),
        TrainingStep(runs, services.measurements, mirror_as_of=cursor.as_of, objectives=objectives),
    ]


def _quota_steps(services: Services) -> list[Step]:
    from services.adapters.usage_sources import always_on, meant, sources_of
    from services.monitor.steps.quota import QuotaStep

    settings, targets = services.settings, targets_of(services)
    return [
        QuotaStep(
            pools=services.pools,
            sources=sources_of(settings, services.pools, observe=lambda m, e: targets(m, e).observe(m, e)),
            requests=RunRequests(services.runs),
            always_on=always_on(settings),
            store=services.quota,
            measurements=services.measurements,
            declared={p.name: p.request for p in settings.pipelines if p.request},
            owners={p.name: p.owner for p in settings.pipelines if p.owner},
            meant=meant(settings),
        )
    ]


def _profile_steps(services: Services) -> list[Step]:
    from services.adapters.dataset_baseline import DatasetBaselines
    from services.adapters.mlflow_baseline import MlflowBaselines
    from services.adapters.signal_steps import Stores, accepting, signal_steps
    from services.monitor.steps.compaction import CompactionStep
    from services.monitor.steps.drift import DriftStep
    from services.monitor.steps.profiles import BaselinesStep, ProfilesStep
    from services.profiles.ports import BaselineSource

    settings = services.settings
    logged = MlflowBaselines(settings.tracking_uri, settings.tracking.registry_uri)
    sources: dict[str, BaselineSource] = {
        name: logged if model.baseline == "training" else DatasetBaselines(settings.resolve(model.baseline), model)
        for name, model in settings.models.items()
    }
    slices = {name: model.slices for name, model in settings.models.items()}
    stores = Stores(
        db=services.db, sources=services.sources, measurements=services.measurements, ledger=services.log_ledger,
        baselines=services.baselines, profiles=services.profiles, registry=services.registry, runs=services.runs,
        traffic=services.traffic, scores=services.scores, schemas=services.schemas, samples=services.samples,
    )
    return [
        BaselinesStep(sources=sources, store=services.baselines),
        CompactionStep(logs=_compactors(services)),
        ProfilesStep(
            logs={n: prediction_log(settings, n) for n in settings.models}, slices=slices,
            baselines=services.baselines, profiles=services.profiles, ledger=services.log_ledger,
            save=services.measurements.save,
        ),
        DriftStep(models=slices, baselines=services.baselines, profiles=services.profiles,
                  save=accepting(settings, stores)),
        *signal_steps(settings, stores),
    ]


def _compactors(services: Services) -> "dict[str, LogCompaction]":
    """Return what compacts the logs that our own gateway writes: Parquet below a folder."""
    from services.adapters.log_compaction import LogCompaction

    settings = services.settings
    return {
        name: LogCompaction(f"predictions:{name}", settings.log_root(name), services.log_ledger,
                            time_column=model.columns.timestamp)
        for name, model in settings.models.items() if model.format == "parquet" and not model.mirrored
    }


def prediction_log(settings: Settings, name: str) -> PredictionLog:
    """Return the log of a model: files by DuckDB, in place or by their mirror; a table where it lies."""
    from services.adapters.mirrored_log import MirroredLog
    from services.adapters.prediction_log import ParquetLog
    from services.adapters.table_log import TableLog

    model = settings.models[name]
    if model.format == "table":
        return TableLog(name, settings.engine.url, model)
    if model.mirrored:
        location = model.log if model.remote else str(settings.resolve(model.log))
        return MirroredLog(name, location, model, mirror=settings.log_root(name))
    return ParquetLog(name, settings.log_root(name), model)


def _release_steps(services: Services) -> list[Step]:
    from services.monitor.steps.canary import CanaryStep
    from services.monitor.steps.drill import DrillStep

    return [
        CanaryStep(
            releases=services.releases.newest,
            places=services.releases.places,
            spans=services.served.spans,
            logs=_canary_logs(services),
            looks=services.looks,
            save=services.measurements.save,
        ),
        DrillStep(
            places=services.releases.places,
            last=lambda: [m for m, _ in services.measurements.newest(name=drill.NAME)],
            targets=targets_of(services),
            save=services.measurements.save,
        ),
    ]


def _planning_steps(services: Services) -> list[Step]:
    from services.monitor.steps.report import ReportStep
    from services.monitor.steps.sizes import ModelSizesStep

    settings = services.settings
    sizes: list[Step] = [
        ModelSizesStep(versions=services.registry.wanted_first, sizes=services.sizes, jobs=services.jobs)]
    if not settings.report.monthly or not services.pools:
        return sizes
    return [
        *sizes,
        ReportStep(
            desk=services.reports,
            build=lambda month, now: build_report(month, report_inputs(services), now=now),
            after=parse_span(settings.report.after),
            urls=settings.report.urls or settings.notifications.urls,
            link=settings.notifications.link,
        )
    ]


def _brief(services: Services, incident: Incident) -> list[str]:
    """Return why perhaps and what first; a runbook folder that cannot be read takes away a line, not the letter."""
    window = TimeWindow(incident.opened_at - LOOK_BACK, incident.opened_at + timedelta(minutes=5))
    try:
        book = services.runbooks.all().get(incident.runbook)
    except SourceUnavailable:
        book = None
    return briefing(incident, services.changes.changes(incident.subject, window), book)


def alerts_step(services: Services) -> AlertsStep:
    """Return what turns the newest measurements into incidents and letters."""
    settings = services.settings
    return AlertsStep(
        measured=services.measurements,
        incidents=services.incidents,
        outbox=services.notifications,
        rules=all_rules(settings),
        rotation=services.on_call.rotation,
        urls=settings.notifications.urls,
        link=settings.notifications.link,
        repeat=parse_span(settings.notifications.repeat),
        escalate=parse_span(settings.notifications.escalate),
        brief=partial(_brief, services),
    )


def _alert_steps(services: Services) -> list[Step]:
    from services.adapters.dead_man import DeadManStep

    settings = services.settings
    watcher = settings.monitor.dead_man_url
    last: list[Step] = [DeadManStep(url=watcher)] if watcher else []
    return [
        AuditStep(chain=services.audit, memory=Cursor(services.sources, "audit-chain"),
                  save=services.measurements.save),
        DenialsStep(refusals=services.refusals, save=services.measurements.save),
        HealthStep(
            states=services.sources,
            keeper=services.measurements,
            interval=parse_span(settings.monitor.interval),
        ),
        alerts_step(services),
        *last,
    ]


class SourceJournal:
    """Keeps the outcome of each step of a pass as the as-of time of a source named `step:…`."""

    def __init__(self, sources: SourceTable) -> None:
        """Write into the given table."""
        self._sources = sources

    def record(self, report: StepReport, *, now: datetime) -> None:
        """Store one report."""
        self._sources.save(SourceState(name=f"step:{report.name}", as_of=now if report.ok else None, tried_at=now,
                                       ok=report.ok, message=report.message, took_s=report.took_s))
