"""Keep the mirror of MLflow's registry: versions and aliases, read whole each time.

What an alias should point at is decided in services/releases; the mirror only says what was seen, and when.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, and_, delete, func, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.mirror import model_aliases, model_versions

CHAMPION = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model, with the aliases that pointed at it when the mirror looked."""

    model: str
    version: str
    run_id: str
    created_at: datetime | None
    status: str
    source: str
    as_of: datetime | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Where an alias points, and since when as far as the mirror saw."""

    model: str
    alias: str
    version: str
    since: datetime
    as_of: datetime


class RegistryTable:
    """Registered versions and aliases in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def replace(
        self, versions: Sequence[RegisteredVersion], aliases: Mapping[tuple[str, str], str], *, now: datetime
    ) -> None:
        """Make the mirror equal to one full reading of the registry, in one transaction.

        Args:
            versions: every version; their `aliases` field is not read.
            aliases: (model, alias) to version.
            now: when the registry was read.
        """
        rows = [
            {"model": v.model, "version": v.version, "number": int(v.version) if v.version.isdigit() else 0,
             "run_id": v.run_id, "created_at": v.created_at, "status": v.status, "source": v.source,
             "description": v.description, "tags": dict(v.tags), "as_of": now}
            for v in versions
        ]
        with self._db.write() as connection:
            since = {(r.model, r.alias): (r.version, r.since) for r in connection.execute(select(model_aliases))}
            connection.execute(delete(model_versions))
            connection.execute(delete(model_aliases))
            if rows:
                connection.execute(insert(model_versions), rows)
            pointed = []
            for (model, alias), version in aliases.items():
                before = since.get((model, alias))
                held = before[1] if before and before[0] == version else now
                pointed.append({"model": model, "alias": alias, "version": version, "since": held, "as_of": now})
            if pointed:
                connection.execute(insert(model_aliases), pointed)

    def models(self) -> list[str]:
        """Return the registered models that have versions, by name."""
        with self._db.read() as connection:
            return list(connection.execute(
                select(model_versions.c.model).distinct().order_by(model_versions.c.model)).scalars())

    def versions(self, model: str) -> list[RegisteredVersion]:
        """Return a model's versions with their aliases, newest first."""
        query = select(model_versions).where(model_versions.c.model == model)
        return self._read(query.order_by(model_versions.c.number.desc()))

    def newest_runs(self, models: Iterable[str]) -> dict[str, str]:
        """Return model to the run of its newest version, by one query; a model without versions is not there."""
        table = model_versions
        newest = select(table.c.model, func.max(table.c.number).label("number")).where(
            table.c.model.in_(list(models))).group_by(table.c.model).subquery()
        query = select(table.c.model, table.c.run_id).join(
            newest, and_(table.c.model == newest.c.model, table.c.number == newest.c.number)).order_by(table.c.model)
        with self._db.read() as connection:
            return {row.model: row.run_id for row in connection.execute(query)}

    def version(self, model: str, version: str) -> RegisteredVersion | None:
        """Return one version, or None when the mirror has none such."""
        found = self._read(select(model_versions).where(model_versions.c.model == model,
                                                        model_versions.c.version == version))
        return found[0] if found else None

    def of_run(self, run_id: str) -> list[RegisteredVersion]:
        """Return the versions that were registered from a run."""
        return self._read(select(model_versions).where(model_versions.c.run_id == run_id)
                          .order_by(model_versions.c.model, model_versions.c.number))

    def of_runs(self, run_ids: Sequence[str], *, limit: int = 20) -> list[RegisteredVersion]:
        """Return the versions that were registered from any of the runs, newest first."""
        return self._read(select(model_versions).where(model_versions.c.run_id.in_(list(run_ids)))
                          .order_by(model_versions.c.created_at.desc(), model_versions.c.number.desc()).limit(limit))

    def wanted_first(self) -> list[tuple[str, str]]:
        """Return pairs of model and version: every champion, then the newest version of each model."""
        models = self.models()
        served = [(v.model, v.version) for m in models if (v := self.champion(m))]
        newest = [(v.model, v.version) for m in models for v in self.versions(m)[:1]]
        return list(dict.fromkeys([*served, *newest]))

    def aliases(self, model: str | None = None) -> list[Alias]:
        """Return where aliases point, of one model or of all."""
        query = select(model_aliases).order_by(model_aliases.c.model, model_aliases.c.alias)
        if model is not None:
            query = query.where(model_aliases.c.model == model)
        with self._db.read() as connection:
            return [Alias(model=r.model, alias=r.alias, version=r.version, since=r.since, as_of=r.as_of)
                    for r in connection.execute(query)]

    def at_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """Return the version an alias points at, or None."""
        with self._db.read() as connection:
            row = connection.execute(select(model_aliases.c.version).where(
                model_aliases.c.model == model, model_aliases.c.alias == alias)).first()
        return self.version(model, row.version) if row else None

    def champion(self, model: str) -> RegisteredVersion | None:
        """Return the version behind the champion alias, or None."""
        return self.at_alias(model, CHAMPION)

    def _read(self, query: Select[tuple[object, ...]]) -> list[RegisteredVersion]:
        with self._db.read() as connection:
            rows = connection.execute(query).all()
            wanted = {r.model for r in rows}
            named: dict[tuple[str, str], list[str]] = {}
            for a in connection.execute(select(model_aliases).where(model_aliases.c.model.in_(wanted))
                                        .order_by(model_aliases.c.alias)):
                named.setdefault((a.model, a.version), []).append(a.alias)
        return [
            RegisteredVersion(
                model=r.model, version=r.version, run_id=r.run_id, created_at=r.created_at, status=r.status,
                source=r.source, description=r.description, tags=r.tags, as_of=r.as_of,
                aliases=tuple(named.get((r.model, r.version), ())),
            )
            for r in rows
        ]
