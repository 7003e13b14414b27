"""Read every run straight from MLflow's own database, by plain queries: the fast road for a full reading.

Opt-in, because it goes past MLflow's permissions, and because the schema is MLflow's private affair: it is read only
where its revision is one this program was tried on. Everything else is asked of MLflow as usual.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, MetaData, Select, Table, and_, create_engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError

from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.mlflow_words import shown
from services.errors import SettingsError, SourceMalformed, SourceUnavailable
from services.training.inputs import read_input
from services.training.run import DataInput, RawRun
from services.training.tags import clean

# Alembic revision of MLflow's tracking schema -> the versions that have it.
KNOWN: Final[Mapping[str, str]] = {"dc11669786a5": "3.17"}
_PAGE: Final = 2_000


class MlflowSql(MlflowRuns):
    """A tracking server of which the full reading comes from its database."""

    def __init__(self, uri: str, registry_uri: str = "", *, sql: str) -> None:
        """Read `sql`, an SQLAlchemy address with read-only rights, beside MLflow at `uri`.

        Raises:
            SettingsError: `sql` names no database that we know.
        """
        super().__init__(uri, registry_uri)
        try:
            self._engine = _read_only(sql)
            self._shown = shown(sql)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise SettingsError(f"tracking.sql cannot be used: {error}. Write sqlite:///… or postgresql+psycopg://…, "
                                "or leave it empty to read through MLflow") from error

    def everything(self) -> Iterator[Sequence[RawRun]]:
        """Yield every run, deleted ones included, in pages.

        Raises:
            SourceMalformed: the schema's revision is none that we know.
            SourceUnavailable: the database does not answer.
        """
        try:
            with self._engine.connect() as connection:
                self._require_known(connection)
                yield from _pages(connection)
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            raise SourceUnavailable(f"the tracking database {self._shown} cannot be read ({cause}): check "
                                    "tracking.sql, or empty it to read through MLflow") from error

    def _require_known(self, connection: Connection) -> None:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found not in KNOWN:
            raise SourceMalformed(f"the tracking database {self._shown} has schema {found}, and this program knows "
                                  f"{', '.join(KNOWN)}: empty tracking.sql to read through MLflow instead")


def _pages(connection: Connection) -> Iterator[list[RawRun]]:
    tables = MetaData()
    runs, experiments, params, tags, metrics = (
        Table(name, tables, autoload_with=connection)
        for name in ("runs", "experiments", "params", "tags", "latest_metrics"))
    data = [Table(name, tables, autoload_with=connection) for name in ("datasets", "inputs", "input_tags")]
    names = {str(r.experiment_id): clean(r.name) for r in connection.execute(
        select(experiments.c.experiment_id, experiments.c.name))}
    last = ""
    while True:
        # Pages by key, not by offset: runs that arrive or go meanwhile shift nothing.
        rows = connection.execute(select(runs).where(runs.c.run_uuid > last).order_by(runs.c.run_uuid)
                                  .limit(_PAGE)).all()
        if not rows:
            return
        first, last = rows[0].run_uuid, rows[-1].run_uuid
        pairs = [_pairs(connection, table, first, last) for table in (params, tags)]
        measured: dict[str, list[tuple[str, float, int, int]]] = defaultdict(list)
        c = metrics.c
        query = select(c.run_uuid, c.key, c.value, c.is_nan, c.timestamp, c.step)
        for run_id, key, value, is_nan, ms, step in _rows(connection, query.where(c.run_uuid.between(first, last))):
            measured[run_id].append((key, math.nan if is_nan else float(value), int(ms or 0), int(step or 0)))
        given = _inputs(connection, data, first, last)
        yield [_raw(row, names, pairs[0], pairs[1], measured, given.get(row.run_uuid, ())) for row in rows]


def _inputs(
    connection: Connection, tables: Sequence[Table], first: str, last: str
) -> dict[str, tuple[DataInput, ...]]:
    d, i, t = (table.c for table in tables)
    logged = and_(i.source_type == "DATASET", i.destination_type == "RUN", i.destination_id.between(first, last))
    said: dict[str, dict[str, str]] = defaultdict(dict)
    query: Select[Any] = select(t.input_uuid, t.name, t.value).join(tables[1], i.input_uuid == t.input_uuid)
    for input_id, key, value in _rows(connection, query.where(logged)):
        said[input_id][key] = value
    found: dict[str, tuple[DataInput, ...]] = defaultdict(tuple)
    wanted = [i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source,
              d.dataset_profile]
    query = select(*wanted).join(tables[0], d.dataset_uuid == i.source_id)
    for run_id, input_id, name, digest, kind, source, profile in _rows(connection, query.where(logged)):
        found[run_id] += (read_input(name, digest, source_type=kind or "", source=source or "", profile=profile or "",
                                     tags=said[input_id]),)
    return found


def _pairs(connection: Connection, table: Table, first: str, last: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    query = select(table.c.run_uuid, table.c.key, table.c.value).where(table.c.run_uuid.between(first, last))
    for run_id, key, value in _rows(connection, query):
        found[run_id][key] = value or ""
    return found


def _rows(connection: Connection, query: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """Return the driver's own tuples: SQLAlchemy's rows would cost more than reading half a million of them does."""
    cursor = connection.execute(query).cursor
    return cursor.fetchall() if cursor else ()


def _raw(
    row: Any, names: Mapping[str, str], params: Mapping[str, dict[str, str]], tags: Mapping[str, dict[str, str]],
    metrics: Mapping[str, list[tuple[str, float, int, int]]], inputs: tuple[DataInput, ...],
) -> RawRun:
    experiment = str(row.experiment_id)
    return RawRun(
        run_id=row.run_uuid, experiment_id=experiment, experiment=names.get(experiment, f"experiment {experiment}"),
        status=row.status, start_ms=row.start_time, end_ms=row.end_time, user=row.user_id or "",
        # MLflow itself takes a run's name from its tag, where the two differ.
        name=tags.get(row.run_uuid, {}).get("mlflow.runName") or row.name or "", artifact_uri=row.artifact_uri or "",
        deleted=row.lifecycle_stage == "deleted", params=params.get(row.run_uuid, {}),
        tags=tags.get(row.run_uuid, {}), metrics=tuple(metrics.get(row.run_uuid, ())), inputs=inputs,
    )


def _read_only(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def forbid_writing(dbapi: Any, _: object) -> None:
        # Whatever the account may do, this connection may not.
        statement = "PRAGMA query_only = ON" if engine.dialect.name == "sqlite" else (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        cursor = dbapi.cursor()
        cursor.execute(statement)
        cursor.close()

    return engine
