"""Put the steps of serving, checks and quality together over one home's logs and stores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.adapters.dataset_rows import DatasetRows
from services.adapters.health_probe import HealthProbe
from services.adapters.house_tables import SourceTable
from services.adapters.log_ledger import LogLedger
from services.adapters.logged_datasets import LoggedDatasets
from services.adapters.loss_estimate import estimate_losses, windows
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.registry_table import RegistryTable
from services.adapters.run_table import RunTable
from services.adapters.schema_table import SampleTable, SchemaTable
from services.adapters.signal_cursor import SignalCursor
from services.adapters.signal_log import SignalLog, label_files
from services.adapters.signal_rows import SignalRows
from services.adapters.signal_table import LogNews, ScoreTable, TrafficTable
from services.adapters.validation_scores import MirroredScores
from services.core.window import TimeWindow, parse_span
from services.monitor.step import Step
from services.monitor.steps.checks import Accepting, ChecksStep, Faults
from services.monitor.steps.datasets import DatasetsStep
from services.monitor.steps.quality import LabelsStep, QualityStep, Watched
from services.monitor.steps.signals import Failures, ServingStep, TrafficStep
from services.predictions.ledger import LogFile
from services.quality.estimate import Estimate
from services.quality.foresee import REFERENCE
from services.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The tables that the steps read and write."""

    db: OpsDb
    sources: SourceTable
    measurements: MeasurementTable
    ledger: LogLedger
    baselines: BaselineTable
    profiles: ProfileTable
    registry: RegistryTable
    runs: RunTable
    traffic: TrafficTable
    scores: ScoreTable
    schemas: SchemaTable
    samples: SampleTable


def signal_logs(settings: Settings, ledger: LogLedger) -> dict[str, SignalLog]:
    """Return the prediction and label logs of every model, read for aggregates."""
    return {
        name: SignalLog(
            name, model, root=settings.log_root(name), files=_prediction_files(settings, ledger, name),
            label_root=settings.label_root(name),
            label_files=_files(ledger, f"labels:{name}"),
        )
        for name, model in settings.models.items()
    }


def rows_of(settings: Settings, stores: Stores) -> dict[str, SignalRows]:
    """Return what looks up the failing rows of every model."""
    return {name: SignalRows(model, root=settings.log_root(name),
                             files=_prediction_files(settings, stores.ledger, name))
            for name, model in settings.models.items()}


def faults_of(settings: Settings, stores: Stores) -> Faults:
    """Return where the faulty values of every model are looked up, and which nobody may see."""
    return Faults(rows=rows_of(settings, stores), samples=stores.samples,
                  sensitive={name: model.sensitive for name, model in settings.models.items()},
                  request_ids={name: model.columns.request_id for name, model in settings.models.items()})


def accepting(settings: Settings, stores: Stores) -> Accepting:
    """Return what saves the rates of rare values after taking out what people accepted."""
    return Accepting(schemas=stores.schemas, baselines=stores.baselines, faults=faults_of(settings, stores),
                     save=stores.measurements.save)


def signal_steps(settings: Settings, stores: Stores) -> list[Step]:
    """Return the steps, to stand after the profiles: they read the ledger that those keep."""
    cursor, news = SignalCursor(stores.sources), LogNews(stores.db)
    logs = {n: log for n, log in signal_logs(settings, stores.ledger).items() if settings.models[n].format != "table"}
    save, faults = stores.measurements.save, faults_of(settings, stores)
    failures = Failures(rows=rows_of(settings, stores), sensitive=faults.sensitive, samples=stores.samples)
    return [
        TrafficStep(logs=logs, tables=[n for n in settings.models if n not in logs], news=news.since, come=news.inside,
                    cursor=cursor, store=stores.traffic),
        ServingStep(models=list(settings.models), environments=list(settings.environments), store=stores.traffic,
                    cursor=cursor, prober=HealthProbe(settings), failures=failures, save=save),
        ChecksStep(models=list(settings.models), baselines=stores.baselines, profiles=stores.profiles,
                   schemas=stores.schemas, hours=stores.traffic, faults=faults, save=save),
        LabelsStep(
            logs=logs, ledger=stores.ledger, news=news.since, cursor=cursor, store=stores.scores,
            files={n: label_files(settings, n) for n in logs if settings.models[n].labels},
        ),
        QualityStep(
            models={n: Watched(task=m.task, maturity=parse_span(m.label_maturity), labelled=bool(m.labels))
                    for n, m in settings.models.items() if n in logs},
            logs=logs, store=stores.scores, validation=MirroredScores(stores.registry, stores.runs), save=save,
            losses=_losses(settings, logs),
        ),
        DatasetsStep(
            datasets=[DatasetRows(n, settings.resolve(d.path), d) for n, d in settings.datasets.items()],
            champion_of=lambda model: found.version if (found := stores.registry.champion(model)) else "",
            baselines=stores.baselines, profiles=stores.profiles, schemas=stores.schemas,
            measurements=stores.measurements,
            logged=LoggedDatasets(
                {m: next((d.label for d in settings.datasets.values() if d.model == m and d.label), "")
                 for m in settings.models}, stores.registry, stores.runs),
        ),
    ]


def _losses(
    settings: Settings, logs: Mapping[str, SignalLog]
) -> Callable[[str, str, TimeWindow, datetime], list[Estimate]]:
    def losses(model: str, environment: str, mature: TimeWindow, now: datetime) -> list[Estimate]:
        setting = settings.models[model]
        features = [f for f in setting.features if f not in setting.sensitive]
        reference, asked = windows(mature, now, length=REFERENCE)
        return estimate_losses(logs[model], features, environment=environment, reference=reference, asked=asked)

    return losses


def _prediction_files(settings: Settings, ledger: LogLedger, model: str) -> Callable[[], Mapping[str, LogFile]]:
    """Return what the ledger knows of a model's files; what it knows of a table are hours, which nobody can open."""
    return dict if settings.models[model].format == "table" else _files(ledger, f"predictions:{model}")


def _files(ledger: LogLedger, log: str) -> Callable[[], Mapping[str, LogFile]]:
    return lambda: ledger.files(log)
