"""Bring the mirror of MLflow up to date: what is read in a pass, and in which order.

MLflow keeps no "last updated", so new runs are found by their start, ended ones by their end, open ones by asking
again, and late tags by a sliding window; once a day everything is compared. Reading is in services/adapters.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.errors import OpsError
from services.training.classify import explain
from services.training.failure_rules import Rules
from services.training.ports import Cursor, RegistryStore, RunSource, RunStore
from services.training.run import Failure, RawRun
from services.training.tags import from_ms

OVERLAP: Final = timedelta(minutes=5)
LATE: Final = timedelta(hours=1)  # tags and metrics that arrive after a run's end
RECONCILE: Final = timedelta(days=1)
_EXPLAINED_PER_PASS: Final = 200
Told = Callable[[int], None]


class MirrorStep:
    """Sync runs, versions and aliases."""

    name = "mirror"

    def __init__(
        self, source: RunSource, runs: RunStore, registry: RegistryStore, cursor: Cursor, *,
        rules: Callable[[], Rules], told: Told | None = None, named: Callable[[], bool] = lambda: True,
    ) -> None:
        """Read `source` into the two stores.

        Args:
            source: the tracking server and registry.
            runs: where runs are kept.
            registry: where versions and aliases are kept.
            cursor: how far was read.
            rules: what failures are classified by.
            told: hears the number of runs read so far.
            named: whether anybody said that there is a tracking server, or one is there.
        """
        self._named = named
        self._source, self._runs, self._registry, self._cursor = source, runs, registry, cursor
        self._rules = rules
        self._told = told or (lambda _: None)

    def run(self, *, now: datetime) -> str:
        """Sync once; a failure leaves the mirror as it is, with its age."""
        started = time.perf_counter()
        known = self._cursor.load()
        if not known and not self._named():
            # A log and a data set are watched without MLflow; one that was read before and is gone is a fault.
            return "no MLflow is named: set tracking.uri to see runs and versions"
        try:
            cursor, message = self._sync(known, now)
        except OpsError as error:
            self._cursor.failed(str(error), now=now, took_s=time.perf_counter() - started)
            raise
        self._cursor.succeeded(cursor, message, now=now, took_s=time.perf_counter() - started)
        return message

    def _sync(self, cursor: Mapping[str, Any], now: datetime) -> tuple[dict[str, Any], str]:
        now_ms = int(now.timestamp() * 1000)
        reconciled = int(cursor.get("reconciled_ms", 0))
        seen = _Seen(self._runs, now, self._told)
        renamed = self._runs.rename_experiments(self._source.experiments())
        if now_ms - reconciled >= _ms(RECONCILE):
            gone = self._reconcile(seen)
            reconciled = now_ms
        else:
            gone = 0
            self._increment(cursor, seen, now)
        versions, aliases = self._source.registry()
        self._registry.replace(versions, aliases, now=now)
        explained = self._explain(now)
        parts = [f"{len(seen.ids)} runs read", f"{seen.changed} changed", f"{len(versions)} versions",
                 f"{len(aliases)} aliases"]
        parts += [f"{n} {word}" for n, word in ((gone, "gone"), (renamed, "moved with their experiment"),
                                                (explained, "failures explained")) if n]
        # A run whose clock is ahead must not push the watermark past runs that start now.
        mark = min(max(seen.newest_ms, int(cursor.get("started_ms", 0))), now_ms)
        return {"started_ms": mark, "ended_ms": now_ms, "reconciled_ms": reconciled}, ", ".join(parts)

    def _increment(self, cursor: Mapping[str, Any], seen: "_Seen", now: datetime) -> None:
        believed = set(self._runs.open_ids())
        # Read already, and late tags of theirs are looked for when their hour comes, not in every pass until then.
        ahead = set(self._runs.ahead_ids(now + LATE))
        for page in self._source.ended_since(int(cursor.get("ended_ms", 0)) - _ms(OVERLAP), known=sorted(ahead)):
            seen.take(page)
        for page in self._source.open_runs():
            seen.take(page)
        # Last, because nearly every new run is open or has just ended, and none of those is to be read twice.
        since = int(cursor.get("started_ms", 0)) - _ms(OVERLAP)
        mark = from_ms(since)
        for page in self._source.started_since(since, known=self._runs.started_ids(mark) if mark else ()):
            seen.take(page)
        # Open in the mirror but not at the source: ended by a clock behind ours, deleted, or resumed elsewhere.
        # What was recent at the last look is looked at once more: its tags may have come while nobody looked.
        looked = from_ms(int(cursor.get("ended_ms", 0))) or now
        recent = set(self._runs.recent_ids(min(now, looked) - LATE)) - ahead
        wanted = (believed | recent) - seen.ids
        for page in self._source.by_ids(sorted(wanted)):
            seen.take(page)
        if lost := believed & wanted - seen.ids:
            self._runs.set_deleted(lost, deleted=True)

    def _reconcile(self, seen: "_Seen") -> int:
        for page in self._source.everything():
            seen.take(page)
        gone = [run_id for run_id, deleted in self._runs.all_ids().items() if run_id not in seen.ids and not deleted]
        self._runs.set_deleted(gone, deleted=True)
        return len(gone)

    def _explain(self, now: datetime) -> int:
        waiting = self._runs.unexplained(limit=_EXPLAINED_PER_PASS)
        rules = self._rules() if waiting else None
        told: dict[str, Failure] = {}
        for run in waiting:
            # Only what the training client left is fetched, and it says so by its tags.
            texts = self._source.texts(run.run_id) if run.failure.evidence else {}
            told[run.run_id] = explain(run, texts, rules=rules)
            if texts:
                self._runs.save_artifacts(run.run_id, texts, now=now)
        self._runs.set_failures(told)
        return len(waiting)


class _Seen:
    """What a pass has read so far; a run found by several questions is stored once."""

    def __init__(self, runs: RunStore, now: datetime, told: Told) -> None:
        self._runs, self._now, self._told = runs, now, told
        self.ids: set[str] = set()
        self.changed = 0
        self.newest_ms = 0

    def take(self, page: Sequence[RawRun]) -> None:
        """Store the runs of a page that were not stored in this pass."""
        fresh = [run for run in page if run.run_id not in self.ids]
        self.ids.update(run.run_id for run in fresh)
        self.newest_ms = max([self.newest_ms, *(run.start_ms or 0 for run in fresh)])
        if fresh:
            self.changed += self._runs.mirror(fresh, now=self._now)
            self._told(len(self.ids))


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
