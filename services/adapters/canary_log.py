"""Count a canary's traffic from the prediction log: blocks of champion and candidate requests in their order.

DuckDB counts where the log lies; what reaches Python is one row per candidate request, with no feature in it. What the
counts mean is decided in services/releases/judge.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from services.adapters import canary_answers
from services.adapters.canary_answers import moment, run
from services.adapters.profile_engine import connect
from services.adapters.profile_sql import identifier, literal, parquet
from services.core.window import TimeWindow
from services.predictions.ledger import LogFile, overlapping
from services.predictions.schema import CANARY, CHAMPION, SHADOW
from services.releases.canary import Block, Counted, Labelled, Pairs, Span
from services.settings.sections import Model

_BEFORE: Final = timedelta(hours=24)  # how far back the champion's p95 may be taken from
_LEAST_BEFORE: Final = 100
_LABELLED_BEFORE: Final = timedelta(days=7)  # how far back the usual error of the champion is taken from
_BINS: Final = 10
_MOST_BLOCKS: Final = 20_000

_ROWS: Final = """
SELECT {time} AS ts, CAST({request} AS VARCHAR) AS id,
       coalesce(nullif(CAST({entity} AS VARCHAR), ''), CAST({request} AS VARCHAR), '') AS entity,
       CAST({version} AS VARCHAR) AS version, {variant} AS variant,
       ({status} <> 'ok')::INT AS bad, TRY_CAST({latency} AS DOUBLE) AS ms,
       TRY_CAST({prediction} AS DOUBLE) AS said,
       coalesce(TRY_CAST({score} AS DOUBLE), TRY_CAST({prediction} AS DOUBLE)) AS answer{also}
FROM {relation} WHERE {environment} = {place} AND {time} >= {start} AND {time} < {end}
"""
_BLOCKS: Final = """
WITH arm AS (
  SELECT bad, coalesce(ms > {limit}, false)::INT AS slow, variant = {candidate} AS ours,
         row_number() OVER (PARTITION BY variant = {candidate} ORDER BY ts, id) - 1 AS place
  FROM ({rows}) WHERE (variant = {candidate} AND version = {new}) OR (variant = {champion} AND version = {old})
), theirs AS (
  SELECT place // {n} AS block, count(*) AS n, sum(bad) AS bad, sum(slow) AS slow FROM arm WHERE NOT ours GROUP BY ALL
)
SELECT theirs.n, theirs.bad, arm.bad, theirs.slow, arm.slow FROM arm JOIN theirs ON theirs.block = arm.place
WHERE ours AND theirs.n = {n} ORDER BY arm.place LIMIT {most}
"""
_TOTALS: Final = """
SELECT count(*) FILTER (WHERE NOT ours), count(*) FILTER (WHERE ours) FROM (
  SELECT variant = {candidate} AS ours FROM ({rows})
  WHERE (variant = {candidate} AND version = {new}) OR (variant = {champion} AND version = {old}))
"""
# By an entity's first request: where the split is not sticky, its later ones would reach both in the end. A row that
# names neither entity nor request stands for itself.
_FIRST: Final = """
WITH r AS (
  SELECT ts, variant = {candidate} AS ours,
         CASE WHEN entity = '' THEN 'row ' || row_number() OVER () ELSE entity END AS entity
  FROM ({rows}) WHERE (variant = {candidate} AND version = {new}) OR (variant = {champion} AND version = {old}))
SELECT count(*) FILTER (WHERE NOT ours), count(*) FILTER (WHERE ours) FROM (
  SELECT arg_min(ours, ts) AS ours FROM r WHERE entity NOT IN (SELECT entity FROM ({before})) GROUP BY entity)
"""
_ANSWERS: Final = """
WITH r AS (SELECT answer, variant = {candidate} AS ours FROM ({rows}) WHERE answer IS NOT NULL AND
           ((variant = {candidate} AND version = {new}) OR (variant = {champion} AND version = {old}))),
edges AS (SELECT quantile_cont(answer, {cuts}) AS cuts FROM r WHERE NOT ours)
SELECT len(list_filter(cuts, lambda c: c < answer)) AS bin, count(*) FILTER (WHERE NOT ours),
       count(*) FILTER (WHERE ours)
FROM r, edges GROUP BY bin ORDER BY bin
"""

Files = Callable[[], Mapping[str, LogFile]]


class CanaryLog:
    """One model's prediction log, counted for releases."""

    def __init__(
        self, settings: Model, *, root: Path, files: Files, label_root: Path | None = None, label_files: Files = dict
    ) -> None:
        """Read below `root` and `label_root`; `files` are what the ledger knows of each: a damaged one is left out."""
        self._settings = settings
        self._root, self._files = root, files
        self._label_root, self._label_files = label_root, label_files

    def count(
        self, spans: Sequence[Span], *, environment: str, champion: str, candidate: str, limit_ms: float | None,
        now: datetime, shadow: bool = False,
    ) -> Counted:
        """Return everything one look rests on, up to `now`.

        Args:
            spans: the times in which the split did not change, oldest first; their counts are filled in.
            environment: where.
            champion: the version that served before.
            candidate: the version that is judged.
            limit_ms: the champion's p95, when an earlier look froze it.
            now: the end of the last span.
            shadow: whether the candidate answers copies of requests.

        Raises:
            SourceUnavailable: the log cannot be read.
        """
        if not spans:
            return Counted(spans=(), blocks=())
        terms = {"candidate": literal(SHADOW if shadow else CANARY), "champion": literal(CHAMPION),
                 "old": literal(champion), "new": literal(candidate)}
        counted, blocks = [], []
        with connect() as connection:
            limit = limit_ms or self._p95(connection, spans[0].start, environment, champion)
            for span in spans:
                rows = self._rows(connection, TimeWindow(span.start, span.end or now), environment)
                if rows is None:
                    counted.append(span)
                    continue
                n = 1 if shadow else max(1, round((100 - span.weight_pct) / span.weight_pct))
                totals = run(connection, _TOTALS.format(rows=rows, **terms))[0]
                earlier = TimeWindow(spans[0].start, span.start)
                drawn = totals if shadow else self._first(connection, rows, earlier, environment, terms)
                counted.append(replace(span, n_champion=totals[0], n_candidate=totals[1], first_champion=drawn[0],
                                       first_candidate=drawn[1]))
                blocks += [
                    Block(n=r[0], errors_champion=r[1], errors_candidate=r[2], slow_champion=r[3], slow_candidate=r[4])
                    for r in run(connection, _BLOCKS.format(
                        rows=rows, n=n, limit="'inf'::DOUBLE" if limit is None else limit, most=_MOST_BLOCKS, **terms))
                ]
            window = TimeWindow(spans[0].start, now)
            theirs, ours = self._answers(connection, window, environment, terms)
            pairs = self._pairs(connection, window, environment, terms) if shadow else None
            labelled = self._labelled(connection, window, environment, terms, shadow=shadow)
        asked = sum(span.n_candidate for span in counted)
        return Counted(spans=tuple(counted), blocks=tuple(blocks), limit_ms=limit, champion_bins=theirs,
                       candidate_bins=ours, pairs=pairs, labelled=replace(labelled, asked=asked))

    def answered(
        self, window: TimeWindow, *, environment: str, version: str, most: int, to: Path, served: str
    ) -> tuple[int, datetime | None, datetime | None]:
        """Return how many people's requests a version answered in a window, and when the first and the last.

        At most `most` of them, the same ones each time, are written to the file `to` with their features and the
        answer that was given, as column `served`.

        Raises:
            SourceUnavailable: the log cannot be read.
        """
        features = list(dict.fromkeys(self._settings.features))
        with connect() as connection:
            rows = self._rows(connection, window, environment, also=features)
            if rows is None:
                return 0, None, None
            mine = (f"({rows}) WHERE bad = 0 AND version = {literal(version)} AND variant <> {literal(SHADOW)} "
                    "AND isfinite(said)")
            # As numbers: DuckDB hands a time with a zone to Python only by a package that we do not need otherwise.
            n, *ends = run(connection, f"SELECT count(*), epoch_us(min(ts)), epoch_us(max(ts)) FROM {mine}")[0]
            if n:
                kept = "".join(f", {canary_answers.shown(i)} AS {identifier(f)}" for i, f in enumerate(features))
                run(connection, f"COPY (SELECT said AS {identifier(served)}{kept} FROM {mine} ORDER BY hash(id), id "
                                f"LIMIT {most}) TO {literal(str(to))} (FORMAT parquet)")
        first, last = (datetime.fromtimestamp(end / 1e6, UTC) if end is not None else None for end in ends)
        return int(n), first, last

    def _pairs(
        self, connection: duckdb.DuckDBPyConnection, window: TimeWindow, environment: str, terms: Mapping[str, str]
    ) -> Pairs | None:
        """Return what champion and shadow answered to the same requests; nothing of a sensitive column is in it."""
        shown = [name for name in [*self._settings.slices, *self._settings.features]
                 if name not in self._settings.sensitive]
        rows = self._rows(connection, window, environment, also=shown)
        if rows is None:
            return None
        return canary_answers.pairs(connection, rows, terms, task=self._settings.task, shown=list(dict.fromkeys(shown)),
                                    slices=[s for s in self._settings.slices if s in shown])

    def _labelled(
        self, connection: duckdb.DuckDBPyConnection, window: TimeWindow, environment: str, terms: Mapping[str, str],
        *, shadow: bool,
    ) -> Labelled:
        """Return the losses of answers whose labels had come by the end of the window."""
        rows = self._rows(connection, TimeWindow(window.start - _LABELLED_BEFORE, window.end), environment)
        there = overlapping(self._label_files().values(), TimeWindow(window.start - _LABELLED_BEFORE, window.end))
        if rows is None or not there or self._label_root is None:
            return Labelled()
        labels = canary_answers.labels(connection, [str(self._label_root / file.path) for file in there])
        return canary_answers.labelled(connection, rows, labels, terms, task=self._settings.task, start=window.start,
                                       end=window.end, paired=shadow)

    def _first(
        self, connection: duckdb.DuckDBPyConnection, rows: str, earlier: TimeWindow, environment: str,
        terms: Mapping[str, str],
    ) -> tuple[int, int]:
        """Return how many entities, none seen earlier, came to the champion first, and how many to the candidate."""
        before = self._rows(connection, earlier, environment) if earlier.start < earlier.end else None
        champion, candidate = run(connection, _FIRST.format(
            rows=rows, before=before or "SELECT '' AS entity", **terms))[0]
        return champion, candidate

    def _p95(
        self, connection: duckdb.DuckDBPyConnection, before: datetime, environment: str, champion: str
    ) -> float | None:
        rows = self._rows(connection, TimeWindow(before - _BEFORE, before), environment)
        if rows is None:
            return None
        n, p95 = run(connection, f"SELECT count(ms), quantile_cont(ms, 0.95) FROM ({rows}) WHERE version = "
                                  f"{literal(champion)} AND variant = {literal(CHAMPION)} AND bad = 0")[0]
        return float(p95) if n >= _LEAST_BEFORE else None

    def _answers(
        self, connection: duckdb.DuckDBPyConnection, window: TimeWindow, environment: str, terms: Mapping[str, str]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rows = self._rows(connection, window, environment)
        if rows is None:
            return (), ()
        cuts = [i / _BINS for i in range(1, _BINS)]
        found = {r[0]: r for r in run(connection, _ANSWERS.format(rows=rows, cuts=cuts, **terms))}
        return (tuple(found[i][1] if i in found else 0 for i in range(_BINS)),
                tuple(found[i][2] if i in found else 0 for i in range(_BINS)))

    def _rows(
        self, connection: duckdb.DuckDBPyConnection, window: TimeWindow, environment: str, *, also: Sequence[str] = ()
    ) -> str | None:
        """Return the query for a window's rows under our own names, or None when no file covers it.

        `also` names columns to keep as they are; one that the log does not have is NULL.
        """
        there = overlapping(self._files().values(), window)
        if not there:
            return None
        relation = parquet([str(self._root / file.path) for file in there])
        kinds = {row[0] for row in run(connection, f"DESCRIBE SELECT * FROM {relation}")}
        named = self._settings.columns

        def column(name: str, absent: str) -> str:
            return identifier(name) if name in kinds else absent

        return _ROWS.format(
            time=identifier(named.timestamp), request=column(named.request_id, "''"),
            entity=column(named.entity_id, "''"),
            version=column(named.version, "''"), variant=column(named.variant, literal(CHAMPION)),
            status=column(named.status, "'ok'"), latency=column(named.latency_ms, "NULL"),
            score=column(named.score, "NULL"), prediction=column(named.prediction, "NULL"), relation=relation,
            environment=column(named.environment, "'production'"), place=literal(environment),
            start=moment(window.start), end=moment(window.end),
            also="".join(f", {column(name, 'NULL')} AS {canary_answers.shown(i)}" for i, name in enumerate(
                dict.fromkeys(also))),
        )
