"""Keep the house: back up, restore, prune, and look at a quarantined file again."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.adapters import quarantine
from services.adapters.audit_table import KEY_VARIABLE, signing_key
from services.bootstrap.rooms import Services
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.core.retention import Cut, plan
from services.core.window import parse_span

if TYPE_CHECKING:
    from services.adapters.backup import Manifest
    from services.adapters.prune import Pruner


def back_up(services: Services, to: Path, *, actor: Actor, reason: str, op_id: str, now: datetime) -> "Manifest":
    """Write the ops store into a file, read it back, and record that it was done.

    Raises:
        NotAllowed: the actor may not.
        SourceUnavailable, SourceMalformed: it cannot be written, or does not hold.
    """
    from services.adapters import backup

    require(actor, Action.MAINTAIN)
    made = backup.back_up(services.db, to, now=now, key=_key())
    services.db.command(op_id, actor=actor, command="back up", subject="store", now=now, work=lambda _: ({}, [
        AuditEntry(at=now, actor=actor, action="back up", subject="store", reason=reason,
                   detail={"rows": made.total, "schema": made.schema})]))
    return made


def check_backup(file: Path) -> "Manifest":
    """Return what a backup holds after reading and proving all of it; nothing is changed."""
    from services.adapters import backup

    return backup.check(file, key=_key())


def restore(services: Services, file: Path, *, actor: Actor, reason: str, op_id: str, now: datetime) -> "Manifest":
    """Fill an empty store from a backup. Who may is told by the settings: the store is not there yet.

    Raises:
        NotAllowed: the actor may not.
        Refused: the store is not empty.
        SourceMalformed: the backup does not hold.
    """
    from services.adapters import restore as restoring

    require(actor, Action.MAINTAIN)
    return restoring.restore(services.db, file, actor=actor, reason=reason, op_id=op_id, now=now, key=_key())


def pruner(services: Services, *, now: datetime) -> "tuple[Pruner, list[Cut]]":
    """Return what counts and deletes, and what the settings no longer keep."""
    from services.adapters.prune import Pruner

    kept = {name: parse_span(text) for name, text in services.settings.retention.model_dump().items()}
    return Pruner(services.db, services.settings), plan(kept, now=now)


def release_from_quarantine(
    services: Services, log: str, path: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Let a quarantined file be looked at again by the next pass.

    Raises:
        NotAllowed: the actor may not.
        NotFound: no such file is in quarantine.
    """
    return quarantine.release(services.db, log, path, actor=actor, reason=reason, op_id=op_id, now=now)


def _key() -> bytes | None:
    return signing_key() if KEY_VARIABLE in os.environ else None
