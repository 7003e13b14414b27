"""Keep the mirror of MLflow's runs: upsert what was read, and answer what pages and other rooms ask.

Reading MLflow is in mlflow_runs.py; what a run means, in services/training.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, Text, and_, bindparam, cast, delete, func, insert, or_, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.mirror import run_artifacts, run_values, runs
from services.adapters.run_rows import COLUMNS, Read, failure_columns, read_run, run_row, where
from services.training import values
from services.training.effective import Judged
from services.training.ports import RunFilter
from services.training.run import TERMINAL, DataInput, Failure, Kind, Run, Value

_CHUNK: Final = 1_000  # runs per transaction


class RunTable:
    """The mirrored runs in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    # -- writing, by the monitor --------------------------------------------------------------------------------

    def upsert(self, found: Sequence[Read]) -> int:
        """Store what was read; return how many runs were new or had changed.

        An unchanged run only gets its new as-of time. What a person or the classifier found out about a failure is
        kept while MLflow says nothing new about it.
        """
        changed = 0
        for start in range(0, len(found), _CHUNK):
            changed += self._upsert_chunk(found[start : start + _CHUNK])
        return changed

    def _upsert_chunk(self, chunk: Sequence[Read]) -> int:
        ids = [r.run.run_id for r in chunk]
        with self._db.write() as connection:
            known = {row.run_id: row for row in connection.execute(
                select(runs.c.run_id, runs.c.digest, runs.c.deleted).where(runs.c.run_id.in_(ids)))}
            same = [r for r in chunk if r.run.run_id in known and known[r.run.run_id].digest == r.digest]
            if same:
                connection.execute(update(runs).where(runs.c.run_id.in_([r.run.run_id for r in same]))
                                   .values(as_of=same[0].run.as_of))
            # Marked because MLflow did not tell them, which is no change of what it says when it does so again.
            back = [r.run.run_id for r in same if known[r.run.run_id].deleted and not r.run.deleted]
            if back:
                connection.execute(update(runs).where(runs.c.run_id.in_(back)).values(deleted=False))
            done = {r.run.run_id for r in same}
            fresh = [r for r in chunk if r.run.run_id not in done]
            if fresh:
                self._put(connection, runs, COLUMNS, [run_row(r) for r in fresh])
                self._put(connection, run_values, ("run_id", "body"), [(r.run.run_id, r.values) for r in fresh])
        return len(fresh) + len(back)

    def _put(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[object, ...]]
    ) -> None:
        """Insert rows, or replace those of the same run, by the driver itself."""
        mark = "?" if self._db.is_sqlite else "%s"
        news = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "run_id")
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join(len(columns) * [mark])}) "
            f"ON CONFLICT (run_id) DO UPDATE SET {news}", rows)

    def set_judged(self, judged: Mapping[str, Judged]) -> None:
        """Store new conclusions about runs."""
        items = list(judged.items())
        for start in range(0, len(items), 1_000):
            with self._db.write() as connection:
                _change(connection, {run_id: {"effective": str(j.effective), "evidence": j.evidence,
                                              "effective_since": j.since}
                                     for run_id, j in items[start : start + 1_000]})

    def set_slow(self, found: Mapping[str, tuple[float, float]]) -> None:
        """Store robust z and per cent over the median of the slow runs, and of no others."""
        with self._db.write() as connection:
            was = set(connection.execute(select(runs.c.run_id).where(runs.c.slow_z.is_not(None))).scalars())
            _change(connection, {
                **{run_id: {"slow_z": None, "slow_pct": None} for run_id in was - set(found)},
                **{run_id: {"slow_z": z, "slow_pct": pct} for run_id, (z, pct) in found.items()}})

    def set_failures(self, found: Mapping[str, Failure]) -> None:
        """Store what the classifier or a person concluded about failures."""
        with self._db.write() as connection:
            _change(connection, {run_id: failure_columns(failure) for run_id, failure in found.items()})

    def set_deleted(self, run_ids: Iterable[str], *, deleted: bool) -> None:
        """Mark runs as deleted in MLflow, or as restored."""
        ids = list(run_ids)
        for start in range(0, len(ids), 500):
            with self._db.write() as connection:
                connection.execute(update(runs).where(runs.c.run_id.in_(ids[start : start + 500]))
                                   .values(deleted=deleted))

    def rename_experiments(self, names: Mapping[str, str]) -> int:
        """Follow experiments that were renamed; return how many runs moved.

        A run without a pipeline tag goes by its experiment's name, so its pipeline moves along.
        """
        with self._db.read() as connection:
            known = connection.execute(select(runs.c.experiment_id, runs.c.experiment).distinct()).all()
        renamed = {of for of, name in known if names.get(of, name) != name}
        if not renamed:
            return 0
        moved = 0
        with self._db.write() as connection:
            for experiment_id in sorted(renamed):
                name = names[experiment_id]
                stale = and_(runs.c.experiment_id == experiment_id, runs.c.experiment != name)
                connection.execute(update(runs).where(stale, runs.c.attributed.is_(False)).values(pipeline=name[:250]))
                moved += connection.execute(update(runs).where(stale).values(experiment=name)).rowcount
        return moved

    def save_artifacts(self, run_id: str, texts: Mapping[str, str], *, now: datetime) -> None:
        """Keep a run's small text artefacts, replacing those of the same path."""
        with self._db.write() as connection:
            connection.execute(delete(run_artifacts).where(
                run_artifacts.c.run_id == run_id, run_artifacts.c.path.in_(list(texts))))
            if texts:
                connection.execute(insert(run_artifacts), [
                    {"run_id": run_id, "path": path, "body": body, "at": now} for path, body in texts.items()])

    # -- reading, by everyone -----------------------------------------------------------------------------------

    def find(self, wanted: RunFilter | None = None, *, limit: int = 200, offset: int = 0) -> list[Run]:
        """Return the runs that match, newest first; runs without a start come last."""
        query = where(select(runs), wanted or RunFilter())
        query = query.order_by(runs.c.started_at.is_(None), runs.c.started_at.desc(), runs.c.run_id)
        with self._db.read() as connection:
            return [read_run(row) for row in connection.execute(query.limit(limit).offset(offset))]

    def count(self, wanted: RunFilter | None = None) -> int:
        """Return how many runs match."""
        with self._db.read() as connection:
            return int(connection.execute(where(select(func.count()).select_from(runs), wanted or RunFilter()))
                       .scalar_one())

    def get(self, run_id: str) -> Run | None:
        """Return one run, deleted or not, or None when the mirror has none of that id."""
        with self._db.read() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).first()
        return read_run(row) if row else None

    def like(self, prefix: str) -> list[str]:
        """Return up to ten run ids that begin so; more than one means that the prefix is too short."""
        if not prefix.isalnum():
            return []
        with self._db.read() as connection:
            return list(connection.execute(
                select(runs.c.run_id).where(runs.c.run_id.startswith(prefix)).limit(10)).scalars())

    def values(self, run_id: str, *, kind: str = "") -> list[Value]:
        """Return a run's params, metrics and tags, by kind and key."""
        with self._db.read() as connection:
            body = connection.execute(select(run_values.c.body).where(run_values.c.run_id == run_id)).scalar()
        return values.read(body or {}, kind=kind)

    def values_of(self, run_ids: Sequence[str], *, kind: str, key: str) -> dict[str, Value]:
        """Return one param, metric or tag of many runs, by run."""
        found = {}
        with self._db.read() as connection:
            for start in range(0, len(run_ids), 500):
                query = select(run_values).where(
                    run_values.c.run_id.in_(run_ids[start : start + 500]),
                    # Only the texts that may hold it are read; what they hold is told by `values.read`.
                    cast(run_values.c.body, Text).contains(json.dumps(key, ensure_ascii=False), autoescape=True))
                for row in connection.execute(query):
                    for value in values.read(row.body, kind=kind, key=key):
                        found[row.run_id] = value
        return found

    def inputs_of(self, run_ids: Sequence[str]) -> dict[str, list[DataInput]]:
        """Return the data sets that runs logged as their inputs, by run; a run without any is left out."""
        with self._db.read() as connection:
            rows = connection.execute(select(run_values).where(run_values.c.run_id.in_(run_ids))).all()
        return {row.run_id: found for row in rows if (found := values.inputs(row.body))}

    def artifacts(self, run_id: str) -> dict[str, str]:
        """Return the small text artefacts kept of a run: path to text."""
        with self._db.read() as connection:
            rows = connection.execute(select(run_artifacts.c.path, run_artifacts.c.body)
                                      .where(run_artifacts.c.run_id == run_id))
            return {row.path: row.body for row in rows}

    def with_artifacts(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the runs of which artefacts were fetched."""
        found: set[str] = set()
        with self._db.read() as connection:
            for start in range(0, len(run_ids), 500):
                found.update(connection.execute(select(run_artifacts.c.run_id).distinct().where(
                    run_artifacts.c.run_id.in_(run_ids[start : start + 500]))).scalars())
        return found

    def pipelines(self) -> list[tuple[str, Kind, int]]:
        """Return every pipeline that has runs, with its kind and their number, by name."""
        query = (select(runs.c.pipeline, runs.c.kind, func.count().label("n")).where(runs.c.deleted.is_(False))
                 .group_by(runs.c.pipeline, runs.c.kind).order_by(runs.c.pipeline, runs.c.kind))
        with self._db.read() as connection:
            return [(row.pipeline, Kind(row.kind), row.n) for row in connection.execute(query)]

    def active(self) -> Sequence[Run]:
        """Return the runs that hold resources now: running, stalled, overdue or scheduled; not the suspected dead."""
        return self.find(RunFilter(active=True), limit=10_000)

    def open_runs(self) -> Sequence[Run]:
        """Return the runs that MLflow has not ended."""
        return self._runs(runs.c.status.not_in(list(TERMINAL)))

    def ended_since(self, moment: datetime) -> Sequence[Run]:
        """Return the runs that ended at or after a moment, oldest first."""
        return self._runs(runs.c.ended_at >= moment)

    def _runs(self, condition: Any) -> Sequence[Run]:
        query = select(runs).where(condition, runs.c.deleted.is_(False)).order_by(runs.c.ended_at)
        with self._db.read() as connection:
            return [read_run(row) for row in connection.execute(query)]

    # -- what the sync needs to know ----------------------------------------------------------------------------

    def open_ids(self) -> Sequence[str]:
        """Return the runs that MLflow has not ended as far as the mirror knows."""
        return self._ids(runs.c.status.not_in(list(TERMINAL)), runs.c.deleted.is_(False))

    def recent_ids(self, since: datetime) -> Sequence[str]:
        """Return the runs that ended, or started, at or after `since`: those that may still get tags and metrics."""
        return self._ids(or_(runs.c.ended_at >= since, runs.c.started_at >= since), runs.c.deleted.is_(False))

    def ahead_ids(self, moment: datetime) -> Sequence[str]:
        """Return the runs that have ended, and say that they will have after `moment`: a clock is ahead of ours."""
        return self._ids(runs.c.ended_at > moment, runs.c.status.in_(list(TERMINAL)), runs.c.deleted.is_(False))

    def started_ids(self, since: datetime) -> Sequence[str]:
        """Return the runs that started after `since`; those marked as deleted are left out, as they may come back."""
        return self._ids(runs.c.started_at > since, runs.c.deleted.is_(False))

    def all_ids(self) -> dict[str, bool]:
        """Return every mirrored run with whether it is deleted."""
        with self._db.read() as connection:
            return {row.run_id: bool(row.deleted) for row in connection.execute(select(runs.c.run_id, runs.c.deleted))}

    def _ids(self, *conditions: Any) -> Sequence[str]:
        with self._db.read() as connection:
            return list(connection.execute(select(runs.c.run_id).where(*conditions)).scalars())


def _change(connection: Connection, news: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the same columns of many runs, by one statement."""
    if news:
        columns: dict[str, Any] = {name: bindparam(name) for name in next(iter(news.values()))}
        connection.execute(update(runs).where(runs.c.run_id == bindparam("which")).values(columns),
                           [{"which": run_id, **values} for run_id, values in news.items()])
