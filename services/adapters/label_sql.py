"""Write the query that joins answers with their labels and counts scores, and read its answer into days.

A request may be labelled several times: equal labels are one, differing ones contradict each other and neither is used.
A label known before its prediction is not used either: it is evidence of a wrong clock or a leak.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from services.adapters.profile_engine import slice_name
from services.adapters.profile_sql import identifier
from services.quality.binary import BINS, LIMIT, WIDTH, BinaryScores
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay, Scores
from services.quality.multiclass import ClassScores
from services.quality.regression import SUMS, RegressionScores

_CLASSES: Final = 100
_ALL_ABSENT: Final = 20
_NO_LABELS: Final = ("(SELECT NULL::VARCHAR AS request_id, NULL::DOUBLE AS label, NULL::TIMESTAMPTZ AS label_ts, "
                     "NULL::VARCHAR AS absent_reason WHERE false)")

_JOINED: Final = """
WITH label AS (
  SELECT request_id, count(DISTINCT label) AS different, any_value(label) AS label,
    min(label_ts) FILTER (WHERE label IS NOT NULL) AS label_ts,
    any_value(nullif(absent_reason, '')) FILTER (WHERE label IS NULL) AS absent_reason
  FROM {labels} GROUP BY request_id
), answer AS (
  SELECT * FROM {source} WHERE status = 'ok'
  QUALIFY request_id IS NULL OR row_number() OVER (PARTITION BY request_id, variant ORDER BY ts) = 1
), joined AS (
  SELECT a.*, date_trunc('day', a.ts) AS day, coalesce(different, 0) AS different,
    l.label AS label, l.absent_reason AS absent_reason,
    coalesce(different, 0) > 1 AS contradicting,
    coalesce(different, 0) = 1 AND l.label_ts < a.ts AS early,
    {valid} AS valid
  FROM answer a LEFT JOIN label l USING (request_id)
), ready AS (
  SELECT *, valid AND different = 1 AND NOT early AND isfinite(label) AS used FROM joined
), counted AS (
  SELECT *, {items} FROM ready
)
SELECT epoch_us(day) AS day, environment, version, variant{cuts},
  count(*) AS rows, count(*) FILTER (WHERE different = 1 AND NOT early) AS labelled,
  count(*) FILTER (WHERE contradicting) AS contradicting, count(*) FILTER (WHERE early) AS early,
  count(*) FILTER (WHERE NOT valid) AS invalid,
  histogram(coalesce(absent_reason, 'no reason given')) FILTER (WHERE different = 0 AND labelled_absent) AS absent,
  {sums}
FROM counted GROUP BY GROUPING SETS ({sets}) ORDER BY 1, 2, 3, 4
"""

# How an answer must be to be scored at all.
_VALID: Final = {
    "binary": "coalesce(score >= 0 AND score <= 1 AND prediction IS NOT NULL AND isfinite(prediction), false)",
    "regression": "coalesce(isfinite(prediction), false)",
    # NaN is how some writers say that there is no probability of what was said.
    "multiclass": "coalesce(isfinite(prediction), false) AND "
                  "coalesce(isnan(score) OR (score >= 0 AND score <= 1), true)",
}
_BIN: Final = f"""least(greatest(round(((
      least(greatest(ln(greatest(least(score, 1 - 1e-9), 1e-9) / (1 - greatest(least(score, 1 - 1e-9), 1e-9))),
      -{LIMIT}), {LIMIT})) + {LIMIT}) / {WIDTH}), 0), {BINS - 1})::INTEGER"""
_SAID: Final = "CAST(CAST(prediction AS BIGINT) AS VARCHAR)"
_ITEMS: Final = {
    "binary": f"""CASE WHEN valid THEN {_BIN} END AS bin,
    -ln(CASE WHEN label >= 0.5 THEN greatest(score, 1e-15) ELSE greatest(1 - score, 1e-15) END) AS loss,
    (score - CASE WHEN label >= 0.5 THEN 1 ELSE 0 END) ** 2 AS brier""",
    "regression": "prediction - label AS e",
    "multiclass": f"""CAST(CAST(label AS BIGINT) AS VARCHAR) || '|' || {_SAID} AS pair,
    CASE WHEN valid AND isfinite(score) THEN {_SAID} || '|' || {_BIN} END AS sure""",
}
_USED: Final = "FILTER (WHERE used)"
_SUMS: Final = {
    "binary": f"""histogram(bin) FILTER (WHERE used AND label >= 0.5) AS positive,
  histogram(bin) FILTER (WHERE used AND label < 0.5) AS negative,
  histogram(bin) FILTER (WHERE valid AND prediction >= 0.5) AS yes,
  histogram(bin) FILTER (WHERE valid AND prediction < 0.5) AS no,
  sum(loss) {_USED} AS log_loss, sum(loss * loss) {_USED} AS log_loss2,
  sum(brier) {_USED} AS brier, sum(brier * brier) {_USED} AS brier2,
  count(*) FILTER (WHERE used AND label >= 0.5 AND prediction >= 0.5) AS tp,
  count(*) FILTER (WHERE used AND label < 0.5 AND prediction >= 0.5) AS fp,
  count(*) FILTER (WHERE used AND label < 0.5 AND prediction < 0.5) AS tn,
  count(*) FILTER (WHERE used AND label >= 0.5 AND prediction < 0.5) AS fn""",
    "regression": ", ".join([
        f"count(*) {_USED} AS n", f"sum(e) {_USED} AS error", f"sum(abs(e)) {_USED} AS absolute",
        f"sum(e * e) {_USED} AS square", f"sum(e ** 4) {_USED} AS fourth", f"sum(label) {_USED} AS label",
        f"sum(label * label) {_USED} AS label2",
        # The pinball loss of quantile t: t * (label - prediction) where the label is greater, else (1 - t) * excess.
        *(f"sum({expression}{power}) {_USED} AS q{q}{name}"
          for q, expression in ((q, f"greatest(-{q / 100} * e, {1 - q / 100} * e)") for q in (10, 50, 90))
          for power, name in (("", ""), (" ** 2", "_2"))),
    ]),
    "multiclass": f"""histogram(pair) {_USED} AS pairs, histogram(sure) FILTER (WHERE sure IS NOT NULL) AS asked,
  histogram(sure) FILTER (WHERE used AND sure IS NOT NULL) AS known,
  histogram(sure) FILTER (WHERE used AND sure IS NOT NULL AND label = prediction) AS "right"
""",
}


def scores(task: str, source: str, labels: str | None, cuts: Sequence[str]) -> str:
    """Return the query over answers and labels (None: no label file yet), whole and cut by each slice column."""
    always = ["day", "environment", "version", "variant"]
    named = [f"s{i}" for i in range(len(cuts))]
    sets = [f"({', '.join(s)})" for s in (always, *([*always, cut] for cut in named))]
    items = [_ITEMS[task], *(f"coalesce(CAST({identifier(c)} AS VARCHAR), '') AS s{i}" for i, c in enumerate(cuts))]
    # A row in the label log without a label is what says "never": no row at all only says "not yet".
    items.append("request_id IN (SELECT request_id FROM label) AS labelled_absent")
    return _JOINED.format(
        labels=labels or _NO_LABELS, source=source, valid=_VALID[task], items=", ".join(items), sums=_SUMS[task],
        cuts="".join(f", {s}" for s in named), sets=", ".join(sets),
    )


def read(model: str, task: str, rows: Sequence[Mapping[str, Any]], cuts: Sequence[str]) -> list[ScoreDay]:
    """Return one day per row of the query's answer."""
    found = []
    for row in rows:
        absent = sorted((row["absent"] or {}).items(), key=lambda item: (-item[1], item[0]))[:_ALL_ABSENT]
        coverage = Coverage(rows=row["rows"], labelled=row["labelled"], contradicting=row["contradicting"],
                            early=row["early"], invalid=row["invalid"], absent=dict(absent))
        found.append(ScoreDay(
            model=model, environment=row["environment"], version=row["version"], variant=row["variant"],
            slice=slice_name(cuts, [row[f"s{i}"] for i in range(len(cuts))]),
            day=datetime.fromtimestamp(row["day"] / 1e6, UTC), coverage=coverage, scores=_scores(task, row),
        ))
    return found


def _scores(task: str, row: Mapping[str, Any]) -> Scores:
    if task == "binary":
        arrays = {name: _array(row[name]) for name in ("positive", "negative", "yes", "no")}
        return BinaryScores(
            **arrays, cells={name: int(row[name]) for name in ("tp", "fp", "tn", "fn")},
            sums={name: float(row[name] or 0.0) for name in ("log_loss", "log_loss2", "brier", "brier2")},
        )
    if task == "regression":
        return RegressionScores(n=int(row["n"]), sums={name: float(row[name] or 0.0) for name in SUMS})
    pairs = sorted((row["pairs"] or {}).items(), key=lambda item: (-item[1], item[0]))[: _CLASSES**2]
    bins = {name: {(key.split("|")[0], int(key.split("|")[1])): int(n) for key, n in (row[name] or {}).items()}
            for name in ("asked", "known", "right")}
    return ClassScores(table={(pair.split("|")[0], pair.split("|")[1]): int(n) for pair, n in pairs}, **bins)


def _array(bins: Mapping[int, int] | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = np.zeros(BINS, np.int64)
    for place, number in (bins or {}).items():
        found[int(place)] = number
    return found
