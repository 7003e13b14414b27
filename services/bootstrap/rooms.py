"""What every face may use: the ops store's rooms, ready to be asked. Imports no heavy library."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from services.adapters.audit_table import AuditTable
from services.adapters.change_source import ChangeTable
from services.adapters.failure_table import FailureTable
from services.adapters.gate_table import GateTable
from services.adapters.house_tables import LeaseTable, SourceTable
from services.adapters.incident_table import IncidentTable
from services.adapters.job_table import JobTable
from services.adapters.log_ledger import LogLedger
from services.adapters.look_table import LookTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.model_size_table import ModelSizeTable
from services.adapters.notification_table import NotificationTable
from services.adapters.on_call_calendar import OnCallSource
from services.adapters.ops_db import OpsDb
from services.adapters.outbox_table import OutboxTable
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.quota_table import QuotaTable
from services.adapters.refusal_table import RefusalTable
from services.adapters.registry_table import RegistryTable
from services.adapters.release_table import ReleaseTable
from services.adapters.report_table import ReportTable
from services.adapters.role_table import RoleTable
from services.adapters.run_table import RunTable
from services.adapters.runbook_files import RunbookFiles
from services.adapters.schema_table import SampleTable, SchemaTable
from services.adapters.served_table import ServedTable
from services.adapters.signal_table import ScoreTable, TrafficTable
from services.adapters.usage_pools import pools_of
from services.alerts.telling import of_what_was_done
from services.quota.pool import Pool
from services.releases.desk import Desk, Terms
from services.settings import Settings

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ops store's rooms, ready to be asked. One per process."""

    settings: Settings
    db: OpsDb
    sources: SourceTable
    leases: LeaseTable
    jobs: JobTable
    measurements: MeasurementTable
    runs: RunTable
    registry: RegistryTable
    failures: FailureTable
    incidents: IncidentTable
    notifications: NotificationTable
    changes: ChangeTable
    on_call: OnCallSource
    runbooks: RunbookFiles
    quota: QuotaTable
    pools: tuple[Pool, ...]
    reports: ReportTable
    sizes: ModelSizeTable
    baselines: BaselineTable
    profiles: ProfileTable
    log_ledger: LogLedger
    traffic: TrafficTable
    scores: ScoreTable
    schemas: SchemaTable
    samples: SampleTable
    gates: GateTable
    releases: ReleaseTable
    outbox: OutboxTable
    served: ServedTable
    looks: LookTable
    audit: AuditTable
    refusals: RefusalTable
    roles: RoleTable
    desk: Desk  # where decisions about releases are made


def build(settings: Settings) -> Services:
    """Return the services over the ops store that the settings name; nothing is opened yet."""
    db = OpsDb(settings.store_url)
    releases = ReleaseTable(db)
    return Services(
        settings=settings,
        db=db,
        sources=SourceTable(db),
        leases=LeaseTable(db),
        jobs=JobTable(db),
        measurements=MeasurementTable(db),
        runs=RunTable(db),
        registry=RegistryTable(db),
        failures=FailureTable(db),
        incidents=IncidentTable(db, tell=partial(
            of_what_was_done, urls=settings.notifications.urls, link=settings.notifications.link)),
        notifications=NotificationTable(db),
        changes=ChangeTable(db),
        on_call=OnCallSource(settings),
        runbooks=RunbookFiles(settings.resolve(settings.runbooks.path) if settings.runbooks.path else None),
        quota=QuotaTable(db),
        pools=pools_of(settings),
        reports=ReportTable(db),
        sizes=ModelSizeTable(db),
        baselines=BaselineTable(
            db, {name: model.sensitive for name, model in settings.models.items()},
            {name: model.time_zone for name, model in settings.models.items()}),
        profiles=ProfileTable(db),
        log_ledger=LogLedger(db),
        traffic=TrafficTable(db),
        scores=ScoreTable(db, {name: model.task for name, model in settings.models.items()}),
        schemas=SchemaTable(db, {name: model.sensitive for name, model in settings.models.items()}),
        samples=SampleTable(db),
        gates=GateTable(db),
        releases=releases,
        outbox=OutboxTable(db),
        served=ServedTable(db),
        looks=LookTable(db),
        audit=AuditTable(db),
        refusals=RefusalTable(db),
        roles=RoleTable(db),
        desk=Desk(store=releases, terms=Terms.of(settings)),
    )
