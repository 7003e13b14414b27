"""Let the sync write the mirror: read each page of MLflow's runs into typed rows, judged and ready to be asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from services.adapters.house_tables import SourceState, SourceTable
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.mirror import runs
from services.adapters.run_rows import Read, read_run
from services.adapters.run_table import RunTable
from services.core.audit import canonical
from services.training import values
from services.training.duration import Timing
from services.training.effective import judge
from services.training.ports import SOURCE
from services.training.run import BROKEN, Effective, RawRun, Run
from services.training.tags import read_run as read_tags


class RunMirror(RunTable):
    """The mirrored runs as the monitor writes them."""

    def __init__(
        self, db: OpsDb, *, kinds: Mapping[str, str] | None = None,
        mapping: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Use the given store.

        Args:
            db: the ops store.
            kinds: kind per pipeline, from the settings, for runs without the tag.
            mapping: a team's own tags, tried before the convention's.
        """
        super().__init__(db)
        self._kinds = kinds or {}
        self._mapping = mapping

    def mirror(self, raw: Sequence[RawRun], *, now: datetime) -> int:
        """Store a page as read at `now`; return how many runs were new or had changed."""
        return self.upsert([self._read(r, now) for r in raw])

    def _read(self, raw: RawRun, now: datetime) -> Read:
        run = read_tags(raw, as_of=now, mapping=self._mapping, kinds=self._kinds)
        body = values.write(raw)
        said = [raw.status, raw.start_ms, raw.end_ms, raw.name, raw.user, raw.experiment, raw.deleted,
                raw.artifact_uri]
        # The body is text already; inside the list it would be quoted, character by character.
        told = sha256(f"{canonical(said)}{body}".encode()).hexdigest()
        return Read(run=run, judged=judge(run, now=now), values=body, digest=told)

    def unexplained(self, *, limit: int) -> Sequence[Run]:
        """Return runs that ended badly and were not classified yet, newest first."""
        bad = [str(e) for e in (*BROKEN, Effective.KILLED, Effective.SUSPECTED_DEAD)]
        query = select(runs).where(runs.c.effective.in_(bad), runs.c.fail_owner == "")
        with self._db.read() as connection:
            return [read_run(row) for row in connection.execute(
                query.order_by(runs.c.started_at.desc()).limit(limit))]

    def timings(self) -> Sequence[Timing]:
        """Return every finished run with a duration, oldest first: what the duration reports are made of."""
        c = runs.c
        query = select(c.run_id, c.pipeline, c.hardware, c.started_at, c.duration_s, c.data_rows, c.git_commit).where(
            c.effective == str(Effective.FINISHED), c.duration_s > 0, c.deleted.is_(False), c.started_at.is_not(None))
        with self._db.read() as connection:
            return [Timing(run_id=r.run_id, pipeline=r.pipeline, hardware=r.hardware, started_at=r.started_at,
                           duration_s=r.duration_s, data_rows=r.data_rows, git_commit=r.git_commit)
                    for r in connection.execute(query.order_by(c.started_at))]


class MirrorCursor:
    """The sync's memory, kept as the source `mlflow`."""

    def __init__(self, sources: SourceTable) -> None:
        """Keep it in the given table."""
        self._sources = sources

    def load(self) -> dict[str, Any]:
        """Return what was remembered, empty before the first success."""
        state = self._sources.get(SOURCE)
        return dict(state.cursor) if state and state.cursor else {}

    def as_of(self) -> datetime | None:
        """Return when MLflow last answered."""
        state = self._sources.get(SOURCE)
        return state.as_of if state else None

    def succeeded(self, cursor: dict[str, Any], message: str, *, now: datetime, took_s: float) -> None:
        """Remember a success and the new cursor."""
        self._sources.save(SourceState(name=SOURCE, as_of=now, tried_at=now, ok=True, message=message, took_s=took_s,
                                       cursor=cursor))

    def failed(self, message: str, *, now: datetime, took_s: float) -> None:
        """Remember a failure, keeping cursor and as-of time of the last success."""
        self._sources.save(SourceState(name=SOURCE, as_of=None, tried_at=now, ok=False, message=message,
                                       took_s=took_s))
