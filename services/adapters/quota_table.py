"""Keep quota samples, dated limits and roll-ups in the ops store. Reading them is in quota_reads.py.

Writing is idempotent: the same sample again replaces itself. What a sample means is told in services/quota/pool.py,
how samples roll up in services/quota/rollup.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from services.adapters.ops_tables.quota import (
    quota_dirty,
    quota_limits,
    quota_pool_rollups,
    quota_pools,
    quota_rollups,
    quota_samples,
    quota_series,
)
from services.adapters.quota_reads import QuotaReads, read_pool, read_series
from services.core.window import DAY, HOUR, TimeWindow
from services.quota.pool import Limit, Sample, check
from services.quota.rollup import Point, PoolRoll, SeriesRoll, by_day, by_hour, day_of, hour_of

# One transaction holds the write lock; others (a rollback's outbox among them) wait for it.
_BATCH: Final = 4_000
_HOURS_AT_ONCE: Final = 48


class QuotaTable(QuotaReads):
    """Samples and roll-ups of every pool."""

    def write(self, samples: Iterable[Sample], *, roll_up: bool = True) -> int:
        """Store samples, replacing those of the same pool, pipeline and moment; return how many.

        Args:
            samples: in any order; each is checked.
            roll_up: False leaves the roll-up to a later call, for many small writes.

        Raises:
            SourceMalformed: a sample cannot be true; the batches before it stay written.
        """
        told = 0
        rows = (check(sample) for sample in samples)
        while batch := list(islice(rows, _BATCH)):
            with self._db.write() as connection:
                _insert_samples(connection, batch)
            told += len(batch)
        if roll_up and told:
            self.roll_up()
        return told

    def write_limits(self, limits: Iterable[Limit]) -> int:
        """Store dated limits; one of the same pool and date is replaced. Return how many."""
        given = list(limits)
        with self._db.write() as connection:
            ids = _pool_ids(connection, {limit.pool for limit in given})
            _upsert(connection, quota_limits, [
                {"pool_id": ids[x.pool], "since": x.since, "value": x.value, "origin": x.origin} for x in given])
        return len(given)

    def roll_up(self) -> int:
        """Roll up every hour whose samples changed, then the days they touch; return how many hours."""
        done = 0
        while True:
            with self._db.write() as connection:
                # Locked: on PostgreSQL a writer of the same hour either waits for us or is waited for.
                query = (select(quota_dirty).order_by(quota_dirty.c.pool_id, quota_dirty.c.hour)
                         .limit(_HOURS_AT_ONCE).with_for_update())
                dirty = [(r.pool_id, r.hour) for r in connection.execute(query)]
                if not dirty:
                    return done
                for pool_id in sorted({pool for pool, _ in dirty}):
                    hours = [hour for pool, hour in dirty if pool == pool_id]
                    _roll_hours(connection, pool_id, hours)
                    _roll_days(connection, pool_id, sorted({day_of(hour) for hour in hours}))
                    connection.execute(delete(quota_dirty).where(
                        quota_dirty.c.pool_id == pool_id, quota_dirty.c.hour.in_(hours)))
                done += len(dirty)

    def prune(self, *, samples_before: datetime) -> int:
        """Delete samples older than a time, keeping their roll-ups; return how many."""
        with self._db.write() as connection:
            pools = connection.execute(select(quota_pools.c.id)).scalars().all()
            return sum(int(connection.execute(delete(quota_samples).where(
                quota_samples.c.pool_id == pool, quota_samples.c.ts < samples_before)).rowcount) for pool in pools)


def _insert_samples(connection: Connection, batch: Sequence[Sample]) -> None:
    pools = _pool_ids(connection, {s.pool for s in batch})
    series = series_ids(connection, {(pools[s.pool], s.pipeline, s.kind, s.team, s.environment) for s in batch})
    rows = {}
    for s in batch:
        number = series[pools[s.pool], s.pipeline, s.kind, s.team, s.environment] if s.pipeline else 0
        rows[pools[s.pool], s.ts, number] = {
            "pool_id": pools[s.pool], "ts": s.ts, "series_id": number, "used": s.used, "requested": s.requested,
            "pending": s.pending, "origin": str(s.origin)}
    _upsert(connection, quota_samples, list(rows.values()))
    _upsert(connection, quota_dirty,
            [{"pool_id": p, "hour": h} for p, h in {(p, hour_of(ts)) for p, ts, _ in rows}])


def _pool_ids(connection: Connection, names: set[str]) -> dict[str, int]:
    """Return the number of each pool, giving one to those that have none."""
    query = select(quota_pools.c.name, quota_pools.c.id).where(quota_pools.c.name.in_(names))
    known = {name: int(number) for name, number in connection.execute(query)}
    if names <= known.keys():
        return known
    _insert_new(connection, quota_pools, [{"name": name} for name in sorted(names - known.keys())])
    return {name: int(number) for name, number in connection.execute(query)}


def series_ids(connection: Connection, names: set[tuple[int, str, str, str, str]]) -> dict[Any, int]:
    """Return the number of each series (pool number, pipeline, kind, team, environment), giving new ones theirs."""
    c = quota_series.c
    query = select(c.id, c.pool_id, c.pipeline, c.kind, c.team, c.environment).where(
        c.pool_id.in_({name[0] for name in names}))

    def known() -> dict[Any, int]:
        return {(r.pool_id, r.pipeline, r.kind, r.team, r.environment): int(r.id) for r in connection.execute(query)}

    found, wanted = known(), {name for name in names if name[1]}
    if wanted <= found.keys():
        return found
    _insert_new(connection, quota_series, [
        {"pool_id": n[0], "pipeline": n[1], "kind": n[2], "team": n[3], "environment": n[4]}
        for n in sorted(wanted - found.keys())])
    return known()


def _roll_hours(connection: Connection, pool_id: int, hours: Sequence[datetime]) -> None:
    pools: list[PoolRoll] = []
    series: list[SeriesRoll] = []
    for hour in hours:
        c = quota_samples.c
        rows = connection.execute(select(c.ts, c.series_id, c.used, c.requested, c.pending, c.origin).where(
            c.pool_id == pool_id, c.ts >= hour, c.ts < hour + HOUR)).all()
        if rows:
            roll, own = by_hour(hour, [Point(ts=r.ts, series=r.series_id, used=r.used, requested=r.requested,
                                             pending=r.pending, origin=r.origin) for r in rows])
            pools.append(roll)
            series += own
    _store(connection, pool_id, "hour", pools, series)


def _roll_days(connection: Connection, pool_id: int, days: Sequence[datetime]) -> None:
    pools: list[PoolRoll] = []
    series: list[SeriesRoll] = []
    every = select(quota_series.c.id).where(quota_series.c.pool_id == pool_id)
    numbers = list(connection.execute(every).scalars())
    for day in days:
        window = TimeWindow(day, day + DAY)
        found = read_pool(connection, pool_id, "hour", window)
        if found:
            roll, own = by_day(day, found, read_series(connection, pool_id, "hour", window, numbers))
            pools.append(roll)
            series += own
    _store(connection, pool_id, "day", pools, series)


def _store(
    connection: Connection, pool_id: int, grain: str, pools: Sequence[PoolRoll], series: Sequence[SeriesRoll],
) -> None:
    head = {"pool_id": pool_id, "grain": grain}
    _upsert(connection, quota_pool_rollups, [{**head, **_fields(roll)} for roll in pools])
    rows = [{**head, **_fields(roll)} for roll in series]
    for row in rows:
        row["series_id"] = row.pop("series")
    _upsert(connection, quota_rollups, rows)


def _fields(roll: PoolRoll | SeriesRoll) -> dict[str, Any]:
    return {name: getattr(roll, name) for name in roll.__dataclass_fields__}


def _upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, replacing those of the same primary key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    # A table that is all key is updated too: that takes the row's lock, which `roll_up` relies on.
    rest = [column.name for column in table.columns if column.name not in keys] or keys[-1:]
    statement = _insert(connection, table)
    connection.execute(statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in rest}), rows)


def _insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows that nobody else may have inserted meanwhile."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _insert(connection: Connection, table: Table) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
