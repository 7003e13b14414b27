"""Judge a window's rows by the schema: missing values, wrong types, columns, duplicate keys, volume and freshness.

Unseen and out-of-range values are judged with skew and drift, from the same bins; what somebody accepted is taken out
of them in services/monitor/steps/checks.py. Rows that fail are counted and sampled, never dropped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from scipy.special import pdtr, pdtrc

from services.checks.schema import ColumnSchema, Schema
from services.checks.share import judge_share
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow, span_text
from services.profiles.profile import Profile

SPEAKS: Final = 7.0  # expected rows, below which volume says nothing
LESS_FAIL, LESS_WARN, MORE_WARN = 0.5, 0.7, 2.0
ALPHA: Final = 0.001
RECENT_GAPS: Final = 14
SHOWN: Final = 5  # new columns by name
FAULTS: Final = {"wrong_type_rate": "is no number", "unseen_rate": "unseen", "out_of_range_rate": "out of range"}
NAMES: Final = ("schema", "missing_rate", "wrong_type_rate", "unseen_rate", "out_of_range_rate", "duplicate_keys",
                "volume", "freshness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose rows these are: a model in an environment, or a data set."""

    name: str
    pipeline: Pipeline = Pipeline.SERVING
    environment: str = ""
    version: str = ""


def check_values(subject: Subject, window: TimeWindow, profile: Profile, schema: Schema, *, at: datetime,
                 ) -> list[Measurement]:
    """Return `missing_rate` of every column and `wrong_type_rate` of every number."""
    found = []
    for column in schema.columns.values():
        if not column.enabled or column.name not in profile.layout.columns:
            continue
        counts = profile.column(column.name)
        # Text that is no number is counted as missing too; it is told here as what it is.
        empty = counts.missing - counts.corrupt
        judged = judge_share(empty, counts.rows, usual=column.missing)
        found.append(_measured("missing_rate", subject, window, at, column=column.name, verdict=judged.verdict,
                               why=judged.why, reason=f"{column.name} missing: {judged.text}", value=judged.value,
                               n=judged.n, detail={"k": judged.k, "allowed": judged.allowed, "p": judged.p}))
        # Bins of categories cannot tell which values are no numbers: those rows are counted (`check_counted`).
        if column.kind == counts.bins.kind == "numeric":
            found.append(check_counted(subject, window, column, "wrong_type_rate", counts.corrupt, counts.rows, at=at))
    return found


def check_counted(subject: Subject, window: TimeWindow, column: ColumnSchema, name: str, k: int, n: int, *,
                  at: datetime) -> Measurement:
    """Return `wrong_type_rate`, `unseen_rate` or `out_of_range_rate` of a column from counted rows, k of n failing."""
    judged = judge_share(min(k, n), n, usual=0.0 if name == "wrong_type_rate" else column.unusual)
    return _measured(name, subject, window, at, column=column.name, verdict=judged.verdict, why=judged.why,
                     reason=f"{column.name} {FAULTS[name]}: {judged.text}", value=judged.value, n=judged.n,
                     detail={"k": judged.k, "allowed": judged.allowed, "p": judged.p})


def check_columns(subject: Subject, window: TimeWindow, kinds: Mapping[str, str] | None, schema: Schema, *,
                  at: datetime, own: Collection[str] = ()) -> Measurement:
    """Return `schema`: are the expected columns there, and of their kind?

    `kinds` maps column to its type now. A column that is neither expected nor among the data's `own` (times, ids) is
    named, and no fault: the model does not read it.
    """
    if kinds is None:
        return _measured("schema", subject, window, at, verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA, value=None,
                         reason="no file with rows in this window", detail={"revision": schema.revision})
    wanted = [c for c in schema.columns.values() if c.enabled]
    gone = [c.name for c in wanted if c.name not in kinds]
    retyped = [f"{c.name} ({kinds[c.name].lower()} instead of {c.kind})" for c in wanted
               if c.name in kinds and not _fits(c.kind, kinds[c.name])]
    said = [f"{words} {', '.join(names)}" for words, names in (("lacks", gone), ("changed type:", retyped)) if names]
    verdict = Verdict.FAIL if said else Verdict.PASS
    new = sorted(set(kinds) - set(schema.columns) - set(own))
    reason = "; ".join(said) or f"all {len(wanted)} columns are there and of their kind"
    if new:
        reason += f"; not in the schema: {', '.join(new[:SHOWN])}" + (
            f" and {len(new) - SHOWN} more" if len(new) > SHOWN else "")
    return _measured("schema", subject, window, at, verdict=verdict, why=Why.NONE, reason=reason, n=len(wanted),
                     value=float(len(gone) + len(retyped)), unit="columns",
                     detail={"revision": schema.revision, "gone": gone, "retyped": retyped, "new": new[:50]})


def check_duplicates(subject: Subject, window: TimeWindow, duplicates: int, rows: int, *, at: datetime) -> Measurement:
    """Return `duplicate_keys`: rows that repeat an earlier request id; each request counts once everywhere else."""
    judged = judge_share(duplicates, rows + duplicates, usual=0.0)
    return _measured("duplicate_keys", subject, window, at, verdict=judged.verdict, why=judged.why,
                     reason=f"repeated request ids: {judged.text}", value=judged.value, n=judged.n,
                     detail={"k": judged.k, "allowed": judged.allowed, "p": judged.p})


def check_volume(subject: Subject, window: TimeWindow, rows: int, expected: float | None, *, at: datetime,
                 schema: Schema | None = None) -> Measurement:
    """Return `volume`: rows against the same hours of the last four weeks.

    Fail under half, warn under 70% or over twice, each only beyond Poisson chance and from 7 expected rows on. Where
    the schema says how many rows a day should have, it is held to that instead.
    """
    verdict, why = Verdict.PASS, Why.NONE
    least, most = (schema.rows_least, schema.rows_most) if schema else (None, None)
    if least or most:
        bounds = " and ".join(f"{word} {bound:,}" for word, bound in (("at least", least), ("at most", most)) if bound)
        reason = f"{rows:,} rows in {span_text(window.length)}, the schema expects {bounds}"
        if rows < (least or 0) or rows > (most or rows):
            verdict = Verdict.FAIL
    elif expected is None:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        reason = f"{rows:,} rows in {span_text(window.length)}; no week of history to compare with"
    else:
        reason = f"{rows:,} rows in {span_text(window.length)}, {expected:,.0f} usual in the same hours of the week"
        if expected < SPEAKS and rows <= 2 * SPEAKS:
            verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
        elif float(pdtr(rows, expected)) < ALPHA and rows < LESS_WARN * expected:
            verdict = Verdict.FAIL if rows < LESS_FAIL * expected else Verdict.WARN
        elif rows > MORE_WARN * expected and float(pdtrc(rows - 1, max(expected, 0.1))) < ALPHA:
            verdict = Verdict.WARN
    return _measured("volume", subject, window, at, verdict=verdict, why=why, reason=reason, value=float(rows),
                     unit="rows", n=rows, detail={"expected": expected})


def check_age(subject: Subject, newest: datetime | None, allowed: timedelta, *, at: datetime) -> Measurement:
    """Return `freshness` of a log whose schema says how old its newest row may be."""
    window = TimeWindow(min(newest or at, at), at)
    if newest is None:
        return _measured("freshness", subject, window, at, verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA,
                         reason="no row in the last four weeks", value=None, unit="s")
    late = at - newest > allowed
    return _measured("freshness", subject, window, at, verdict=Verdict.FAIL if late else Verdict.PASS,
                     why=Why.LATE if late else Why.NONE, value=(at - newest).total_seconds(), unit="s",
                     reason=f"newest row {span_text(at - newest)} old, the schema expects one every "
                            f"{span_text(allowed)}", detail={"allowed_s": allowed.total_seconds()})


def longest_gap(names: Sequence[str]) -> timedelta:
    """Return the longest gap between the dates of the last partitions, `date=2026-03-04` or `2026-03-04`; else none."""
    dates = []
    for name in names[-RECENT_GAPS - 1:]:
        try:
            dates.append(datetime.strptime(name.rpartition("=")[2][:10], "%Y-%m-%d").replace(tzinfo=UTC))
        except ValueError:
            return timedelta(0)
    return max((b - a for a, b in pairwise(sorted(dates))), default=timedelta(0))


def check_freshness(subject: Subject, newest: datetime | None, arrivals: Sequence[datetime], *, at: datetime,
                    dated: timedelta = timedelta(0)) -> Measurement:
    """Return `freshness` of a data set: how old its newest row is, against the longest usual gap between partitions.

    `arrivals` are the times of its partitions, oldest first. Fail: older than twice the longest of the last gaps.
    `dated` is the gap between the days that the partitions are of: after a backfill, which writes weeks in a minute,
    the times of writing alone would expect another part every minute.
    """
    window = TimeWindow(min(newest or at, at), at)
    if newest is None:
        return _measured("freshness", subject, window, at, verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA,
                         reason="it has no rows yet", value=None, unit="s")
    age = at - newest
    gaps = [b - a for a, b in pairwise(arrivals)][-RECENT_GAPS:]
    if not gaps:
        return _measured("freshness", subject, window, at, verdict=Verdict.INCONCLUSIVE, why=Why.TOO_FEW, unit="s",
                         reason=f"newest row {span_text(age)} old; how often rows should come is not known yet",
                         value=age.total_seconds())
    usual = max(*gaps, dated, timedelta(minutes=1))
    late = age / usual
    verdict = Verdict.FAIL if late > 2.5 else Verdict.WARN if late > 2.0 else Verdict.PASS
    return _measured("freshness", subject, window, at, verdict=verdict, why=Why.LATE if late > 2.0 else Why.NONE,
                     reason=f"newest row {span_text(age)} old, a new part comes every {span_text(usual)}",
                     value=age.total_seconds(), unit="s", n=len(arrivals), detail={"usual_s": usual.total_seconds()})


def _fits(kind: str, engine: str) -> bool:
    """Tell whether an engine's type can be of the kind: numbers arrive as text from some logs, and are parsed."""
    numeric = engine.upper().startswith(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",
         "DOUBLE", "DECIMAL", "TIMESTAMP", "DATE", "BOOLEAN"))
    return numeric if kind == "numeric" else not engine.upper().startswith(("FLOAT", "DOUBLE", "DECIMAL"))


def _measured(
    name: str, subject: Subject, window: TimeWindow, at: datetime, *, verdict: Verdict, why: Why, reason: str,
    value: float | None, unit: str = "share", n: int = 0, column: str = "", detail: Mapping[str, Any] | None = None,
) -> Measurement:
    return Measurement(name=name, pipeline=subject.pipeline, subject=subject.name, environment=subject.environment,
                       version=subject.version, column=column, window=window, at=at, verdict=verdict, why=why,
                       reason=reason, value=value, unit=unit, n=n, detail=dict(detail or {}))
