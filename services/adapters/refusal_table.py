"""Keep denied commands in the ops store: counted per person, action and hour, and carried into the audit chain."""

import logging
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.ops_db import OpsDb, append_audit
from services.adapters.ops_tables.security import refusals
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.core.refusal import Refusal, is_audited
from services.errors import NotAllowed, OpsError

_log = logging.getLogger(__name__)
_LONGEST: Final = 200
_TRIES: Final = 3


class RefusalTable:
    """Denied commands in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def record(self, refused: NotAllowed, *, actor: Actor, now: datetime) -> None:
        """Count one denied command, with its row in the chain where one is due, in one transaction.

        Never raises for a store that is away: the person is told why they were refused, not that we could not write.
        """
        if not refused.action:
            return  # nobody was told apart yet, or nothing was asked for
        for attempt in range(_TRIES):
            try:
                with self._db.write() as connection:
                    _count(connection, refused, actor, now)
            except IntegrityError:
                # Another process wrote the hour's first row meanwhile: now there is one to count on.
                if attempt == _TRIES - 1:
                    _log.warning("a denied command of %s was not recorded: too many at once", actor.identity)
            except OpsError as error:
                _log.warning("a denied command of %s was not recorded: %s", actor.identity, error)
                return
            else:
                return

    def since(self, moment: datetime) -> list[Refusal]:
        """Return what was denied since, most first."""
        query = select(refusals).where(refusals.c.last_at >= moment)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(refusals.c.count.desc(), refusals.c.actor, refusals.c.action))
            return [Refusal(**{name: value for name, value in row.items() if name != "id"}) for row in rows.mappings()]


def _count(connection: Connection, refused: NotAllowed, actor: Actor, now: datetime) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    same = (refusals.c.actor == actor.identity[:_LONGEST], refusals.c.action == refused.action,
            refusals.c.hour == hour)
    place, words = refused.place[:_LONGEST], str(refused)[:2000]
    wanted = select(refusals.c.id, refusals.c.count.label("times")).where(*same)
    row = connection.execute(wanted.with_for_update()).first()
    count = row.times + 1 if row else 1
    if row:
        connection.execute(update(refusals).where(refusals.c.id == row.id)
                           .values(count=count, last_at=now, place=place, words=words))
    else:
        connection.execute(insert(refusals).values(
            actor=actor.identity[:_LONGEST], action=refused.action, hour=hour, count=1, first_at=now, last_at=now,
            place=place, words=words))
    if is_audited(count):
        append_audit(connection, AuditEntry(
            at=now, actor=actor, action=f"denied: {refused.action}", subject=f"denied:{place}"[:_LONGEST],
            reason=words, detail={"count_this_hour": count}))
