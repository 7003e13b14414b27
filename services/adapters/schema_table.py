"""Keep schemas, every revision, and samples of failing rows; take a person's edit as one audited command."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.signals import check_samples, schemas
from services.checks.edit import Edit, edited
from services.checks.schema import Schema
from services.checks.words import differences
from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.core.window import TimeWindow
from services.errors import NotFound, Refused


class SchemaTable:
    """Schemas per model version."""

    def __init__(self, db: OpsDb, sensitive: Mapping[str, Sequence[str]] | None = None) -> None:
        """Use the given store; of the `sensitive` columns of a model no record says a value."""
        self._db, self._sensitive = db, sensitive or {}

    def latest(self, model: str, version: str) -> Schema | None:
        """Return the newest revision, or None where nothing was proposed yet."""
        with self._db.read() as connection:
            return _latest(connection, model, version)

    def propose(self, schema: Schema, *, now: datetime) -> None:
        """Store the first revision of a version; does nothing where there is one."""
        try:
            with self._db.write() as connection:
                if _latest(connection, schema.model, schema.version) is None:
                    _put(connection, schema, by="interlock:monitor", reason="proposed from training", now=now)
        except IntegrityError:
            return  # another pass was first; its proposal is the same

    def accept(
        self, model: str, version: str, column: str, value: str, *, actor: Actor, reason: str, op_id: str, now: datetime
    ) -> dict[str, Any]:
        """Make a value expected from now on; return the revision that says so.

        Raises:
            NotAllowed: the actor may not.
            NotFound: the version has no schema.
            Refused: the value is expected already, or cannot be.
        """
        require(actor, Action.ACCEPT_VALUE, model=model)
        return self._edit(model, version, "accept a value", lambda found: found.accept(column, value),
                          {"column": column, "value": value}, actor=actor, reason=reason, op_id=op_id, now=now)

    def edit(
        self, model: str, version: str, edit: Edit, *, actor: Actor, reason: str, op_id: str, now: datetime,
        seen: int | None = None,
    ) -> dict[str, Any]:
        """Change what is expected of a column or of a day's rows; return the revision, and in words what it changed.

        `seen` is the revision that the person was shown, where they were shown one.

        Raises:
            NotAllowed: the actor may not.
            NotFound: the version has no schema.
            Refused: a value is impossible, nothing would change, or somebody else was quicker.
        """
        require(actor, Action.EDIT_SCHEMA, model=model)

        def change(found: Schema) -> Schema:
            if seen is not None and seen != found.revision:
                raise Refused(f"the schema of {model} v{version} is at revision {found.revision} by now and revision "
                              f"{seen} was shown: look at it again")
            return edited(found, edit)

        return self._edit(model, version, "edit schema", change, {"column": edit.column}, actor=actor, reason=reason,
                          op_id=op_id, now=now)

    def history(self, model: str, version: str) -> list[dict[str, Any]]:
        """Return who changed what, newest first: revision, by, reason, at, changed."""
        query = select(schemas).where(schemas.c.model == model, schemas.c.version == version).order_by(
            schemas.c.revision)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        known = [Schema.from_json(r.body, model=model, version=version, revision=r.revision) for r in rows]
        changed = ["proposed", *(self._words(old, new) for old, new in pairwise(known))]
        return [{"revision": r.revision, "by": r.by_actor, "reason": r.reason, "at": r.at, "changed": words}
                for r, words in zip(rows, changed, strict=False)][::-1]

    def _words(self, old: Schema, new: Schema) -> str:
        return differences(old, new, hidden=self._sensitive.get(new.model, ()))

    def _edit(
        self, model: str, version: str, command: str, change: Callable[[Schema], Schema], what: Mapping[str, Any], *,
        actor: Actor, reason: str, op_id: str, now: datetime,
    ) -> dict[str, Any]:
        def work(connection: Connection) -> tuple[dict[str, Any], list[AuditEntry]]:
            found = _latest(connection, model, version)
            if found is None:
                raise NotFound(f"{model} v{version} has no schema: it is proposed from its baseline by the monitor")
            after = change(found)
            _put(connection, after, by=actor.identity, reason=reason, now=now)
            done = {**what, "revision": after.revision, "changed": self._words(found, after)}
            entry = AuditEntry(at=now, actor=actor, action=command, subject=f"schema:{model}/{version}", reason=reason,
                               detail=done)
            return done, [entry]

        return self._db.command(op_id, actor=actor, command=command, subject=f"schema:{model}/{version}", now=now,
                                work=work)


class SampleTable:
    """A handful of failing rows per question."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def save(
        self, model: str, environment: str, name: str, column: str, window: TimeWindow,
        rows: Sequence[Mapping[str, Any]], *, now: datetime,
    ) -> None:
        """Replace the sample of one question."""
        table = check_samples
        with self._db.write() as connection:
            connection.execute(delete(table).where(
                table.c.model == model, table.c.environment == environment, table.c.name == name,
                table.c.column_name == column))
            connection.execute(insert(table).values(
                model=model, environment=environment, name=name, column_name=column, window_start=window.start,
                window_end=window.end, at=now, rows=[dict(row) for row in rows]))

    def get(self, model: str, environment: str, name: str, column: str) -> list[dict[str, Any]]:
        """Return the failing rows of one question as they were last seen; none where it never failed."""
        table = check_samples
        with self._db.read() as connection:
            row = connection.execute(select(table.c.rows).where(
                table.c.model == model, table.c.environment == environment, table.c.name == name,
                table.c.column_name == column)).first()
        return list(row.rows) if row else []


def _latest(connection: Connection, model: str, version: str) -> Schema | None:
    row = connection.execute(select(schemas).where(schemas.c.model == model, schemas.c.version == version)
                             .order_by(schemas.c.revision.desc()).limit(1)).first()
    return Schema.from_json(row.body, model=model, version=version, revision=row.revision) if row else None


def _put(connection: Connection, schema: Schema, *, by: str, reason: str, now: datetime) -> None:
    connection.execute(insert(schemas).values(model=schema.model, version=schema.version, revision=schema.revision,
                                              body=schema.to_json(), by_actor=by, reason=reason, at=now))
