"""The notification outbox: queued in the pass, sent by the notifier, every attempt visible."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.alerts import notification_attempts, notifications
from services.alerts.notify import DEEDS, Reason, Told
from services.alerts.telling import Letter
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.errors import NotFound

GIVEN_UP_AFTER: Final = 12
_BACK_OFF_S: Final = (5, 15, 60, 300, 900, 1800)
# Further ahead than any wait of ours: the clock was set back since, and the letter would wait until it catches up.
_TOO_FAR: Final = timedelta(hours=1)


def add_letters(connection: Connection, letters: Sequence[Letter], *, now: datetime) -> int:
    """Add letters that are not there yet, inside the caller's transaction; return how many were new."""
    keys = {letter.key: letter for letter in letters}
    known = set(connection.execute(select(notifications.c.key).where(notifications.c.key.in_(list(keys)))).scalars())
    fresh = [
        {"key": key, "incident_id": x.incident_id, "reason": str(x.reason), "level": x.level, "address": x.address,
         "person": x.person, "title": x.title, "body": x.body, "attachment": x.attachment, "state": "waiting",
         "attempts": 0, "error": "", "created_at": now, "next_at": now}
        for key, x in keys.items() if key not in known
    ]
    if fresh:
        connection.execute(insert(notifications), fresh)
    return len(fresh)


class NotificationTable:
    """Letters in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def queue(self, letters: Sequence[Letter], *, now: datetime) -> int:
        """Add letters that are not there yet; return how many were new."""
        if not letters:
            return 0
        with self._db.write() as connection:
            return add_letters(connection, letters, now=now)

    def told(self, incident_ids: Sequence[int]) -> dict[int, tuple[Told, int]]:
        """Return what was told last of each incident, and how often anything was."""
        query = select(
            notifications.c.incident_id, notifications.c.reason, notifications.c.created_at, notifications.c.level
        ).where(notifications.c.incident_id.in_(incident_ids), notifications.c.reason.not_in([str(r) for r in DEEDS]))
        # What the team heard of people's own deeds neither delays a repeat nor starts an escalation anew.
        query = query.order_by(notifications.c.created_at)
        found: dict[int, tuple[Told, int]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                times = found[row.incident_id][1] if row.incident_id in found else 0
                told = Told(reason=Reason(row.reason), at=row.created_at, level=row.level)
                found[row.incident_id] = (told, times + 1)
        return found

    def due(self, *, now: datetime, limit: int = 20) -> list[Row[Any]]:
        """Return letters whose time has come, oldest first."""
        come = or_(notifications.c.next_at <= now, notifications.c.next_at > now + _TOO_FAR)
        query = select(notifications).where(notifications.c.state == "waiting", come)
        with self._db.read() as connection:
            return list(connection.execute(query.order_by(notifications.c.next_at).limit(limit)))

    def sent(self, key: str, *, now: datetime) -> None:
        """Record that a letter went out."""
        self._mark(key, "", now, state="sent", sent_at=now, attempts=notifications.c.attempts + 1)

    def failed(self, key: str, attempts: int, error: str, *, permanent: bool, now: datetime) -> datetime:
        """Record a failed attempt and return when the next is due, unless it was the last or the fault is permanent."""
        over = permanent or attempts + 1 >= GIVEN_UP_AFTER
        wait = timedelta(seconds=_BACK_OFF_S[min(attempts, len(_BACK_OFF_S) - 1)])
        self._mark(key, error[:500], now, state="failed" if over else "waiting", attempts=attempts + 1,
                   next_at=now + wait)
        return now + wait

    def defer(self, address: str, *, until: datetime, now: datetime) -> None:
        """Put off what else is due for an address that has just failed; no attempt is counted."""
        with self._db.write() as connection:
            connection.execute(update(notifications).where(
                notifications.c.address == address, notifications.c.state == "waiting", notifications.c.next_at <= now
            ).values(next_at=until))

    def _mark(self, key: str, error: str, at: datetime, **values: Any) -> None:
        with self._db.write() as connection:
            connection.execute(insert(notification_attempts).values(key=key, at=at, error=error))
            connection.execute(update(notifications).where(notifications.c.key == key).values(error=error, **values))

    def attempts(self, incident_id: int) -> dict[str, list[tuple[datetime, str]]]:
        """Return by letter of an incident when sending it was tried and what went wrong, oldest first."""
        query = select(notification_attempts).where(notification_attempts.c.key.in_(
            select(notifications.c.key).where(notifications.c.incident_id == incident_id)))
        found: dict[str, list[tuple[datetime, str]]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query.order_by(notification_attempts.c.id)):
                found.setdefault(row.key, []).append((row.at, row.error))
        return found

    def of_incident(self, incident_id: int) -> list[Row[Any]]:
        """Return the letters about one incident, oldest first."""
        query = select(notifications).where(notifications.c.incident_id == incident_id)
        with self._db.read() as connection:
            return list(connection.execute(query.order_by(notifications.c.created_at)))

    def counts(self) -> dict[str, int]:
        """Return how many letters wait, were sent, and were given up."""
        with self._db.read() as connection:
            rows = connection.execute(select(notifications.c.state, func.count()).group_by(notifications.c.state))
            return {state: int(count) for state, count in rows}

    def resend(self, key: str, *, actor: Actor, op_id: str, now: datetime) -> dict[str, Any]:
        """Send a letter again, from the first attempt.

        Raises:
            NotAllowed: the actor may not.
            NotFound: there is none of that key.
        """
        require(actor, Action.RESEND)

        def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            done = connection.execute(update(notifications).where(notifications.c.key == key).values(
                state="waiting", attempts=0, next_at=now))
            if done.rowcount == 0:
                raise NotFound(f"there is no notification {key}")
            return {"key": key}, [AuditEntry(at=now, actor=actor, action="resend", subject=f"notification:{key[:12]}")]

        return self._db.command(op_id, actor=actor, command="resend", subject=key, now=now, work=work)
