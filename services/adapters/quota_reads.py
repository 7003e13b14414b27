"""Read quota from the ops store: who holds a pool now, and its history by hour or day from the roll-ups.

Pages never read samples further back than a few hours; what a roll-up means is told in services/quota/rollup.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.quota import (
    quota_limits,
    quota_pool_rollups,
    quota_pools,
    quota_rollups,
    quota_samples,
    quota_series,
)
from services.core.window import TimeWindow
from services.quota.pool import Limit, Origin, Sample
from services.quota.ports import Tick, Total
from services.quota.rollup import PoolRoll, SeriesRoll


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One pipeline in one pool, as told apart by kind, team and environment."""

    number: int
    pipeline: str
    kind: str
    team: str
    environment: str


class QuotaReads:
    """Standing, ticks and roll-ups of every pool."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def limits(self, pool: str) -> tuple[Limit, ...]:
        """Return a pool's dated limits, oldest first."""
        query = (select(quota_limits).join(quota_pools, quota_pools.c.id == quota_limits.c.pool_id)
                 .where(quota_pools.c.name == pool).order_by(quota_limits.c.since))
        with self._db.read() as connection:
            return tuple(Limit(pool=pool, since=r.since, value=r.value, origin=r.origin)
                         for r in connection.execute(query))

    def pools(self) -> tuple[str, ...]:
        """Return the names of the pools that have samples or limits."""
        with self._db.read() as connection:
            return tuple(connection.execute(select(quota_pools.c.name).order_by(quota_pools.c.name)).scalars())

    def latest(self, pool: str, *, within: timedelta, now: datetime) -> list[Sample]:
        """Return the samples of a pool's newest moment not older than `within`; none where there is none."""
        c = quota_samples.c
        with self._db.read() as connection:
            number = _pool(connection, pool)
            newest = connection.execute(select(func.max(c.ts)).where(
                c.pool_id == number, c.ts >= now - within, c.ts <= now)).scalar()
            if newest is None:
                return []
            named = {s.number: s for s in series_of(connection, number)}
            rows = connection.execute(select(quota_samples).where(c.pool_id == number, c.ts == newest)).all()
        return [_sample(pool, row, named.get(row.series_id)) for row in rows]

    def ticks(self, pool: str, window: TimeWindow) -> list[Tick]:
        """Return a pool's totals at every sampled moment of the window, oldest first."""
        c = quota_samples.c
        own, parts = c.series_id == 0, c.series_id != 0
        query = select(
            c.ts,
            *(func.max(case((own, x))).label(f"own_{x.name}") for x in (c.used, c.requested, c.pending)),
            *(func.sum(case((parts, x))).label(f"sum_{x.name}") for x in (c.used, c.requested, c.pending)),
        ).where(c.ts >= window.start, c.ts < window.end).group_by(c.ts).order_by(c.ts)
        with self._db.read() as connection:
            rows = connection.execute(query.where(c.pool_id == _pool(connection, pool))).all()
        return [Tick(ts=r.ts, used=max(r.own_used or 0.0, r.sum_used or 0.0),
                     requested=r.sum_requested if r.own_requested is None else r.own_requested,
                     pending=r.sum_pending if r.own_pending is None else r.own_pending) for r in rows]

    def recent(self, pool: str, window: TimeWindow) -> dict[str, list[tuple[datetime, float]]]:
        """Return per pipeline its use at every sampled moment of a short window, oldest first, zero where absent."""
        c = quota_samples.c
        query = select(c.ts, c.series_id, c.used).where(c.ts >= window.start, c.ts < window.end)
        with self._db.read() as connection:
            number = _pool(connection, pool)
            named = {s.number: s.pipeline for s in series_of(connection, number)}
            rows = connection.execute(query.where(c.pool_id == number)).all()
        moments = sorted({row.ts for row in rows})
        used: dict[str, dict[datetime, float]] = {}
        for row in rows:
            if row.series_id in named:
                own = used.setdefault(named[row.series_id], {})
                own[row.ts] = own.get(row.ts, 0.0) + row.used
        return {name: [(at, own.get(at, 0.0)) for at in moments] for name, own in used.items()}

    def hours(self, pool: str, window: TimeWindow) -> dict[str, list[float]]:
        """Return per pipeline its mean use in every sampled hour of the window, zero where it was absent."""
        with self._db.read() as connection:
            number = _pool(connection, pool)
            members = {s.number: s for s in series_of(connection, number)}
            places = {roll.start: i for i, roll in enumerate(read_pool(connection, number, "hour", window))}
            rolls = read_series(connection, number, "hour", window, list(members))
        found: dict[str, list[float]] = {}
        for roll in rolls:
            if roll.start in places:
                own = found.setdefault(members[roll.series].pipeline, [0.0] * len(places))
                own[places[roll.start]] += roll.used_hours
        return found

    def history(self, pool: str, window: TimeWindow, *, grain: str) -> list[PoolRoll]:
        """Return a pool's roll-ups by `hour` or `day` that begin in the window, oldest first."""
        with self._db.read() as connection:
            return read_pool(connection, _pool(connection, pool), grain, window)

    def totals(self, pool: str, window: TimeWindow, *, grain: str) -> list[Total]:
        """Return what each pipeline took of a pool over the window, most first."""
        c = quota_rollups.c
        query = select(
            c.series_id, func.sum(c.used_hours).label("used"), func.sum(c.requested_hours).label("requested"),
            func.max(c.used_max).label("top"),
        ).where(c.grain == grain, c.start >= window.start, c.start < window.end).group_by(c.series_id)
        with self._db.read() as connection:
            number = _pool(connection, pool)
            named = {s.number: s for s in series_of(connection, number)}
            rows = connection.execute(query.where(c.pool_id == number, c.series_id.in_(list(named)))).all()
        return sorted((Total(
            pipeline=named[r.series_id].pipeline, kind=named[r.series_id].kind, team=named[r.series_id].team,
            environment=named[r.series_id].environment, used_hours=r.used, requested_hours=r.requested, used_max=r.top,
        ) for r in rows), key=lambda t: (-t.used_hours, t.pipeline))

    def stacked(
        self, pool: str, window: TimeWindow, *, grain: str, pipelines: Sequence[str],
    ) -> dict[str, dict[datetime, float]]:
        """Return per named pipeline its unit-hours in each bucket; absent buckets are zero where the pool has them."""
        with self._db.read() as connection:
            number = _pool(connection, pool)
            named = {s.number: s.pipeline for s in series_of(connection, number) if s.pipeline in pipelines}
            rolls = read_series(connection, number, grain, window, list(named))
        found: dict[str, dict[datetime, float]] = {pipeline: {} for pipeline in pipelines}
        for roll in rolls:
            own = found[named[roll.series]]
            own[roll.start] = own.get(roll.start, 0.0) + roll.used_hours
        return found


def _pool(connection: Connection, name: str) -> int:
    """Return a pool's number; 0, which no pool has, where it was never sampled."""
    return int(connection.execute(select(quota_pools.c.id).where(quota_pools.c.name == name)).scalar() or 0)


def series_of(connection: Connection, pool_id: int) -> list[Series]:
    """Return every series of a pool."""
    return [Series(number=r.id, pipeline=r.pipeline, kind=r.kind, team=r.team, environment=r.environment)
            for r in connection.execute(select(quota_series).where(quota_series.c.pool_id == pool_id))]


def _sample(pool: str, row: Any, series: Series | None) -> Sample:
    return Sample(
        ts=row.ts, pool=pool, pipeline=series.pipeline if series else "", kind=series.kind if series else "",
        team=series.team if series else "", environment=series.environment if series else "", used=row.used,
        requested=row.requested, pending=row.pending, origin=Origin(row.origin))


def read_pool(connection: Connection, pool_id: int, grain: str, window: TimeWindow) -> list[PoolRoll]:
    """Return a pool's roll-ups that begin in the window, oldest first."""
    c = quota_pool_rollups.c
    columns = [c[name] for name in PoolRoll.__dataclass_fields__]
    rows = connection.execute(select(*columns).where(
        c.pool_id == pool_id, c.grain == grain, c.start >= window.start, c.start < window.end).order_by(c.start))
    return [PoolRoll(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's public name for a row as a mapping


def read_series(
    connection: Connection, pool_id: int, grain: str, window: TimeWindow, numbers: Sequence[int],
) -> list[SeriesRoll]:
    """Return the roll-ups of some series of a pool that begin in the window, by series, oldest first."""
    c = quota_rollups.c
    columns = [c[name] for name in SeriesRoll.__dataclass_fields__ if name != "series"]
    rows = connection.execute(select(c.series_id, *columns).where(
        c.pool_id == pool_id, c.grain == grain, c.series_id.in_(numbers), c.start >= window.start,
        c.start < window.end).order_by(c.series_id, c.start))
    return [SeriesRoll(series=row[0], **dict(zip((x.name for x in columns), row[1:], strict=True))) for row in rows]
