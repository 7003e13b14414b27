"""Turn the settings' pools into pools: limits in the resource's own unit, dated limits in order."""

from datetime import UTC, datetime

from services.errors import SettingsError, SourceMalformed
from services.quota.pool import UNITS, Limit, Pool, PoolKind, in_unit
from services.settings import Settings


def pools_of(settings: Settings) -> tuple[Pool, ...]:
    """Return the settings' pools, limits in the resource's own unit.

    Raises:
        SettingsError: a unit is not one of the resource, or a dated limit lacks date or value.
    """
    found = []
    for pool in settings.pools:
        try:
            factor = in_unit(1.0, pool.unit, resource=pool.resource) if pool.unit else 1.0
            limits = tuple(sorted((
                Limit(pool=pool.name, since=_moment(entry["since"]), value=float(entry["limit"]) * factor)
                for entry in pool.limits), key=lambda limit: limit.since))
        except KeyError as error:
            raise SettingsError(f"pools: a dated limit of {pool.name} lacks {error.args[0]}: write "
                                '{ since = "2026-04-01", limit = 16 }') from error
        except ValueError as error:
            raise SettingsError(f"pools: a dated limit of {pool.name} cannot be read: {error}") from error
        except SourceMalformed as error:
            raise SettingsError(f"pools: {pool.name}: {error}") from error
        found.append(Pool(
            name=pool.name, resource=pool.resource, limit=pool.limit * factor, unit=UNITS[pool.resource],
            kind=PoolKind(pool.kind), model=pool.model, region=pool.region, period=pool.period, limits=limits))
    return tuple(found)


def _moment(text: object) -> datetime:
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
