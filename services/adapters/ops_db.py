"""Open the ops store: connection, transactions, migrations, and the one place where a command is made idempotent.

SQLite runs in WAL mode; PostgreSQL uses the same code. What the rows mean is told in ops_tables/.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError, OperationalError, SQLAlchemyError

from services.adapters.ops_tables import house
from services.core.access import Actor
from services.core.audit import GENESIS, AuditEntry, link
from services.core.identity import require_fresh
from services.errors import Refused, SettingsError, SourceUnavailable, StoreOutdated

_BUSY_MS: Final = 10_000
_AUDIT_LOCK: Final = 7_205_759  # any constant will do: the key of PostgreSQL's advisory lock on the chain's tail
_TRIES: Final = 5


class OpsDb:
    """The ops store's connections. One per process; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Prepare the connection; nothing is opened until first use.

        Raises:
            SettingsError: the address names no database that we know.
        """
        try:
            parsed = make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            if self.is_sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = _sqlite(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True)
        except (SQLAlchemyError, NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            raise SettingsError(f"store.url = {_shown(url)} cannot be used: {error}. Write sqlite:///… or "
                                "postgresql+psycopg://…") from error
        self.url = url

    def __repr__(self) -> str:
        """Name the store without its password."""
        return f"OpsDb({_shown(self.url)})"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading.

        Raises:
            SourceUnavailable: the store cannot be reached.
        """
        with _translated(self), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection inside one transaction that takes the write lock at once.

        A transaction that reads first and writes later fails on SQLite after another's commit, whatever the
        time-out; so the lock is taken before the first read. Keep it under 5,000 rows.

        Raises:
            SourceUnavailable: the store cannot be reached, is locked, full or read-only.
        """
        with _translated(self), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                if self.is_sqlite:
                    _end(connection, "ROLLBACK")
                raise
            if self.is_sqlite:
                _end(connection, "COMMIT")
            connection.commit()

    def command(
        self,
        op_id: str,
        *,
        actor: Actor,
        command: str,
        subject: str,
        now: datetime,
        work: Callable[[Connection], tuple[dict[str, Any], list[AuditEntry]]],
    ) -> dict[str, Any]:
        """Do `work` once per `op_id`, with its audit entries, in one transaction; return its outcome.

        A repeat by the same actor of the same command returns the stored outcome with `already` set. Two
        processes that race on PostgreSQL are decided by the primary key: the loser retries and finds the row.

        Raises:
            SignInExpired: the actor's sign-in is too old; every command passes here, so none escapes the check.
            Refused: the `op_id` was used for something else, or `work` refused; nothing is changed then.
        """
        require_fresh(actor.ends_at, who=actor.label or actor.subject, now=now)
        for attempt in range(_TRIES):
            try:
                with self.write() as connection:
                    row = connection.execute(select(house.commands).where(house.commands.c.op_id == op_id)).first()
                    if row is not None:
                        if (row.actor, row.command) != (actor.identity, command):
                            raise Refused(f"operation {op_id} was already used for {row.command} by another request: "
                                          "open the page again")
                        return {**row.outcome, "already": True}
                    # Claimed before the work, so that a racer waits here instead of doing the work twice.
                    connection.execute(insert(house.commands).values(
                        op_id=op_id, actor=actor.identity, command=command, subject=subject, outcome={}, at=now))
                    outcome, entries = work(connection)
                    for entry in entries:
                        append_audit(connection, entry)
                    connection.execute(house.commands.update().where(house.commands.c.op_id == op_id)
                                       .values(outcome=outcome))
                    return {**outcome, "already": False}
            except IntegrityError:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.01 * (attempt + 1))
        raise AssertionError("unreachable")

    def version(self) -> str | None:
        """Return the schema revision of the store, or None for an empty one."""
        from alembic.runtime.migration import MigrationContext  # heavy, and needed once at start

        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to this program's revision, or up to an older one; does nothing when it is there already.

        Raises:
            StoreOutdated: this program knows no such revision.
        """
        from alembic import command
        from alembic.util import CommandError

        try:
            with _translated(self):
                command.upgrade(_alembic(self), revision)
        except CommandError as error:
            raise StoreOutdated(f"this program knows no schema {revision}: it was made by a newer version; use that "
                                "one") from error

    def require_current(self) -> None:
        """Return when the schema is this program's.

        Raises:
            StoreOutdated: it is older or newer.
        """
        from alembic.script import ScriptDirectory

        head = ScriptDirectory.from_config(_alembic(self)).get_current_head()
        found = self.version()
        if found != head:
            raise StoreOutdated(f"the ops store {_shown(self.url)} has schema {found or 'none'}, this program needs "
                                f"{head}: run interlock monitor --once, which migrates it")


def append_audit(connection: Connection, entry: AuditEntry) -> int:
    """Add an entry to the chain inside the caller's transaction; return its place."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _AUDIT_LOCK})
    last = connection.execute(
        select(house.audit.c.seq, house.audit.c.hash).order_by(house.audit.c.seq.desc()).limit(1)
    ).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    connection.execute(insert(house.audit).values(
        seq=seq, at=entry.at, actor=entry.actor.identity, label=entry.actor.label or entry.actor.subject,
        method=entry.actor.method, action=entry.action, subject=entry.subject, reason=entry.reason,
        evidence=entry.evidence, detail=dict(entry.detail), previous=previous,
        hash=link(entry, seq=seq, previous=previous)))
    return int(seq)


def rows_in(connection: Connection, table: Any) -> int:
    """Return how many rows a table holds."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"isolation_level": None, "timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def pragmas(dbapi: sqlite3.Connection, _: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
            dbapi.execute(f"PRAGMA {pragma}")

    return engine


def _end(connection: Connection, word: str) -> None:
    """Commit or roll back by hand: with `isolation_level=None` the driver itself opens and ends nothing."""
    raw: Any = connection.connection.dbapi_connection
    if raw.in_transaction:
        raw.execute(word)


@contextmanager
def _translated(db: OpsDb) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # a fact about rows, for the caller to decide
    except (OperationalError, DBAPIError) as error:
        cause = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        if "no such table" in cause or "does not exist" in cause:
            raise StoreOutdated(
                f"the ops store {_shown(db.url)} is not set up ({cause}): run interlock monitor --once"
            ) from error
        raise SourceUnavailable(f"the ops store {_shown(db.url)} cannot be used: {cause}. Check that it runs, has "
                                "room and may be written") from error


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def _alembic(db: OpsDb) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = db.engine
    return config
