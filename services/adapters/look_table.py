"""Keep every look of the canary judge, so that a verdict can be said again from what was counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.releases import looks
from services.core.measurement import Verdict
from services.releases.canary import Look, Metric
from services.releases.progress import NOTHING_SEEN, Advice, Ruling
from services.releases.release import Release

_RULING: Final = "ruling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One look as stored."""

    at: datetime
    step: int
    look: Look


class LookTable:
    """Looks in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def save(self, release: Release, ruling: Ruling, found: Sequence[Look], *, now: datetime) -> None:
        """Store the looks at all metrics with the ruling that they led to, in one transaction."""
        rows = [
            {"metric": str(look.metric), "n_champion": look.n_champion, "n_candidate": look.n_candidate,
             "value": look.value, "threshold": look.threshold, "verdict": str(look.verdict), "reason": look.reason,
             "detail": dict(look.detail)}
            for look in found
        ]
        rows.append({"metric": _RULING, "n_champion": 0, "n_candidate": ruling.requests, "value": None,
                     "threshold": None, "verdict": str(ruling.advice), "reason": ruling.reason, "detail": {}})
        with self._db.write() as connection:
            connection.execute(insert(looks), [
                {"release_id": release.id, "step": release.step, "at": now, **row} for row in rows])

    def ruling(self, release: Release) -> Ruling:
        """Return the newest ruling on the present step, taken since the step began; none is *inconclusive*."""
        query = (
            select(looks)
            .where(looks.c.release_id == release.id, looks.c.step == release.step, looks.c.metric == _RULING,
                   looks.c.at >= (release.step_since or release.since))
            .order_by(looks.c.id.desc()).limit(1)
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return NOTHING_SEEN
        return Ruling(advice=Advice(row.verdict), reason=row.reason, requests=row.n_candidate)

    def of(self, release_id: str) -> list[Looked]:
        """Return every look at a release, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(select(looks).where(looks.c.release_id == release_id, looks.c.metric != _RULING)
                                      .order_by(looks.c.id))
            return [_looked(row) for row in rows]

    def limit_ms(self, release_id: str) -> float | None:
        """Return the champion's p95 that the first look froze, or None when there was none yet."""
        for looked in self.of(release_id):
            if looked.look.metric is Metric.LATENCY and "limit_ms" in looked.look.detail:
                return float(looked.look.detail["limit_ms"])
        return None


def _looked(row: Row[Any]) -> Looked:
    look = Look(metric=Metric(row.metric), verdict=Verdict(row.verdict), reason=row.reason, n_champion=row.n_champion,
                n_candidate=row.n_candidate, value=row.value, threshold=row.threshold, detail=row.detail)
    return Looked(at=row.at, step=row.step, look=look)
