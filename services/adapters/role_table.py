"""Keep who holds which role, by issuer and subject; every change is one audited command of an admin.

Roles of groups, and the first admin, stand in the settings: this table can lock nobody out of their own house.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.sql import ColumnElement

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import roles
from services.core.access import Action, Actor, Role, require
from services.core.audit import AuditEntry
from services.core.identity import Holding, require_name, require_other
from services.errors import NotFound, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A stored role, with who gave it when."""

    holding: Holding
    by: str
    at: datetime


class RoleTable:
    """Roles in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def all(self) -> list[Granted]:
        """Return every stored role, by person."""
        query = select(roles).order_by(roles.c.issuer, roles.c.subject, roles.c.role, roles.c.model)
        with self._db.read() as connection:
            return [Granted(holding=_holding(row), by=row.granted_by, at=row.at) for row in connection.execute(query)]

    def of(self, issuer: str, subject: str) -> list[Holding]:
        """Return the stored roles of one person."""
        query = select(roles).where(roles.c.issuer == issuer, roles.c.subject == subject)
        with self._db.read() as connection:
            return [_holding(row) for row in connection.execute(query)]

    def grant(self, holding: Holding, *, actor: Actor, reason: str, op_id: str, now: datetime) -> dict[str, Any]:
        """Give a person a role.

        Raises:
            NotAllowed: the actor may not.
            Refused: the person is the actor, a name cannot be stored, or they hold the role already.
        """
        def work(connection: Connection) -> dict[str, Any]:
            if connection.execute(select(roles.c.id).where(*_same(holding))).first():
                raise Refused(f"{_said(holding)} is granted already")
            connection.execute(insert(roles).values(**_columns(holding), granted_by=actor.identity, at=now))
            return {"granted": _said(holding)}

        return self._edit("grant a role", holding, work, actor=actor, reason=reason, op_id=op_id, now=now)

    def revoke(self, holding: Holding, *, actor: Actor, reason: str, op_id: str, now: datetime) -> dict[str, Any]:
        """Take a role from a person.

        Raises:
            NotAllowed: the actor may not.
            NotFound: it is not stored; roles of the settings are taken away there.
            Refused: the person is the actor.
        """
        def work(connection: Connection) -> dict[str, Any]:
            if not connection.execute(delete(roles).where(*_same(holding))).rowcount:
                raise NotFound(f"{_said(holding)} is not stored: interlock roles list shows what is; roles from "
                               "[[roles]] are taken out of interlock.toml")
            return {"revoked": _said(holding)}

        return self._edit("revoke a role", holding, work, actor=actor, reason=reason, op_id=op_id, now=now)

    def _edit(
        self, command: str, holding: Holding, work: Any, *, actor: Actor, reason: str, op_id: str, now: datetime
    ) -> dict[str, Any]:
        require(actor, Action.EDIT_ROLES)
        require_other(actor, issuer=holding.issuer, subject=holding.subject)
        for what in ("issuer", "subject", "model", "environment"):
            require_name(getattr(holding, what), what)

        def audited(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            outcome = work(connection)
            return outcome, [AuditEntry(at=now, actor=actor, action=command, subject=_person(holding), reason=reason,
                                        detail=_columns(holding))]

        return self._db.command(op_id, actor=actor, command=command, subject=_person(holding), now=now, work=audited)


def _columns(holding: Holding) -> dict[str, str]:
    return {"issuer": holding.issuer, "subject": holding.subject, "role": str(holding.role), "model": holding.model,
            "environment": holding.environment}


def _same(holding: Holding) -> list[ColumnElement[bool]]:
    return [roles.c[name] == value for name, value in _columns(holding).items()]


def _person(holding: Holding) -> str:
    return f"person:{holding.issuer}:{holding.subject}"[:200]


def _said(holding: Holding) -> str:
    return (f"{holding.role} on model {holding.model} in environment {holding.environment} to "
            f"{holding.issuer}:{holding.subject}")


def _holding(row: Any) -> Holding:
    return Holding(role=Role(row.role), issuer=row.issuer, subject=row.subject, model=row.model,
                   environment=row.environment)
