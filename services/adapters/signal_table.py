"""Keep the signals' hours and days in the ops store."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.profiles import log_files
from services.adapters.ops_tables.signals import score_days, traffic_hours
from services.core.window import TimeWindow
from services.errors import SourceMalformed
from services.predictions.ledger import FileState
from services.predictions.schema import SHADOW
from services.quality.day import ScoreDay, unpack
from services.serving.latency import Latency
from services.serving.traffic import Traffic

_CHUNK: Final = 400


class TrafficTable:
    """Hours of traffic."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def replace_hours(self, model: str, hours: Sequence[TimeWindow], found: Iterable[Traffic]) -> None:
        """Make these hours hold exactly this; doing it twice changes nothing."""
        table = traffic_hours
        rows = [
            {"model": model, "hour": t.hour, "environment": t.environment, "version": t.version, "variant": t.variant,
             "rows": t.rows, "failed": t.failed, "timeouts": t.timeouts, "duplicates": t.duplicates,
             "first_at": t.first, "last_at": t.last, "errors": dict(t.errors),
             "latency": {str(k): v for k, v in t.latency.sparse().items()},
             "busiest_second": t.busiest_second, "busiest_minute": t.busiest_minute}
            for t in found
        ]
        with self._db.write() as connection:
            for start in range(0, len(hours), _CHUNK):
                chunk = [hour.start for hour in hours[start : start + _CHUNK]]
                connection.execute(delete(table).where(table.c.model == model, table.c.hour.in_(chunk)))
            for start in range(0, len(rows), _CHUNK):
                connection.execute(insert(table), rows[start : start + _CHUNK])

    def hours(self, model: str, window: TimeWindow, *, environment: str = "", shadow: bool = False) -> list[Traffic]:
        """Return the hours that users got inside the window, oldest first; shadow answers only when asked for."""
        table = traffic_hours
        query = select(table).where(table.c.model == model, table.c.hour >= window.start, table.c.hour < window.end,
                                    table.c.variant == SHADOW if shadow else table.c.variant != SHADOW)
        if environment:
            query = query.where(table.c.environment == environment)
        with self._db.read() as connection:
            return [_traffic(row) for row in connection.execute(query.order_by(table.c.hour))]

    def last(self, model: str, environment: str, *, now: datetime) -> datetime | None:
        """Return when the last prediction was delivered to a user; a row dated ahead would hide that none comes."""
        table = traffic_hours
        query = select(func.max(table.c.last_at)).where(table.c.model == model, table.c.environment == environment,
                                                        table.c.variant != SHADOW, table.c.hour <= now)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def environments(self, model: str, *, since: datetime) -> list[str]:
        """Return the environments that were asked since then."""
        table = traffic_hours
        query = select(table.c.environment).distinct().where(table.c.model == model, table.c.hour >= since)
        with self._db.read() as connection:
            return sorted(connection.execute(query).scalars())


class ScoreTable:
    """Days of quality counts; `tasks` maps model to its task."""

    def __init__(self, db: OpsDb, tasks: dict[str, str]) -> None:
        """Use the given store."""
        self._db, self._tasks = db, tasks

    def replace_days(self, model: str, days: Sequence[TimeWindow], found: Iterable[ScoreDay]) -> None:
        """Make these days hold exactly this; doing it twice changes nothing."""
        table = score_days
        rows = [
            {"model": model, "day": d.day, "environment": d.environment, "version": d.version, "variant": d.variant,
             "slice": d.slice, "rows": d.coverage.rows, "body": d.pack()} for d in found
        ]
        with self._db.write() as connection:
            for start in range(0, len(days), _CHUNK):
                chunk = [day.start for day in days[start : start + _CHUNK]]
                connection.execute(delete(table).where(table.c.model == model, table.c.day.in_(chunk)))
            for start in range(0, len(rows), _CHUNK):
                connection.execute(insert(table), rows[start : start + _CHUNK])

    def days(
        self, model: str, window: TimeWindow, *, environment: str = "", slice_: str = "", shadow: bool = False
    ) -> list[ScoreDay]:
        """Return the days inside the window, oldest first; shadow answers only when asked for."""
        table = score_days
        query = select(table).where(
            table.c.model == model, table.c.day >= window.start, table.c.day < window.end, table.c.slice == slice_,
            table.c.variant == SHADOW if shadow else table.c.variant != SHADOW).order_by(table.c.day)
        if environment:
            query = query.where(table.c.environment == environment)
        with self._db.read() as connection:
            return [self._day(row) for row in connection.execute(query)]

    def slices(self, model: str, window: TimeWindow, *, environment: str) -> list[str]:
        """Return the slices that have rows in the window, largest first; without the whole."""
        table = score_days
        query = select(table.c.slice).where(
            table.c.model == model, table.c.environment == environment, table.c.slice != "",
            table.c.day >= window.start, table.c.day < window.end,
        ).group_by(table.c.slice).order_by(func.sum(table.c.rows).desc(), table.c.slice)
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def environments(self, model: str, window: TimeWindow) -> dict[str, str]:
        """Return environment to the version that answered most of the window's requests."""
        table = score_days
        query = select(table.c.environment, table.c.version, func.sum(table.c.rows).label("n")).where(
            table.c.model == model, table.c.slice == "", table.c.variant != SHADOW, table.c.day >= window.start,
            table.c.day < window.end).group_by(table.c.environment, table.c.version)
        most: dict[str, tuple[int, str]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                most[row.environment] = max(most.get(row.environment, (0, "")), (int(row.n), row.version))
        return {environment: version for environment, (_, version) in sorted(most.items())}

    def _day(self, row: Row[Any]) -> ScoreDay:
        try:
            coverage, scores = unpack(self._tasks.get(row.model, "binary"), row.body)
        except (ValueError, KeyError, TypeError) as error:
            raise SourceMalformed(f"quality counts of {row.model} on {row.day:%Y-%m-%d}: {error}. Its task changed: "
                                  "set it back, or delete its score_days and let the monitor count") from error
        return ScoreDay(model=row.model, environment=row.environment, version=row.version, variant=row.variant,
                        slice=row.slice, day=row.day, coverage=coverage, scores=scores)


class LogNews:
    """Which files of a log changed since a moment: the ledger is written by the step that counts profiles."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def since(self, log: str, moment: datetime | None) -> tuple[list[tuple[str, TimeWindow]], datetime | None]:
        """Return (path, span) of readable files seen after `moment`, and the newest sight of all."""
        table = log_files
        query = select(table.c.path, table.c.min_ts, table.c.max_ts, table.c.seen_at).where(
            table.c.log == log, table.c.state.in_([str(FileState.NEW), str(FileState.OK)]))
        if moment is not None:
            query = query.where(table.c.seen_at > moment)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        news = [(row.path, TimeWindow(row.min_ts, row.max_ts)) for row in rows if row.min_ts is not None]
        return news, max((row.seen_at for row in rows), default=moment)

    def inside(self, log: str, window: TimeWindow) -> list[tuple[str, TimeWindow]]:
        """Return (path, span) of readable files that may have rows inside a window, and which part of it."""
        table = log_files
        query = select(table.c.path, table.c.min_ts, table.c.max_ts).where(
            table.c.log == log, table.c.state.in_([str(FileState.NEW), str(FileState.OK)]),
            table.c.min_ts <= window.end, table.c.max_ts > window.start)
        with self._db.read() as connection:
            return [(row.path, TimeWindow(max(row.min_ts, window.start), min(row.max_ts, window.end)))
                    for row in connection.execute(query)]


def _traffic(row: Row[Any]) -> Traffic:
    return Traffic(
        model=row.model, environment=row.environment, version=row.version, variant=row.variant, hour=row.hour,
        rows=row.rows, failed=row.failed, timeouts=row.timeouts, duplicates=row.duplicates, errors=row.errors,
        first=row.first_at, last=row.last_at, latency=Latency.of({int(k): v for k, v in row.latency.items()}),
        busiest_second=row.busiest_second, busiest_minute=row.busiest_minute)
