"""Keep baselines and profiles in the ops store.

Hours roll up into days in the transaction that writes the hours; days into months once these are over
(profile_months.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, and_, delete, func, insert, or_, select

from services.adapters import profile_months as months
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.profiles import baselines, profile_spans, profiles
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.errors import SourceMalformed
from services.predictions.schema import SHADOW
from services.profiles.baseline import Baseline, baseline_from_json
from services.profiles.ports import Counted, Place, Scope
from services.profiles.profile import Layout, Profile

_CHUNK: Final = 1_000
_DAYS_AT_ONCE: Final = 10


class BaselineTable:
    """Baselines by model and version, and why a version has none."""

    def __init__(self, db: OpsDb, sensitive: Mapping[str, Sequence[str]] | None = None,
                 zones: Mapping[str, str] | None = None) -> None:
        """Use the given store.

        `sensitive` names the columns per model whose values are never shown, `zones` the clock that its users live by.
        """
        self._db = db
        self._sensitive, self._zones = sensitive or {}, zones or {}
        self._read: dict[tuple[str, str, datetime], Baseline] = {}

    def save(self, baseline: Baseline, *, now: datetime) -> None:
        """Store the baseline of `baseline.model` and `baseline.version`."""
        self._put(baseline.model, baseline.version, now=now, edges=baseline.edges, source=baseline.source,
                  rows=baseline.rows, body=baseline.to_json(), message="")

    def save_absence(self, model: str, version: str, message: str, *, now: datetime) -> None:
        """Store why a version has no baseline."""
        self._put(model, version, now=now, edges="", source="", rows=0, body="", message=message)

    def get(self, model: str, version: str) -> Baseline | None:
        """Return the baseline of a version, or None when none is known."""
        where = (baselines.c.model == model, baselines.c.version == version, baselines.c.body != "")
        with self._db.read() as connection:
            at = connection.execute(select(baselines.c.at).where(*where)).scalar_one_or_none()
            if at is None:
                return None
            # Parsing costs more than asking whether it changed.
            if (model, version, at) not in self._read:
                body = connection.execute(select(baselines.c.body).where(*where)).scalar_one()
                found = baseline_from_json(body, where=f"baseline of {model} v{version}")
                self._read[model, version, at] = replace(
                    found, masked=frozenset(self._sensitive.get(model, ())),
                    zone=ZoneInfo(self._zones.get(model, "UTC")))
        return self._read[model, version, at]

    def known(self, model: str | None = None) -> dict[tuple[str, str], str]:
        """Return (model, version) to the message that says why there is no baseline; empty where there is one."""
        query = select(baselines.c.model, baselines.c.version, baselines.c.message)
        if model is not None:
            query = query.where(baselines.c.model == model)
        with self._db.read() as connection:
            return {(row.model, row.version): row.message for row in connection.execute(query)}

    def _put(self, model: str, version: str, *, now: datetime, **values: Any) -> None:
        with self._db.write() as connection:
            connection.execute(delete(baselines).where(baselines.c.model == model, baselines.c.version == version))
            connection.execute(insert(baselines).values(model=model, version=version, at=now, **values))


class ProfileTable:
    """Counts per model, bins, place and bucket."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def replace_hours(
        self, layout: Layout, model: str, hours: Sequence[TimeWindow], counted: Iterable[Counted], *,
        scope: Scope = Scope.EVERYTHING,
    ) -> None:
        """Make these hours hold exactly these counts, and their days the sums; doing it twice changes nothing."""
        by_day: dict[datetime, list[TimeWindow]] = {}
        for hour in hours:
            by_day.setdefault(floor_to(hour.start, DAY), []).append(hour)
        found: dict[datetime, list[Counted]] = {}
        for item in counted:
            found.setdefault(floor_to(item.bucket.start, DAY), []).append(item)
        here = (profiles.c.model == model, profiles.c.edges == layout.id, *_scoped(scope))
        for chunk in _chunks(sorted(by_day), _DAYS_AT_ONCE):
            # The other hours of these days are needed for the sums; they are read before the write lock is taken,
            # which is safe because nobody but the monitor, which holds the lease, writes profiles.
            touched = {hour.start for day in chunk for hour in by_day[day]}
            fresh = [item for day in chunk for item in found.get(day, [])]
            kept = [item for item in self._hours(layout, chunk, here) if item.bucket.start not in touched]
            sums = _rolled_up([*kept, *fresh])
            with self._db.write() as connection:
                connection.execute(delete(profiles).where(*here, or_(
                    and_(profiles.c.grain == "hour", profiles.c.bucket.in_(touched)),
                    and_(profiles.c.grain == "day", profiles.c.bucket.in_(chunk)))))
                months.drop(connection, model, layout.id, chunk)
                _insert(connection, layout, "hour", fresh)
                _insert(connection, layout, "day", sums)

    def replace_days(
        self, layout: Layout, model: str, days: Sequence[TimeWindow], counted: Iterable[Counted], *,
        scope: Scope = Scope.EVERYTHING,
    ) -> None:
        """Make these days hold exactly these counts; for days whose hours are not kept."""
        everything = list(counted)
        for chunk in _chunks([day.start for day in days], _DAYS_AT_ONCE):
            with self._db.write() as connection:
                connection.execute(delete(profiles).where(
                    profiles.c.model == model, profiles.c.edges == layout.id, profiles.c.grain == "day",
                    profiles.c.bucket.in_(chunk), *_scoped(scope)))
                months.drop(connection, model, layout.id, chunk)
                _insert(connection, layout, "day", [c for c in everything if c.bucket.start in set(chunk)])

    def sum_months(self, layout: Layout, model: str, *, before: datetime) -> int:
        """Sum the days of each month that is over and has no sum; return how many months. Again changes nothing."""
        with self._db.read() as connection:
            due = months.due(connection, model, layout.id, before=before)
        for month in due:
            query = select(profiles).where(
                profiles.c.model == model, profiles.c.edges == layout.id, profiles.c.grain == "day",
                profiles.c.bucket >= month.start, profiles.c.bucket < month.end)
            with self._db.write() as connection:
                days = [_counted(layout, row, _day(row.bucket)) for row in connection.execute(query)]
                months.drop(connection, model, layout.id, [month.start])
                _insert(connection, layout, months.MONTH, _rolled_up(days, month))
        return len(due)

    def _hours(self, layout: Layout, days: Sequence[datetime], where: Sequence[Any]) -> list[Counted]:
        query = select(profiles).where(*where, profiles.c.grain == "hour", profiles.c.bucket >= days[0],
                                       profiles.c.bucket < days[-1] + DAY)
        with self._db.read() as connection:
            return [_counted(layout, row, _hour(row.bucket)) for row in connection.execute(query)
                    if floor_to(row.bucket, DAY) in set(days)]

    def read(
        self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "", grain: str,
        versions: Sequence[str] = (), shadow: bool = False,
    ) -> list[Counted]:
        """Return the buckets of one grain that lie inside the window, oldest first; shadow traffic only when asked."""
        query = select(profiles).where(
            profiles.c.model == model, profiles.c.edges == layout.id, profiles.c.slice == slice_,
            profiles.c.grain == grain, profiles.c.environment == environment, profiles.c.bucket >= window.start,
            profiles.c.bucket < window.end, profiles.c.variant == SHADOW if shadow else profiles.c.variant != SHADOW,
        ).order_by(profiles.c.bucket)
        if versions:
            query = query.where(profiles.c.version.in_(versions))
        with self._db.read() as connection:
            return [_counted(layout, row, _SPANS[grain](row.bucket)) for row in connection.execute(query)]

    def cover(
        self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "",
        versions: Sequence[str] = (),
    ) -> list[Counted]:
        """Return buckets that together make up the window: months and days as far as they are whole, else hours."""
        first, last = _whole_days(window)
        if first >= last:
            return self.read(layout, window, model=model, environment=environment, slice_=slice_, grain="hour",
                             versions=versions)
        with self._db.read() as connection:
            whole = months.summed(connection, model, layout.id, TimeWindow(first, last))
        spans = ((TimeWindow(window.start, first), "hour"), *months.parts(TimeWindow(first, last), whole),
                 (TimeWindow(last, window.end), "hour"))
        return [
            item for span, grain in spans if span.start < span.end
            for item in self.read(layout, span, model=model, environment=environment, slice_=slice_, grain=grain,
                                  versions=versions)
        ]

    def slices(self, layout: Layout, window: TimeWindow, *, model: str, environment: str) -> list[str]:
        """Return the slices that have rows in the window, largest first; without the whole."""
        query = (
            select(profiles.c.slice).where(
                profiles.c.model == model, profiles.c.edges == layout.id, profiles.c.environment == environment,
                profiles.c.grain == "day", profiles.c.slice != "", profiles.c.bucket >= floor_to(window.start, DAY),
                profiles.c.bucket < window.end,
            ).group_by(profiles.c.slice).order_by(func.sum(profiles.c.rows).desc(), profiles.c.slice)
        )
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def places(self, model: str, window: TimeWindow) -> dict[tuple[str, str], int]:
        """Return (environment, version) to rows served in the days that the window touches, in any bins."""
        table = profiles
        query = (
            select(table.c.environment, table.c.version, table.c.edges, func.sum(table.c.rows).label("rows"))
            .where(table.c.model == model, table.c.grain == "day", table.c.slice == "", table.c.variant != SHADOW,
                   table.c.bucket >= floor_to(window.start, DAY), table.c.bucket < window.end)
            .group_by(table.c.environment, table.c.version, table.c.edges)
        )
        found: dict[tuple[str, str], int] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                # The same rows are counted in the bins of several versions.
                key = (row.environment, row.version)
                found[key] = max(found.get(key, 0), int(row.rows))
        return found

    def since(self, model: str, edges: str) -> datetime | None:
        """Return from when on all rows are counted in these bins, or None when never."""
        with self._db.read() as connection:
            return connection.execute(select(profile_spans.c.since).where(
                profile_spans.c.model == model, profile_spans.c.edges == edges)).scalar_one_or_none()

    def set_since(self, model: str, edges: str, since: datetime) -> None:
        """Store from when on all rows are counted in these bins."""
        with self._db.write() as connection:
            connection.execute(delete(profile_spans).where(
                profile_spans.c.model == model, profile_spans.c.edges == edges))
            connection.execute(insert(profile_spans).values(model=model, edges=edges, since=since))

    def drop_hours(self, model: str, *, before: datetime, slices_before: datetime) -> int:
        """Forget hours older than `before`, and those of slices older than `slices_before`; return how many rows."""
        old = or_(profiles.c.bucket < before, and_(profiles.c.slice != "", profiles.c.bucket < slices_before))
        with self._db.write() as connection:
            return connection.execute(
                delete(profiles).where(profiles.c.model == model, profiles.c.grain == "hour", old)).rowcount


def _scoped(scope: Scope) -> tuple[Any, ...]:
    column = profiles.c.slice
    return {Scope.EVERYTHING: (), Scope.WHOLE: (column == "",), Scope.SLICES: (column != "",)}[scope]


def _chunks(items: Sequence[datetime], size: int) -> Iterator[Sequence[datetime]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _whole_days(window: TimeWindow) -> tuple[datetime, datetime]:
    first = floor_to(window.start, DAY)
    return (first if first == window.start else first + DAY), floor_to(window.end, DAY)


def _insert(connection: Any, layout: Layout, grain: str, counted: Sequence[Counted]) -> None:
    rows = [
        {"model": c.place.model, "edges": layout.id, "grain": grain, "bucket": c.bucket.start,
         "environment": c.place.environment, "version": c.place.version, "variant": c.place.variant,
         "slice": c.place.slice, "rows": c.profile.rows, "body": c.profile.pack()}
        for c in counted
    ]
    for start in range(0, len(rows), _CHUNK):
        connection.execute(insert(profiles), rows[start : start + _CHUNK])


def _rolled_up(items: Iterable[Counted], month: TimeWindow | None = None) -> list[Counted]:
    """Return the sums by place over each day, or over a month that holds everything."""
    sums: dict[tuple[TimeWindow, Place], Profile] = {}
    for item in items:
        key = (month or _day(item.bucket.start), item.place)
        sums[key] = sums[key].merge(item.profile) if key in sums else item.profile
    return [Counted(place=place, bucket=bucket, profile=profile) for (bucket, place), profile in sums.items()]


def _day(moment: datetime) -> TimeWindow:
    start = floor_to(moment, DAY)
    return TimeWindow(start, start + DAY)


def _hour(moment: datetime) -> TimeWindow:
    return TimeWindow(moment, moment + HOUR)


_SPANS: Final = {"hour": _hour, "day": _day, months.MONTH: months.month_of}


def _counted(layout: Layout, row: Row[Any], bucket: TimeWindow) -> Counted:
    try:
        profile = Profile.unpack(layout, row.body)
    except ValueError as error:
        raise SourceMalformed(f"profile of {row.model} at {row.bucket:%Y-%m-%d %H:%M} UTC: {error}") from error
    place = Place(model=row.model, version=row.version, environment=row.environment, variant=row.variant,
                  slice=row.slice)
    return Counted(place=place, bucket=bucket, profile=profile)
