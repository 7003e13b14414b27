"""Where releases go: the targets that the settings name, and what carries decisions out to them."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from services.bootstrap.advice import release_advice
from services.bootstrap.rooms import Services
from services.errors import Refused
from services.monitor.beside import Beside
from services.monitor.decisions import Decisions
from services.monitor.outbox import OutboxWorker
from services.monitor.survey import Survey
from services.releases import backtest
from services.releases.canary import Counted, Span
from services.releases.ports import Registry, Targets
from services.releases.release import Release
from services.releases.target import DeploymentTarget
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.blast_radius import BlastRadius
    from services.adapters.canary_log import CanaryLog


def targets_of(services: Services) -> Targets:
    """Return the targets that the settings name, over the registry that they name."""
    from services.adapters.mlflow_registry import MlflowRegistry

    settings = services.settings
    return release_targets(settings, MlflowRegistry(settings.tracking_uri, settings.tracking.registry_uri))


def judge_again(services: Services, *, model: str = "", alpha: float = 0.05) -> list[backtest.Replayed]:
    """Return the releases that ended, judged again from the log."""
    logs = _canary_logs(services)

    def count(release: Release, spans: list[Span]) -> Counted:
        return logs[release.model].count(
            spans, environment=release.environment, champion=release.champion, candidate=release.version,
            limit_ms=services.looks.limit_ms(release.id), now=release.since)

    found = [r for r in services.releases.newest(model=model) if r.model in logs]
    return backtest.replay(found, spans=services.served.spans, count=count, alpha=alpha)


def blast_radius(services: Services) -> "BlastRadius":
    """Return what measures how far a version reached."""
    from services.adapters.blast_radius import BlastRadius

    return BlastRadius(settings=services.settings, log=_canary_logs(services).__getitem__)


def _canary_logs(services: Services) -> dict[str, "CanaryLog"]:
    from services.adapters.canary_log import CanaryLog

    settings, ledger = services.settings, services.log_ledger
    return {
        name: CanaryLog(model, root=settings.log_root(name), files=partial(ledger.files, f"predictions:{name}"),
                        label_root=settings.resolve(model.labels) if model.labels else None,
                        label_files=partial(ledger.files, f"labels:{name}"))
        for name, model in settings.models.items()
    }


def build_outbox(services: Services, *, targets: Targets | None = None) -> OutboxWorker:
    """Return what carries decisions about releases out; `targets` replaces the ones that the settings name."""
    from services.adapters.mlflow_registry import MlflowRegistry

    settings = services.settings
    registry = MlflowRegistry(settings.tracking_uri, settings.tracking.registry_uri)
    found = targets or release_targets(settings, registry)
    environments = [] if targets else list(settings.environments)
    store = services.releases
    # Targets handed in are driven in a time of their own, where nothing else waits.
    beside = Beside(patience_s=None) if targets else Beside()
    return OutboxWorker(
        store=store, outbox=services.outbox, registry=registry, targets=found, beside=beside,
        decisions=Decisions(store=store, outbox=services.outbox, registry=registry, targets=found,
                            terms=services.desk.terms, ruling=services.looks.ruling, report=services.gates.latest,
                            beside=beside, advise=release_advice(services, clock=lambda: datetime.now(UTC))),
        survey=Survey(store=store, registry=registry, targets=found, beside=beside,
                      written=services.outbox.tags_written,
                      renew=[r for r in (getattr(found("", e), "renew", None) for e in environments) if r]),
    )


def release_targets(settings: Settings, registry: Registry) -> Targets:
    """Return what finds the target of a model in an environment: one client per environment."""
    made: dict[str, DeploymentTarget] = {}

    def find(model: str, environment: str) -> DeploymentTarget:
        if environment not in made:
            if environment not in settings.environments:
                raise Refused(f"{model} cannot be released to {environment}: the settings name "
                              f"{', '.join(sorted(settings.environments)) or 'no environment'}")
            made[environment] = _target(settings, registry, environment)
        return made[environment]

    return find


def _target(settings: Settings, registry: Registry, environment: str) -> DeploymentTarget:
    match settings.environments[environment].target:
        case "alias":
            from services.adapters.alias_target import AliasTarget

            return AliasTarget(registry)
        case "ray":
            from services.adapters import ray_settings
            from services.adapters.ray_target import RayTarget

            return RayTarget(ray_settings.cluster(settings, environment), ray_settings.shape(settings, environment),
                             lock=settings.home_path / "ray.lock")
        case "databricks":
            from services.adapters import databricks_target

            return databricks_target.DatabricksTarget(
                databricks_target.connect(settings.environments[environment].url))
        case "sagemaker":
            from services.adapters import sagemaker_target

            wanted = settings.environments[environment]
            return sagemaker_target.connect(
                wanted.url or "sagemaker", registry, tracking_uri=settings.tracking_uri,
                registry_uri=settings.tracking.registry_uri, config=wanted.plugin)
        case "kserve":
            from services.adapters import kserve_settings

            return kserve_settings.target(settings, environment)
        case _:
            return gateway_target(settings, environment)


def alias_targets(services: Services) -> Targets:
    """Return targets that move aliases and nothing else: for seeding a home in which no gateway runs yet."""
    from services.adapters.alias_target import AliasTarget
    from services.adapters.mlflow_registry import MlflowRegistry

    target = AliasTarget(MlflowRegistry(services.settings.tracking_uri, services.settings.tracking.registry_uri))
    return lambda _model, _environment: target


def gateway_target(settings: Settings, environment: str) -> DeploymentTarget:
    """Return the gateway of an environment as a target for releases; it is looked up at every call."""
    from services.adapters.gateway_address import address
    from services.adapters.gateway_target import GatewayTarget

    return GatewayTarget(lambda: address(settings, environment))
