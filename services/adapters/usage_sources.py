"""Turn the settings' usage sources and declared requests into what the quota step works with."""

from collections.abc import Mapping, Sequence

from services.adapters.process_usage import ProcessUsage
from services.adapters.usage_csv import CsvReader
from services.adapters.usage_files import UsageFiles
from services.adapters.usage_kubernetes import KubernetesReader
from services.adapters.usage_prometheus import PrometheusUsage
from services.adapters.usage_slurm import SlurmReader
from services.adapters.usage_targets import Observe, TargetUsage
from services.errors import SettingsError
from services.quota.pool import Pool
from services.quota.ports import Request, UsageSource
from services.settings import Settings
from services.settings.usage import UsageSource as Section


def sources_of(settings: Settings, pools: Sequence[Pool], *, observe: Observe) -> list[UsageSource]:
    """Return the sources of use that the settings name; `observe` asks what a model's target shows.

    Raises:
        SettingsError: a source names a pool that is not declared, or cannot work as it is set.
    """
    named = {pool.name: pool for pool in pools}
    for section in settings.usage:
        for pool in (*section.pools.values(), *((section.pool,) if section.pool else ())):
            if pool not in named:
                raise SettingsError(f"usage: {section.kind} names pool {pool}, which is not in [[pools]]: declare it")
    return [TargetUsage(settings, section, named[section.pool], observe) if section.kind == "targets"
            else _source(settings, section, named) for section in settings.usage]


def always_on(settings: Settings) -> Sequence[Request]:
    """Return what serving pipelines hold all the time, as declared by `request` in the settings."""
    resources = {pool.name: pool.resource for pool in settings.pools}
    return [
        Request(pipeline=p.name, pool=p.pool, kind=p.kind, team=p.team, environment=p.environment,
                amounts={resources[p.pool]: p.request})
        for p in settings.pipelines if p.kind == "serving" and p.request and p.pool in resources
    ]


def meant(settings: Settings) -> dict[str, frozenset[str]]:
    """Return per pipeline the pools that it may hold at once."""
    return {p.name: frozenset({p.pool, *p.also}) for p in settings.pipelines if p.also}


def _source(settings: Settings, section: Section, pools: Mapping[str, Pool]) -> UsageSource:
    if section.kind == "processes":
        return ProcessUsage(settings.home_path, section.pools)
    if section.kind == "prometheus":
        return PrometheusUsage(
            section.url, pools=pools, used=section.query, requested=section.requested_query, limit=section.limit_query,
            pool=section.pool, names=section.pools, labels=section.labels, unit=section.unit)
    name = f"usage:{section.name or section.kind}"
    pattern = str(settings.resolve(section.path))
    if section.kind == "csv":
        return UsageFiles(name, pattern, CsvReader(pools, pool=section.pool, unit=section.unit, names=section.pools,
                                                   meant=meant(settings)), pools)
    if section.kind == "kubernetes":
        return UsageFiles(name, pattern, KubernetesReader(pools, section.pools), pools)
    return UsageFiles(name, pattern, SlurmReader(pools[section.pool]), pools)
