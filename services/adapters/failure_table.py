"""Keep people's corrections of failure classes, and apply each to the failures that the mirror already holds."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.failures import failure_corrections
from services.adapters.ops_tables.mirror import runs
from services.adapters.run_table import RunTable
from services.core.audit import AuditEntry
from services.training.correct import Correction, rule_of
from services.training.failure_rule import Owner
from services.training.failure_rules import Rules
from services.training.run import Run


class FailureTable:
    """Corrections in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def run(self, run_id: str) -> Run | None:
        """Return a mirrored run."""
        return RunTable(self._db).get(run_id)

    def corrections(self) -> list[Correction]:
        """Return every correction, newest first."""
        c = failure_corrections.c
        query = select(c.line, c["class"].label("cls"), c.owner, c.retryable, c.by, c.reason, c.at)
        with self._db.read() as connection:
            return [Correction(line=r.line, cls=r.cls, owner=Owner(r.owner), retryable=r.retryable, by=r.by,
                               reason=r.reason, at=r.at)
                    for r in connection.execute(query.order_by(c.at.desc()))]

    def rules(self) -> Rules:
        """Return the corrections as rules, over the shipped ones."""
        return Rules(corrections=tuple(rule_of(c) for c in self.corrections()))

    def correct(self, correction: Correction, entry: AuditEntry, *, op_id: str) -> dict[str, Any]:
        """Keep a correction once, apply it to the failures known so far, and audit it, in one transaction."""
        return self._db.command(
            op_id, actor=entry.actor, command="correct failure", subject=entry.subject, now=entry.at,
            work=lambda connection: ({"runs": _apply(connection, correction), "class": correction.cls}, [entry]))


def _apply(connection: Connection, correction: Correction) -> int:
    table = failure_corrections
    connection.execute(delete(table).where(table.c.line == correction.line))
    connection.execute(insert(table).values({
        "line": correction.line, "class": correction.cls, "owner": str(correction.owner), "by": correction.by,
        "retryable": correction.retryable, "reason": correction.reason, "at": correction.at}))
    rule = rule_of(correction)
    shown = connection.execute(select(runs.c.run_id, runs.c.fail_line).where(runs.c.fail_line != "")).all()
    same = [r.run_id for r in shown if rule.matches(r.fail_line, r.fail_line.lower())]
    for start in range(0, len(same), 500):
        connection.execute(update(runs).where(runs.c.run_id.in_(same[start : start + 500])).values(
            fail_class=correction.cls, fail_owner=str(correction.owner), fail_retryable=correction.retryable))
    return len(same)
