"""Judge whether rows changed together, though no column alone need have: how well two samples can be told apart.

Two ways of telling them apart (services/adapters/telling_apart.py) answer on one scale, the area under the ROC curve:
.5 when nobody can, 1 when anybody could. Rows of one day resemble each other, weather most of all, so a way is asked
about days that it has not seen, and each of the weeks before is told from the others in the same way: only more than
that is drift. Drawing rows and learning are the adapter's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import sqrt
from typing import Final

from services.core.measurement import Measurement, Verdict, Why
from services.core.window import DAY, WEEK, TimeWindow, floor_to
from services.drift.compare import percent
from services.drift.measure import Subject

NAME: Final = "multivariate_drift"
WINDOW: Final = WEEK
BEFORE: Final = 4 * WEEK
LEAST: Final = 400  # rows on each side; fewer are told apart by chance
FLOOR: Final = 0.6  # below this a change is not worth telling: two normals .36 of a standard deviation apart
MARGIN: Final = 0.03  # more than the most different of the weeks before
SURE: Final = 3.0  # standard errors
BLIND: Final = 0.97  # weeks that are told apart as well as this leave nothing to be seen


class How(StrEnum):
    """How two samples are told apart."""

    CLASSIFIER = "domain classifier"  # learns to say which sample a row is from
    AUTOENCODER = "autoencoder"  # learns to rebuild earlier rows, and rebuilds new ones worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """How well the window (n rows) was told from the weeks before (m rows), and by which columns, most telling first.

    `usual` holds the same of each week before against the others; `columns` what each column contributes, as shares of
    their sum.
    """

    auc: float
    n: int
    m: int
    usual: tuple[float, ...] = ()
    columns: tuple[tuple[str, float], ...] = ()

    @property
    def error(self) -> float:
        """The standard error of the AUC, by Hanley and McNeil (1982).

        Of .7 with 100 rows on each side: q1 = .538, q2 = .576; variance (.21 + 99 * .048 + 99 * .086) / 10,000 =
        .00136; its root .037.
        """
        a, n, m = min(max(self.auc, 0.5), 0.9999), self.n, self.m
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        return sqrt((a * (1 - a) + (n - 1) * (q1 - a * a) + (m - 1) * (q2 - a * a)) / (n * m))

    @property
    def allowed(self) -> float:
        """From which AUC on this is more than usual."""
        return max(FLOOR, max(self.usual, default=0.0) + MARGIN)

    @property
    def fires(self) -> bool:
        """Whether the window differs more than usual, beyond chance."""
        return self.auc - SURE * self.error > self.allowed


def windows(*, now: datetime) -> tuple[TimeWindow, TimeWindow]:
    """Return the week up to the last closed day, and the four weeks before it."""
    end = floor_to(now, DAY)
    return TimeWindow(end - WINDOW, end), TimeWindow(end - WINDOW - BEFORE, end - WINDOW)


def measured(subject: Subject, window: TimeWindow, how: How, found: Apart | None, *, at: datetime) -> Measurement:
    """Return one measurement; `found` is None where there are too few rows to learn anything from."""
    verdict, why, reason = _judge(how, found)
    return Measurement(
        name=NAME, pipeline=subject.pipeline, subject=subject.model, environment=subject.environment,
        version=subject.version, column=str(how), window=window, at=at, verdict=verdict, why=why, reason=reason,
        value=found.auc if found else None, unit="AUC", n=found.n if found else 0,
        detail={} if found is None else {
            "m": found.m, "error": round(found.error, 5), "critical": round(found.allowed, 4),
            "usual": [round(u, 4) for u in found.usual],
            "columns": [{"column": c, "share": round(s, 4)} for c, s in found.columns]},
    )


def _judge(how: How, found: Apart | None) -> tuple[Verdict, Why, str]:
    if found is None or min(found.n, found.m) < LEAST:
        rows = f"{found.n:,} rows against {found.m:,}" if found else "no rows"
        return Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{how}: {rows} are too few, {LEAST} on each side are needed"
    facts = f"AUC {found.auc:.2f}, alarm from {found.allowed:.2f}; {found.n:,} rows against {found.m:,}"
    if len(found.usual) < 2:
        return Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{how}: fewer than two weeks before have rows to say what is usual"
    if max(found.usual) >= BLIND:
        return Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{how} tells any week from the others: nothing can be seen; {facts}"
    if found.fires:
        return Verdict.FAIL, Why.NONE, f"{how} tells this week from the four before{_by(found.columns)}: {facts}"
    return Verdict.PASS, Why.NONE, f"{how} finds this week no more different than those before: {facts}"


def _by(columns: Sequence[tuple[str, float]]) -> str:
    told = [f"{name} ({percent(share)})" for name, share in columns[:3] if share >= 0.05]
    return f", most by {', '.join(told)}" if told else ""
