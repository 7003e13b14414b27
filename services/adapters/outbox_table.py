"""Keep what is still to be done about releases, in order, and record what became of each operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import releases as t
from services.adapters.release_table import check_fence, hold_fence
from services.releases.operations import Op, OpKind, OpState
from services.releases.ports import PendingOp

_TOO_FAR: Final = timedelta(minutes=1)  # no operation ever waits so long for its next try


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One operation as stored."""

    op_id: str
    release_id: str
    seq: int
    model: str
    environment: str
    op: Op
    generation: int
    state: OpState
    attempts: int
    message: str
    done_at: datetime | None


class OutboxTable:
    """The outbox in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def due(self, *, now: datetime, fence: int) -> Sequence[OutboxRow]:
        """Return the first operation not yet done of each release, where it is pending and its turn has come.

        An operation that is blocked, or waits for its next try, holds back those behind it: the order is the safety.

        Raises:
            StaleFence: a newer holder of the lease has written; nothing may be done to the outside any more.
        """
        query = (
            select(t.outbox)
            .where(t.outbox.c.state.in_([OpState.PENDING, OpState.BLOCKED]))
            .order_by(t.outbox.c.release_id, t.outbox.c.seq)
        )
        first: dict[str, Row[Any]] = {}
        with self._db.read() as connection:
            check_fence(connection, fence)
            for row in connection.execute(query):
                first.setdefault(row.release_id, row)
        return [_row(row) for row in first.values() if row.state == OpState.PENDING and _come(row.next_at, now)]

    def settle(
        self, op: PendingOp, state: OpState, message: str, *, now: datetime, next_at: datetime | None, fence: int,
        served: Mapping[str, float] | None = None, in_vain: bool = True,
    ) -> None:
        """Record what became of an operation, if it is still pending; `served` is a split that was read back.

        One that stays pending counts as tried in vain unless `in_vain` is false: it is only under way.

        Raises:
            StaleFence: a newer holder of the lease has written.
        """
        with self._db.write() as connection:
            hold_fence(connection, fence)
            connection.execute(
                update(t.outbox)
                # A decision made meanwhile has dropped it: what was done stands, and the next operation corrects it.
                .where(t.outbox.c.op_id == op.op_id, t.outbox.c.state == str(OpState.PENDING))
                .values(state=str(state), message=message,
                        attempts=op.attempts + (in_vain and state is OpState.PENDING),
                        done_at=now if state is OpState.DONE else None, next_at=next_at or now)
            )
            if served is not None:
                connection.execute(insert(t.served).values(
                    model=op.model, environment=op.environment, at=now, weights=dict(served),
                    generation=op.generation, release_id=op.release_id))

    def of(self, release_id: str) -> list[OutboxRow]:
        """Return every operation of a release, in order."""
        with self._db.read() as connection:
            rows = connection.execute(
                select(t.outbox).where(t.outbox.c.release_id == release_id).order_by(t.outbox.c.seq))
            return [_row(row) for row in rows]

    def tags_written(self, model: str, environment: str, version: str) -> dict[str, str]:
        """Return the tags that were last written to a model's version for an environment; none where none were."""
        query = (
            select(t.outbox)
            .where(t.outbox.c.model == model, t.outbox.c.environment == environment,
                   t.outbox.c.kind == str(OpKind.TAGS), t.outbox.c.state == str(OpState.DONE))
            .order_by(t.outbox.c.done_at.desc(), t.outbox.c.release_id.desc(), t.outbox.c.seq.desc())
        )
        with self._db.read() as connection:
            for row in connection.execute(query):
                if str(row.payload["version"]) == version:
                    return {str(name): str(value) for name, value in row.payload["tags"].items()}
        return {}

    def unfinished(self, release_id: str) -> int:
        """Return how many operations of a release are pending or blocked."""
        return sum(row.state in {OpState.PENDING, OpState.BLOCKED} for row in self.of(release_id))


def _come(at: datetime, now: datetime) -> bool:
    """Tell whether a time has come; one that is too far ahead was set by a clock that has been set back since."""
    return at <= now or at > now + _TOO_FAR


def _row(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        op_id=row.op_id, release_id=row.release_id, seq=row.seq, model=row.model, environment=row.environment,
        op=Op(kind=OpKind(row.kind), payload=row.payload), generation=row.generation, state=OpState(row.state),
        attempts=row.attempts, message=row.message, done_at=row.done_at,
    )
