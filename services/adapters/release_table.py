"""Keep releases, signatures and what should be served: every write is one transaction with compare-and-set.

The rows of the outbox are written here, in the same transaction as the decision, and worked off in outbox_table.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.ops_db import OpsDb, append_audit
from services.adapters.ops_tables import EPOCH
from services.adapters.ops_tables import releases as t
from services.adapters.release_rows import approval, place, place_values, release, release_values
from services.core.access import Actor
from services.core.audit import AuditEntry
from services.errors import NotFound
from services.releases.operations import Op, OpKind, OpState, op_id
from services.releases.ports import StaleFence, StaleRelease, Work
from services.releases.release import HOLDING, TERMINAL, WAITING, Approval, Place, Release, State, Sync

T = TypeVar("T")


class ReleaseBook:
    """The releases inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work on the given connection, whose transaction the caller holds."""
        self._connection = connection

    def get(self, release_id: str) -> Release:
        """Return a release and keep it locked.

        Raises:
            NotFound: there is none of that id.
        """
        # SQLite holds its write lock already; elsewhere two who decide at once are put in a row here.
        row = self._connection.execute(
            select(t.releases).where(t.releases.c.id == release_id).with_for_update()
        ).first()
        if row is None:
            raise NotFound(f"there is no release {release_id}: interlock releases list shows those that exist")
        return release(row)

    def holding(self, model: str, environment: str) -> Release | None:
        """Return the one release that owns the traffic there, if any."""
        found = self._in_states(model, environment, HOLDING)
        return found[0] if found else None

    def waiting(self, model: str, environment: str) -> list[Release]:
        """Return the releases there that have not begun."""
        return self._in_states(model, environment, WAITING)

    def _in_states(self, model: str, environment: str, states: frozenset[State]) -> list[Release]:
        rows = self._connection.execute(
            select(t.releases).where(
                t.releases.c.model == model, t.releases.c.environment == environment, t.releases.c.state.in_(states)
            ).order_by(t.releases.c.created_at, t.releases.c.id).with_for_update()
        )
        return [release(row) for row in rows]

    def new_id(self) -> str:
        """Return the next id; two who take the same one are decided by the primary key, and the loser tries again."""
        count = self._connection.execute(select(func.count()).select_from(t.releases)).scalar_one()
        return f"r-{count + 1:04d}"

    def add(self, found: Release, ops: Sequence[Op] = ()) -> None:
        """Store a new release, with what it asks for."""
        self._connection.execute(insert(t.releases).values(**release_values(found)))
        self._post(found, ops)

    def save(self, found: Release, *, expected: int, ops: Sequence[Op] = (), drop: bool = False) -> None:
        """Store a release that was at revision `expected`, with what it asks for.

        Raises:
            StaleRelease: it is at another revision.
        """
        done = self._connection.execute(
            update(t.releases).where(t.releases.c.id == found.id, t.releases.c.revision == expected)
            .values(**release_values(found))
        )
        if done.rowcount != 1:
            # Nothing was updated: somebody else decided first.
            raise StaleRelease(f"release {found.id} moved on since it was read: look again")
        if drop:
            self._connection.execute(
                update(t.outbox).where(t.outbox.c.release_id == found.id,
                                       t.outbox.c.state.in_([OpState.PENDING, OpState.BLOCKED]))
                .values(state=str(OpState.DROPPED), message="a later decision replaced it")
            )
        self._post(found, ops)

    def _post(self, found: Release, ops: Sequence[Op]) -> None:
        if not ops:
            return
        last = self._connection.execute(
            select(func.max(t.outbox.c.seq)).where(t.outbox.c.release_id == found.id)
        ).scalar_one()
        self._connection.execute(insert(t.outbox), [
            {"op_id": op_id(found.id, seq), "release_id": found.id, "seq": seq, "model": found.model,
             "environment": found.environment, "kind": str(op.kind), "payload": dict(op.payload),
             "generation": found.generation, "state": str(OpState.PENDING), "attempts": 0, "next_at": EPOCH,
             "done_at": None, "message": ""}
            for seq, op in enumerate(ops, start=(last or 0) + 1)
        ])

    def approvals(self, release_id: str) -> list[Approval]:
        """Return every signature, oldest first."""
        return _approvals(self._connection, release_id)

    def sign(self, signed: Approval, evidence: Mapping[str, Any]) -> bool:
        """Store a signature with what was seen; False when this person already signed this stage at this hash."""
        known = self._connection.execute(
            select(t.approvals.c.id).where(
                t.approvals.c.release_id == signed.release_id, t.approvals.c.stage == signed.stage,
                t.approvals.c.approver == signed.approver, t.approvals.c.subject_hash == signed.subject_hash)
        ).first()
        if known is not None:
            return False
        self._connection.execute(insert(t.approvals).values(
            release_id=signed.release_id, stage=signed.stage, approver=signed.approver, label=signed.label,
            subject_hash=signed.subject_hash, reason=signed.reason, evidence=dict(evidence), at=signed.at))
        return True

    def place(self, model: str, environment: str) -> Place:
        """Return what should be served there; an empty place when nothing is known yet."""
        row = self._connection.execute(
            select(t.target_state)
            .where(t.target_state.c.model == model, t.target_state.c.environment == environment).with_for_update()
        ).first()
        return place(row) if row else Place(model=model, environment=environment)

    def set_place(self, found: Place) -> None:
        """Store what should be served there."""
        table = t.target_state
        where = (table.c.model == found.model, table.c.environment == found.environment)
        if self._connection.execute(update(table).where(*where).values(**place_values(found))).rowcount == 0:
            self._connection.execute(insert(table).values(**place_values(found)))

    def unblock(self, release_id: str, *, generation: int) -> int:
        """Make blocked operations pending again, allowed to overwrite what they found; return how many.

        They take the new `generation`: with their old one the target would call them out of date again.
        """
        rows = self._connection.execute(
            select(t.outbox).where(t.outbox.c.release_id == release_id, t.outbox.c.state == str(OpState.BLOCKED))
        ).all()
        for row in rows:
            payload = {**row.payload, "expected": None} if row.kind == OpKind.ALIAS else row.payload
            self._connection.execute(
                update(t.outbox).where(t.outbox.c.op_id == row.op_id)
                .values(state=str(OpState.PENDING), payload=payload, attempts=0, next_at=EPOCH, message="",
                        generation=generation)
            )
        return len(rows)


class ReleaseTable:
    """The releases in the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def command(
        self, op_id: str, *, actor: Actor, command: str, subject: str, now: datetime, work: Work
    ) -> dict[str, Any]:
        """Do a person's command once per `op_id`; a repeat returns the stored outcome with `already` set."""
        return self._db.command(op_id, actor=actor, command=command, subject=subject, now=now,
                                work=lambda connection: work(ReleaseBook(connection)))

    def system(self, work: Callable[[ReleaseBook], tuple[T, list[AuditEntry]]], *, fence: int) -> T:
        """Do the monitor's own work in one transaction.

        Raises:
            StaleFence: a newer holder of the lease has written.
            StaleRelease: somebody decided first.
        """
        try:
            with self._db.write() as connection:
                hold_fence(connection, fence)
                result, entries = work(ReleaseBook(connection))
                for entry in entries:
                    append_audit(connection, entry)
                return result
        except IntegrityError as error:
            raise StaleRelease("another release took that place first: look again") from error

    def get(self, release_id: str) -> Release:
        """Return a release.

        Raises:
            NotFound: there is none of that id.
        """
        with self._db.read() as connection:
            row = connection.execute(select(t.releases).where(t.releases.c.id == release_id)).first()
        if row is None:
            raise NotFound(f"there is no release {release_id}: interlock releases list shows those that exist")
        return release(row)

    def open(self) -> list[Release]:
        """Return every release that has not ended, or whose end is not carried out yet, oldest first."""
        applying = t.releases.c.sync == str(Sync.APPLYING)
        return self._select(t.releases.c.state.not_in(TERMINAL) | applying, oldest_first=True)

    def newest(
        self, *, model: str | None = None, environment: str | None = None, state: str | None = None, limit: int = 200
    ) -> list[Release]:
        """Return releases, newest first."""
        wanted = (("model", model), ("environment", environment), ("state", state))
        return self._select(*(t.releases.c[name] == value for name, value in wanted if value), limit=limit)

    def _select(self, *where: Any, limit: int | None = None, oldest_first: bool = False) -> list[Release]:
        order = (t.releases.c.created_at, t.releases.c.id)
        query = select(t.releases).where(*where).limit(limit)
        query = query.order_by(*order) if oldest_first else query.order_by(*(column.desc() for column in order))
        with self._db.read() as connection:
            return [release(row) for row in connection.execute(query)]

    def places(self) -> list[Place]:
        """Return every model and environment that releases know of."""
        with self._db.read() as connection:
            rows = connection.execute(select(t.target_state).order_by(t.target_state.c.model,
                                                                      t.target_state.c.environment))
            return [place(row) for row in rows]

    def approvals_of(self, release_id: str) -> list[Approval]:
        """Return every signature of a release, oldest first."""
        with self._db.read() as connection:
            return _approvals(connection, release_id)

    def seen_by(self, release_id: str) -> list[tuple[Approval, dict[str, Any]]]:
        """Return every signature with the evidence that its signer was shown."""
        with self._db.read() as connection:
            rows = connection.execute(select(t.approvals).where(t.approvals.c.release_id == release_id)
                                      .order_by(t.approvals.c.id))
            return [(approval(row), row.evidence) for row in rows]


def hold_fence(connection: Connection, fence: int) -> None:
    """Remember the fence as the largest seen.

    Raises:
        StaleFence: a larger one was seen: another monitor took over.
    """
    table = t.outbox_fence
    row = connection.execute(select(table).where(table.c.name == "outbox").with_for_update()).first()
    if row is None:
        connection.execute(insert(table).values(name="outbox", fence=fence))
    elif row.fence > fence:
        raise StaleFence(f"another monitor took over (fence {row.fence}, ours {fence}): this one stops")
    elif row.fence < fence:
        connection.execute(update(table).where(table.c.name == "outbox").values(fence=fence))


def check_fence(connection: Connection, fence: int) -> None:
    """Return while no larger fence was seen; only reads.

    Raises:
        StaleFence: another monitor took over.
    """
    row = connection.execute(select(t.outbox_fence).where(t.outbox_fence.c.name == "outbox")).first()
    if row is not None and row.fence > fence:
        raise StaleFence(f"another monitor took over (fence {row.fence}, ours {fence}): this one stops")


def _approvals(connection: Connection, release_id: str) -> list[Approval]:
    rows = connection.execute(select(t.approvals).where(t.approvals.c.release_id == release_id)
                              .order_by(t.approvals.c.id))
    return [approval(row) for row in rows]
