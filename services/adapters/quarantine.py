"""Let a quarantined file of a log be looked at again, as one audited command.

A file leaves quarantine by itself when it changes; this is for what changed around it: a column that is mapped now, a
folder that may be read again.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.profiles import log_files
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.errors import NotFound
from services.predictions.ledger import FileState


def release(
    db: OpsDb, log: str, path: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Forget that a file could not be read: the next pass reads it as a new one, or quarantines it again.

    Raises:
        NotAllowed: the actor may not.
        NotFound: no such file is in quarantine.
    """
    require(actor, Action.RELEASE_QUARANTINE, model=log.partition(":")[2])

    def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
        gone = connection.execute(delete(log_files).where(
            log_files.c.log == log, log_files.c.path == path, log_files.c.state == str(FileState.QUARANTINED)))
        if not gone.rowcount:
            raise NotFound(f"{path} of {log} is not in quarantine: see interlock quarantine list")
        return {"log": log, "path": path}, [AuditEntry(
            at=now, actor=actor, action="release from quarantine", subject=f"file:{log}/{path}"[:200], reason=reason)]

    return db.command(op_id, actor=actor, command="release from quarantine", subject=log, now=now, work=work)
