"""Read a prediction log that is a table of a database or warehouse, through Ibis.

An hour of the table stands for a file in the ledger: its row count for the file's size, its newest time for the file's.
The last 48 hours are looked at in every pass, everything once at the start, and an hour that changed is counted again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ibis

from services.adapters import ibis_engine
from services.adapters.profile_engine import SLICES
from services.core.window import HOUR, TimeWindow, floor_to
from services.errors import OpsError, SourceMalformed, SourceUnavailable
from services.predictions.ledger import EARLIEST, Changes, FileState, Found, LogFile, latest
from services.predictions.schema import CHAMPION
from services.profiles.baseline import LABEL, PREDICTION, SCORE
from services.profiles.bins import CategoricalBins
from services.profiles.ports import Ask, Counted, Place
from services.settings.sections import Model

LOOK_AGAIN: Final = timedelta(hours=48)
_HOUR: Final = "hour=%Y-%m-%dT%H"
_ABSENT: Final = {"version": "", "variant": CHAMPION, "environment": "production", "status": "ok"}


class TableLog:
    """The table of one model's predictions."""

    def __init__(self, model: str, url: str, settings: Model) -> None:
        """Read the table `settings.log` (`table` or `schema.table`) of the engine at an Ibis address."""
        self.model, self._url, self._settings = model, url, settings
        self.name = f"predictions:{model}"
        self._engine: Any = None
        self._open: Any = None

    def close(self) -> None:
        """Give the connection back; the next question opens another."""
        engine, self._engine, self._open = self._engine, None, None
        if engine is not None:
            engine.disconnect()

    def columns(self) -> list[str]:
        """Return the columns of the table.

        Raises:
            SourceUnavailable: the engine does not answer, or has no such table.
            SourceMalformed: the table has no column for the time.
        """
        return list(self._table()[0].columns)

    def changes(self, known: Mapping[str, LogFile], *, now: datetime | None = None) -> Changes:
        """Return the hours whose rows changed.

        Raises:
            SourceUnavailable: the engine does not answer, or has no such table.
            SourceMalformed: the table has no column for the time.
        """
        table, time = self._table()
        # A row whose clock is ahead must not carry the look past rows that come now.
        last = max((f.last for f in known.values() if f.last and (now is None or f.last <= now)), default=None)
        since = None if last is None else floor_to(last - LOOK_AGAIN, HOUR)
        until = floor_to(latest(now), HOUR)  # whole hours: one that is cut would differ from its facts in every pass
        table = table.filter((time >= _naive(since or EARLIEST)) & (time < _naive(until)))
        hours = self._ask(
            table.group_by(hour=time.truncate("h")).aggregate(n=table.count(), last=time.max()))
        found = {}
        for row in hours:
            path = row["hour"].strftime(_HOUR)
            found[path] = Found(path=path, size=int(row["n"]), mtime=_aware(row["last"]))
        look = tuple(f for path, f in sorted(found.items()) if path not in known
                     or (known[path].size, known[path].mtime) != (f.size, f.mtime))
        gone = tuple(f for path, f in sorted(known.items()) if path not in found and f.state is not FileState.GONE
                     and (f.first is None or since is None or f.first >= since))
        return Changes(look=look, gone=gone)

    def inspect(self, changes: Changes, *, now: datetime | None = None) -> list[LogFile]:  # noqa: ARG002
        """Return the facts of changed hours, by one query over their span."""
        gone = [replace(file, state=FileState.GONE) for file in changes.gone]
        if not changes.look:
            return gone
        table, time = self._table()
        starts = [_start(found.path) for found in changes.look]
        table = table.filter((time >= _naive(min(starts))) & (time < _naive(max(starts) + HOUR)))
        rows = self._ask(table.group_by(hour=time.truncate("h"), version=self._key(table, "version")).aggregate(
            n=table.count(), first=time.min(), last=time.max()))
        facts: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            facts.setdefault(row["hour"].strftime(_HOUR), []).append(row)
        return [_file(found, facts.get(found.path, [])) for found in changes.look] + gone

    def count(self, files: Sequence[LogFile], ask: Ask) -> tuple[list[Counted], list[LogFile]]:
        """Return the profiles of a window; a table has no files that could be unreadable."""
        if not files:
            return [], []
        table, time = self._table()
        kept = (time >= _naive(ask.window.start)) & (time < _naive(ask.window.end))
        if ask.versions:
            kept &= self._key(table, "version").isin(list(ask.versions))
        table = table.filter(kept)
        names = self._settings.columns
        if names.request_id in table.columns:
            # Logged at least once: the first of equal (request_id, variant) counts.
            key = [c for c in (names.request_id, names.variant) if c in table.columns]
            table = ibis_engine.first_of_repeats(table, key, time)
        keys = [self._key(table, field) for field in ("version", "environment", "variant")]
        counted: list[Counted] = []
        for cut in ("", *(s for s in ask.slices if s in table.columns)):
            for bucket, values, profile in ibis_engine.count(
                table, ask.layout, self._columns(table, ask), time=time, grain=ask.grain, keys=keys,
                cut=self._cut(table, cut, ask) if cut else None, where=self._where(table, ask),
            ):
                start = bucket or ask.window.start
                place = Place(model=self.model, version=values[0], environment=values[1], variant=values[2],
                              slice=f"{cut}={values[3]}" if cut else "")
                counted.append(Counted(place=place, bucket=TimeWindow(start, start + ask.grain), profile=profile))
        return counted, []

    def _cut(self, table: Any, column: str, ask: Ask) -> Any:
        """Return the slice of each row, bounded as that of files is (prediction_log.py)."""
        bins, value = ask.layout.columns.get(column), table[column].cast("string")
        if isinstance(bins, CategoricalBins):
            known = [*bins.named, *bins.rare]
        else:
            of_each = table.group_by(value=table[column]).aggregate(n=table.count())
            most = self._ask(of_each.order_by([ibis.desc("n"), "value"]).limit(SLICES).select(
                value=of_each["value"].cast("string")))
            known = [row["value"] for row in most if row["value"] is not None]
        return value.isin(known).ifelse(value, ibis.null("string")) if known else ibis.null("string")

    def _columns(self, table: Any, ask: Ask) -> dict[str, Any]:
        names = self._settings.columns
        theirs = {PREDICTION: names.prediction, SCORE: names.score, LABEL: LABEL}
        return {c: table[theirs.get(c, c)] if theirs.get(c, c) in table.columns else None for c in ask.layout.columns}

    def _where(self, table: Any, ask: Ask) -> dict[str, Any]:
        # A failed request has no answer; counting it as a missing one would alarm twice.
        if self._settings.columns.status not in table.columns:
            return {}
        return {c: self._key(table, "status") == "ok" for c in ask.layout.columns if c in (PREDICTION, SCORE, LABEL)}

    def _key(self, table: Any, field: str) -> Any:
        column = getattr(self._settings.columns, field)
        return table[column].cast("string") if column in table.columns else ibis.literal(_ABSENT[field])

    def _table(self) -> tuple[Any, Any]:
        column = self._settings.columns.timestamp
        try:
            if self._open is None:
                self._engine = self._engine or ibis.connect(self._url)
                database, _, name = self._settings.log.rpartition(".")
                self._open = self._engine.table(name, database=database or None)
            table = self._open
        except Exception as error:  # each backend raises errors of its own driver
            raise SourceUnavailable(f"table {self._settings.log} of model {self.model} cannot be opened: "
                                    f"{_line(error)}. Check engine.url and models.{self.model}.log") from error
        if column not in table.columns:
            raise SourceMalformed(f"table {self._settings.log} has no column {column}: name the time column in "
                                  f"models.{self.model}.columns.timestamp")
        return table, table[column].cast("timestamp")

    def _ask(self, query: Any) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = query.to_pyarrow().to_pylist()
        except OpsError:
            raise
        except Exception as error:  # each backend raises errors of its own driver
            self.close()  # a broken connection is opened anew in the next pass
            raise SourceUnavailable(f"table {self._settings.log} of model {self.model} cannot be read: "
                                    f"{_line(error)}") from error
        return rows


def _file(found: Found, rows: Sequence[Mapping[str, Any]]) -> LogFile:
    start = _start(found.path)
    return LogFile(
        path=found.path, size=found.size, mtime=found.mtime, state=FileState.NEW, rows=sum(r["n"] for r in rows),
        first=min((_aware(r["first"]) for r in rows), default=start),
        last=max((_aware(r["last"]) for r in rows), default=start),
        versions={r["version"] or "": int(r["n"]) for r in rows},
    )


def _start(path: str) -> datetime:
    return datetime.strptime(path, _HOUR).replace(tzinfo=UTC)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _naive(moment: datetime) -> Any:
    return ibis.literal(moment.astimezone(UTC).replace(tzinfo=None), type="timestamp")


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
