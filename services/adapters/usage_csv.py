"""Read a CSV of use: `ts, pool, pipeline, kind, team, environment, requested, used, pending, limit`.

Only `ts`, `pool`, `pipeline` and `used` are obligatory. An empty pipeline is the pool's own meter. A `unit` column may
name the unit of the amounts; without one they are in the pool's own.
"""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from services.adapters.usage_files import Reading
from services.errors import SourceMalformed
from services.quota.pool import Limit, Origin, Pool, Sample, check, in_two_pools, in_unit

NEEDED: Final = ("ts", "pool", "pipeline", "used")
_FUTURE: Final = timedelta(minutes=5)
_OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class CsvReader:
    """Reads one CSV file."""

    def __init__(
        self, pools: Mapping[str, Pool], *, pool: str = "", unit: str = "", names: Mapping[str, str] | None = None,
        meant: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Use `pool` and `unit` where a row has none.

        `names` maps the file's pools to the settings', `meant` a pipeline to the pools that it may hold at once.
        """
        self._pools = pools
        self._pool = pool
        self._unit = unit
        self._names = names or {}
        self._meant = meant

    def __call__(self, file: Path, now: datetime) -> Reading:
        """Return what a file says.

        Raises:
            SourceMalformed: it is no CSV, or lacks an obligatory column.
        """
        samples: dict[tuple[str, ...], Sample] = {}
        limits: dict[tuple[str, datetime], Limit] = {}
        faults = []
        with file.open(newline="", encoding="utf-8-sig") as text:
            rows = csv.DictReader(text)
            try:
                missing = [c for c in NEEDED if c not in (rows.fieldnames or ()) and not (c == "pool" and self._pool)]
                if missing:
                    raise SourceMalformed(f"{file.name} has no column {', '.join(missing)}: it needs "
                                          f"{', '.join(NEEDED)}")
                for row in rows:
                    where = f"line {rows.line_num} of {file.name}"
                    try:
                        sample, limit = self._row(row, where, now)
                        key = (str(sample.ts), sample.pool, sample.pipeline, sample.kind, sample.team,
                               sample.environment)
                    except SourceMalformed as error:
                        faults.append(str(error))
                        continue
                    if key in samples:
                        faults.append(f"{where}: the same pipeline and moment stand there twice: the first is kept")
                        continue
                    samples[key] = sample
                    if limit:
                        limits[limit.pool, limit.since] = limit
            except (csv.Error, UnicodeDecodeError) as error:
                raise SourceMalformed(f"{file.name} cannot be read as CSV in UTF-8: {error}") from error
        resources = {name: pool.resource for name, pool in self._pools.items()}
        faults += [f"{file.name}: {who} uses {' and '.join(where)} at one moment: if that is one use counted twice, "
                   "drop one" for who, where in in_two_pools(samples.values(), resources, meant=self._meant).items()]
        return Reading(samples=tuple(samples.values()), limits=_changes(limits), faults=tuple(faults))

    def _row(self, row: Mapping[str, str | None], where: str, now: datetime) -> tuple[Sample, Limit | None]:
        given = row.get("pool") or self._pool
        pool = self._names.get(given, given)
        declared = self._pools.get(pool)
        unit = row.get("unit") or self._unit
        ts = moment(row.get("ts") or "", where, now=now)

        def amount(name: str) -> float | None:
            value = number(row.get(name), name, where)
            if value is None or not unit or declared is None:
                return value
            return in_unit(value, unit, resource=declared.resource, row=where)

        used, limit = amount("used"), amount("limit")
        if used is None:
            raise SourceMalformed(f"{where}: used is empty: write 0 where nothing was used")
        if limit is not None and limit <= 0:
            raise SourceMalformed(f"{where}: limit = {limit:g} is impossible: a limit is above zero")
        sample = check(Sample(
            ts=ts, pool=pool, pipeline=(row.get("pipeline") or "")[:250], kind=row.get("kind") or "",
            team=(row.get("team") or "")[:120], environment=(row.get("environment") or "")[:80],
            used=used, requested=amount("requested"), pending=amount("pending"), origin=Origin.IMPORTED), row=where)
        return sample, Limit(pool=pool, since=ts, value=limit, origin="imported") if limit else None


def moment(text: str, where: str, *, now: datetime) -> datetime:
    """Return a row's time; without a zone it is read as UTC.

    Raises:
        SourceMalformed: it is no time, lies in the future, as after a clock that jumped, or before any use.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SourceMalformed(f"{where}: ts {text!r} is not a time: write 2026-03-04T15:00:00Z") from None
    found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    if found > now + _FUTURE:
        raise SourceMalformed(f"{where}: ts {found:%Y-%m-%d %H:%M} UTC lies in the future: a clock jumped")
    if found < _OLDEST:
        raise SourceMalformed(f"{where}: ts {found:%Y-%m-%d %H:%M} UTC is before any of this: a clock was never set")
    return found


def number(text: str | None, name: str, where: str) -> float | None:
    """Return a row's number, None where the cell is empty.

    Raises:
        SourceMalformed: the cell holds something else.
    """
    if text is None or not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise SourceMalformed(f"{where}: {name} {text!r} is not a number") from None


def _changes(limits: Mapping[tuple[str, datetime], Limit]) -> tuple[Limit, ...]:
    """Return the limits at which something changed: a file repeats its limit in every row."""
    kept: list[Limit] = []
    last: dict[str, float] = {}
    for limit in sorted(limits.values(), key=lambda x: (x.pool, x.since)):
        if last.get(limit.pool) != limit.value:
            kept.append(limit)
            last[limit.pool] = limit.value
    return tuple(kept)
