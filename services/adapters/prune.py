"""Delete what the settings no longer keep: old counts, measurements, samples, letters, and our own logs' old days.

The audit chain is never touched, nor anything a decision stands on: releases, approvals, incidents, reports. What is
old enough is decided in services/core/retention.py.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, select

from services.adapters.house_tables import LeaseTable
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import alerts, measurements, profiles, quota, security, signals
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.core.retention import Cut, old_days
from services.core.window import DAY
from services.settings import Settings

_LEASE: Final = timedelta(minutes=10)
# A letter stays while its incident is open: what was told of it decides what is told next.
_OPEN: Final = select(alerts.incidents.c.id).where(alerts.incidents.c.resolved_at.is_(None))
_SETTLED: Final = (alerts.notifications.c.state != "waiting", alerts.notifications.c.incident_id.not_in(_OPEN))
TABLES: Final[dict[str, tuple[tuple[Any, str, tuple[ColumnElement[bool], ...]], ...]]] = {
    "profiles": ((profiles.profiles, "bucket", ()), (signals.traffic_hours, "hour", ()),
                 (signals.score_days, "day", ()), (measurements.measurements, "window_end", ())),
    "samples": ((quota.quota_samples, "ts", ()), (signals.check_samples, "at", ())),
    "notifications": ((alerts.notifications, "created_at", _SETTLED), (security.refusals, "last_at", ())),
    "logs": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """One table or log: what goes, how many rows or days, and from before when; `why` where it was left."""

    kind: str
    what: str
    count: int
    before: datetime
    why: str = ""


class Pruner:
    """Counts and deletes what is past its time."""

    def __init__(self, db: OpsDb, settings: Settings) -> None:
        """Use the given store, and the logs that lie in this home."""
        self._db, self._settings = db, settings

    def count(self, cuts: Sequence[Cut]) -> list[Pruned]:
        """Return what `prune` would delete now; nothing is changed."""
        found = []
        with self._db.read() as connection:
            for cut in cuts:
                for table, column, more in TABLES[cut.kind]:
                    rows = connection.execute(select(func.count()).select_from(table).where(
                        table.c[column] < cut.before, *more)).scalar_one()
                    found.append(Pruned(kind=cut.kind, what=table.name, count=int(rows), before=cut.before))
        logs = [cut for cut in cuts if cut.kind == "logs"]
        return [*found, *(Pruned(kind="logs", what=what, count=len(days), before=cut.before)
                          for cut in logs for what, _, days in self._days(cut))]

    def prune(self, cuts: Sequence[Cut], *, actor: Actor, reason: str, op_id: str, now: datetime) -> list[Pruned]:
        """Delete it, after recording that it was decided; a killed run is finished by the next.

        Raises:
            NotAllowed: the actor may not.
        """
        require(actor, Action.MAINTAIN)
        counted = self.count(cuts)
        detail = {p.what: {"count": p.count, "before": p.before.isoformat()} for p in counted if p.count}
        self._db.command(op_id, actor=actor, command="prune", subject="store", now=now, work=lambda _: ({}, [
            AuditEntry(at=now, actor=actor, action="prune", subject="store", reason=reason, detail=detail)]))
        for cut in cuts:
            for table, column, more in TABLES[cut.kind]:
                self._delete(table, table.c[column], cut.before, more)
        with self._db.write() as connection:
            connection.execute(delete(alerts.notification_attempts).where(
                alerts.notification_attempts.c.key.not_in(select(alerts.notifications.c.key))))
        left = self._prune_logs([cut for cut in cuts if cut.kind == "logs"], now=now)
        return [p if p.kind != "logs" or not left else Pruned(kind="logs", what=p.what, count=0, before=p.before,
                                                              why=left) for p in counted]

    def _delete(self, table: Any, column: Any, before: datetime, more: tuple[ColumnElement[bool], ...]) -> None:
        # A day at a time: a long transaction would keep decisions waiting for the write lock.
        while True:
            with self._db.write() as connection:
                oldest = connection.execute(select(func.min(column)).where(column < before, *more)).scalar()
                if oldest is None:
                    return
                connection.execute(delete(table).where(column < min(before, oldest + DAY), *more))

    def _prune_logs(self, cuts: Sequence[Cut], *, now: datetime) -> str:
        """Delete whole days of our own logs; return why they were left, or nothing."""
        days = [(name, root, found) for cut in cuts for name, root, found in self._days(cut) if found]
        if not days:
            return ""
        leases, holder = LeaseTable(self._db), f"prune-{uuid4().hex[:8]}"
        # A monitor that reads meanwhile would take the deleted days for lost ones and count them as empty.
        if leases.acquire("monitor", holder, length=_LEASE, now=now) is None:
            return "the monitor runs: stop it, prune, and start it again"
        try:
            for name, root, found in days:
                for day in found:
                    shutil.rmtree(root / f"date={day}")
                    with self._db.write() as connection:
                        files = profiles.log_files
                        connection.execute(delete(files).where(
                            files.c.log == name, files.c.path.startswith(f"date={day}/", autoescape=True)))
        finally:
            leases.release("monitor", holder)
        return ""

    def _days(self, cut: Cut) -> list[tuple[str, Path, list[date]]]:
        """Return (log, folder, old days) of the logs that lie in this home: a team's own are its own to keep."""
        home, found = self._settings.home_path, []
        for model, setting in self._settings.models.items():
            for kind, path in (("predictions", setting.log), ("labels", setting.labels)):
                root = self._settings.resolve(path) if path else home
                if root == home or not root.is_relative_to(home) or not root.is_dir():
                    continue
                days = [day for folder in root.glob("date=*") if (day := _day(folder))]
                found.append((f"{kind}:{model}", root, old_days(days, before=cut.before)))
        return found


def _day(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name.removeprefix("date="))
    except ValueError:
        return None
