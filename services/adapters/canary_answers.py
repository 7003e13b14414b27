"""Compare a canary's answers with the champion's: pairs that a shadow made, and losses as far as labels have come.

Asked by canary_log.py about rows under our own names; what numbers mean is decided in services/releases/outcomes.py.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from services.adapters.profile_engine import first_line
from services.adapters.profile_sql import parquet
from services.errors import SourceUnavailable
from services.releases.canary import Labelled, Pairs, Segment

_MOST: Final = 20_000
_LEAST_IN_SEGMENT: Final = 20
_WORST: Final = 3
_EXAMPLES: Final = 5
_SHOWN: Final = 8  # columns of an example row

# Whether two answers to the same request differ: another class, or for a number more than a tenth of its usual spread.
_DIFFERS: Final = {
    "binary": "(ours.said >= 0.5) IS DISTINCT FROM (theirs.said >= 0.5)",
    "multiclass": "ours.said IS DISTINCT FROM theirs.said",
    "regression": "coalesce(abs(ours.said - theirs.said) > 0.1 * (SELECT stddev_samp(said) FROM theirs), false)",
}
_PAIRED: Final = """
WITH r AS ({rows}),
theirs AS (SELECT * FROM r WHERE variant = {champion} AND version = {old} AND bad = 0 AND id <> ''
           QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts) = 1),
ours AS (SELECT * FROM r WHERE variant = {candidate} AND version = {new} AND bad = 0 AND id <> ''
         QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts) = 1),
pair AS (SELECT theirs.*, ours.answer AS shadow, abs(ours.answer - theirs.answer) AS gap, ({differs})::INT AS differs
         FROM theirs JOIN ours USING (id))
"""
_LOSS: Final = {
    "binary": "least(1.0, (answer - label) ** 2)",
    "multiclass": "(said IS DISTINCT FROM label)::DOUBLE",
    "regression": "least(1.0, abs(said - label) / usual)",
}
_MEASURE: Final = {"binary": "mean squared error of the probability", "multiclass": "share answered wrongly",
                   "regression": "error, as a share of the champion's usual largest"}
_LABELLED: Final = """
WITH joined AS (
  SELECT r.*, l.label, l.came FROM ({rows}) r JOIN {labels} l USING (id)
  WHERE bad = 0 AND l.came >= r.ts AND l.came < {end}
  QUALIFY row_number() OVER (PARTITION BY id, variant ORDER BY ts) = 1
), usual AS (
  SELECT quantile_cont(abs(said - label), 0.95) AS usual FROM joined
  WHERE variant = {champion} AND version = {old} AND came < {start}
), loss AS (
  SELECT id, came, variant = {candidate} AS ours, {loss} AS loss FROM joined, usual
  WHERE ts >= {start} AND ((variant = {champion} AND version = {old}) OR (variant = {candidate} AND version = {new}))
)
"""


def shown(place: int) -> str:
    """Return the name under which a kept column travels: its own may be one of ours."""
    return f"kept_{place}"


def pairs(
    connection: duckdb.DuckDBPyConnection, rows: str, terms: Mapping[str, str], *, task: str, shown: Sequence[str],
    slices: Sequence[str],
) -> Pairs:
    """Return how shadow and champion answered the same requests, the worst segments, and the farthest answers.

    Args:
        connection: where to count.
        rows: the query for the rows, with `shown` columns kept.
        terms: variants and versions as SQL literals.
        task: decides when two answers differ.
        shown: the names of the kept columns, in their order.
        slices: those of them to look for segments in.
    """
    paired = _PAIRED.format(rows=rows, differs=_DIFFERS[task], **terms)
    n, differ, gap = run(connection, f"{paired} SELECT count(*), coalesce(sum(differs), 0), avg(gap) FROM pair")[0]
    segments = []
    for name in slices:
        column = f"kept_{shown.index(name)}"
        found = run(connection, f"{paired} SELECT CAST({column} AS VARCHAR), count(*), sum(differs) FROM pair "
                                f"GROUP BY 1 HAVING count(*) >= {_LEAST_IN_SEGMENT}")
        segments += [Segment(column=name, value=str(value), n=number, differ=int(wrong))
                     for value, number, wrong in found]
    worst = sorted(segments, key=lambda s: (-s.share, -s.n, s.column, s.value))[:_WORST]
    kept = [(f"kept_{i}", name) for i, name in enumerate(shown)][:_SHOWN]
    columns = "".join(f", CAST({column} AS VARCHAR)" for column, _ in kept)
    examples = run(connection, f"{paired} SELECT id, answer, shadow{columns} FROM pair WHERE gap > 0 "
                               f"ORDER BY gap DESC, id LIMIT {_EXAMPLES}")
    return Pairs(
        n=n, differ=int(differ), mean_gap=float(gap or 0.0), worst=tuple(s for s in worst if s.differ),
        examples=tuple({"request": row[0], "champion": row[1], "shadow": row[2],
                        **dict(zip((name for _, name in kept), row[3:], strict=True))} for row in examples))


def labels(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> str:
    """Return the query for one usable label per request; labels that contradict each other are none."""
    relation = parquet(files)
    kinds = {row[0]: row[1] for row in run(connection, f"DESCRIBE SELECT * FROM {relation}")}
    at = "label_ts" if "WITH TIME ZONE" in str(kinds.get("label_ts")) else "label_ts AT TIME ZONE 'UTC'"
    return (f"(SELECT CAST(request_id AS VARCHAR) AS id, any_value(TRY_CAST(label AS DOUBLE)) AS label, "
            f"min({at}) AS came FROM {relation} WHERE isfinite(TRY_CAST(label AS DOUBLE)) GROUP BY 1 "
            "HAVING count(DISTINCT label) = 1)")


def labelled(
    connection: duckdb.DuckDBPyConnection, rows: str, labels: str, terms: Mapping[str, str], *, task: str,
    start: datetime, end: datetime, paired: bool,
) -> Labelled:
    """Return the losses of both arms since `start`, in the order in which their labels came until `end`."""
    query = _LABELLED.format(rows=rows, labels=labels, loss=_LOSS[task], start=moment(start), end=moment(end), **terms)
    if paired:
        both = run(connection, f"{query} SELECT a.loss, b.loss FROM loss a JOIN loss b USING (id) WHERE NOT a.ours "
                               "AND b.ours AND a.loss IS NOT NULL AND b.loss IS NOT NULL ORDER BY a.came, id "
                               f"LIMIT {_MOST}")
        theirs, ours = tuple(row[0] for row in both), tuple(row[1] for row in both)
    else:
        theirs, ours = (tuple(row[0] for row in run(
            connection, f"{query} SELECT loss FROM loss WHERE {arm} AND loss IS NOT NULL ORDER BY came, id "
                        f"LIMIT {_MOST}")) for arm in ("NOT ours", "ours"))
    return Labelled(champion=theirs, candidate=ours, paired=paired, measure=_MEASURE[task])


def run(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Return a query's rows.

    Raises:
        SourceUnavailable: the log cannot be counted.
    """
    try:
        rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise SourceUnavailable(f"the prediction log cannot be counted for a release: {first_line(error)}") from error
    return rows


def moment(at: datetime) -> str:
    """Return a time for SQL."""
    return f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat()}'"
