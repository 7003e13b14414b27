"""Keep issued quota reports and the signatures under them. What a report says is built in services/quota/report.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from services.adapters.notification_table import add_letters
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import commands
from services.adapters.ops_tables.quota import quota_reports, quota_signatures
from services.alerts.telling import Letter
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry, digest
from services.errors import NotFound, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One person's name under a report."""

    actor: str
    label: str
    at: datetime
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One issued report: its numbers, frozen, and who signed them."""

    id: int
    month: str
    issued_at: datetime
    issued_by: str
    digest: str
    body: dict[str, Any]
    signatures: tuple[Signature, ...]


class ReportTable:
    """Issued reports in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def issue(self, body: dict[str, Any], *, actor: Actor, op_id: str, now: datetime) -> int:
        """Freeze a report and return its number; the same numbers of the same month are issued once.

        Raises:
            NotAllowed: the actor may not issue reports.
            Refused: the month is not over, so its numbers would still move.
        """
        require(actor, Action.ISSUE_REPORT)
        month = str(body["month"])
        if not body["complete"]:
            raise Refused(f"{month} is not over: its numbers still move. Export a preview, or issue it next month")

        def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            number, entries = _freeze(connection, body, actor, now)
            return {"report": number}, entries

        done = self._db.command(op_id, actor=actor, command="issue report", subject=month, now=now, work=work)
        return int(done["report"])

    def published(self, month: str) -> bool:
        """Tell whether the monitor has sent the month's report to its readers."""
        with self._db.read() as connection:
            query = select(commands.c.op_id).where(commands.c.op_id == _op_of(month))
            return connection.execute(query).first() is not None

    def publish(
        self, month: str, body: dict[str, Any], *, tell: Callable[[Report], Sequence[Letter]], actor: Actor,
        now: datetime,
    ) -> tuple[int, int]:
        """Issue a month's report where nobody did, and queue its letters, once per month, in one transaction.

        What a manager issued before stands: then that one is sent and `body` is not used. Return the report's number
        and how many letters were queued; a second call, also of another monitor, changes nothing and returns the same.
        """

        def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            newest = select(quota_reports.c.id).where(quota_reports.c.month == month).order_by(
                quota_reports.c.issued_at.desc(), quota_reports.c.id.desc()).limit(1)
            known = connection.execute(newest).scalar()
            number, entries = (int(known), []) if known is not None else _freeze(connection, body, actor, now)
            row = connection.execute(select(quota_reports).where(quota_reports.c.id == number)).one()
            letters = add_letters(connection, tell(_report(connection, row)), now=now)
            entries.append(AuditEntry(at=now, actor=actor, action="send report", subject=f"report:{number}",
                                      evidence=row.digest, detail={"month": month, "letters": letters}))
            return {"report": number, "letters": letters}, entries

        done = self._db.command(_op_of(month), actor=actor, command="send report", subject=month, now=now, work=work)
        return int(done["report"]), int(done["letters"])

    def sign(
        self, number: int, *, seen: str, comment: str, actor: Actor, op_id: str, now: datetime,
    ) -> None:
        """Put a name under a report; `seen` is the digest of what the signer looked at.

        Raises:
            NotAllowed: the actor may not sign reports.
            NotFound: there is no such report.
            Refused: it was signed by this person before, or `seen` is another body's digest.
        """
        require(actor, Action.SIGN_REPORT)

        def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            row = connection.execute(select(quota_reports.c.digest).where(quota_reports.c.id == number)).first()
            if row is None:
                raise NotFound(f"report {number} is not known: list them with interlock quota report --list")
            if row.digest != seen:
                raise Refused(f"report {number} is not the one you looked at: open it again and sign that one")
            known = select(quota_signatures.c.at).where(
                quota_signatures.c.report_id == number, quota_signatures.c.actor == actor.identity)
            if (at := connection.execute(known).scalar()) is not None:
                raise Refused(f"you signed report {number} on {at:%d %b %Y}; a name stands under it once")
            connection.execute(insert(quota_signatures).values(
                report_id=number, actor=actor.identity, label=actor.label or actor.subject, at=now, comment=comment,
                digest=seen))
            return {"report": number}, [AuditEntry(
                at=now, actor=actor, action="sign report", subject=f"report:{number}", reason=comment, evidence=seen)]

        self._db.command(op_id, actor=actor, command="sign report", subject=str(number), now=now, work=work)

    def get(self, number: int) -> Report:
        """Return an issued report.

        Raises:
            NotFound: there is none of that number.
        """
        with self._db.read() as connection:
            row = connection.execute(select(quota_reports).where(quota_reports.c.id == number)).first()
            if row is None:
                raise NotFound(f"report {number} is not known: list them with interlock quota report --list")
            return _report(connection, row)

    def issued(self, month: str = "") -> Sequence[Report]:
        """Return the issued reports, newest first; of one month where it is given."""
        query = select(quota_reports).order_by(quota_reports.c.issued_at.desc(), quota_reports.c.id.desc())
        with self._db.read() as connection:
            rows = connection.execute(query.where(quota_reports.c.month == month) if month else query).all()
            return [_report(connection, row) for row in rows]


def _op_of(month: str) -> str:
    return f"monthly-report:{month}"


def _freeze(
    connection: Connection, body: dict[str, Any], actor: Actor, now: datetime,
) -> tuple[int, list[AuditEntry]]:
    """Return the number under which a body stands, storing it where the same numbers do not stand yet."""
    month = str(body["month"])
    made = digest({key: value for key, value in body.items() if key != "built_at"})
    same = connection.execute(select(quota_reports.c.id).where(
        quota_reports.c.month == month, quota_reports.c.digest == made)).scalar()
    if same is not None:
        return int(same), []
    number = int(connection.execute(select(func.coalesce(func.max(quota_reports.c.id), 0))).scalar_one()) + 1
    connection.execute(insert(quota_reports).values(
        id=number, month=month, issued_at=now, issued_by=actor.identity, digest=made, body=body))
    return number, [AuditEntry(at=now, actor=actor, action="issue report", subject=f"report:{number}", evidence=made,
                               detail={"month": month})]


def _report(connection: Connection, row: Row[Any]) -> Report:
    names = connection.execute(select(quota_signatures).where(quota_signatures.c.report_id == row.id)
                               .order_by(quota_signatures.c.at)).all()
    return Report(
        id=row.id, month=row.month, issued_at=row.issued_at, issued_by=row.issued_by, digest=row.digest, body=row.body,
        signatures=tuple(Signature(actor=n.actor, label=n.label, at=n.at, comment=n.comment) for n in names))
