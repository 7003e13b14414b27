"""Carry decisions out: work off the outbox, then ask what the system itself should decide next, until nothing moves.

Called every 250 ms under the fenced lease. Everything is level-based, so it may be killed at any point and begun
again. One operation is made so in reconcile.py; what follows by itself is in decisions.py, what is seen in survey.py.
"""

import logging
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.core.audit import AuditEntry
from services.monitor.beside import Beside, Key
from services.monitor.decisions import Decisions
from services.monitor.loads import PatientTarget, unload_key
from services.monitor.survey import Survey
from services.releases.desk import move
from services.releases.machine import TRANSITIONS, Command, Do
from services.releases.operations import OpKind, OpState
from services.releases.ports import Book, Outbox, PendingOp, Registry, ReleaseStore, StaleFence, StaleRelease, Targets
from services.releases.progress import MONITOR
from services.releases.reconcile import Attempt, Result, perform
from services.releases.release import TERMINAL, Kind, Release, State
from services.releases.standing import drifted, observed
from services.releases.target import Loading

_log = logging.getLogger(__name__)

TRIES: Final = 8
_FIRST_WAIT: Final = timedelta(milliseconds=250)
_LONGEST_WAIT: Final = timedelta(seconds=30)
_LOADING_WAIT: Final = timedelta(milliseconds=500)
_ROUNDS: Final = 40  # enough for two promotions; what is left over waits 250 ms


# What waits for the registry, or for a version to be freed, holds up no change of weights anywhere.
_SLOW: Final = frozenset({OpKind.ALIAS, OpKind.TAGS, OpKind.UNLOAD})


def wait_after(attempts: int) -> timedelta:
    """Return how long to wait after so many vain attempts: twice as long each time, at most half a minute."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * float(2 ** min(attempts, 10)))


class OutboxWorker:
    """The part of the monitor that moves traffic. One per installation works at a time: the fence sees to it."""

    def __init__(
        self, *, store: ReleaseStore, outbox: Outbox, registry: Registry, targets: Targets, decisions: Decisions,
        survey: Survey, beside: Beside,
    ) -> None:
        """Work with the given store, registry and targets; what may take long is done `beside`."""
        self._store = store
        self._outbox = outbox
        self._registry = registry
        self._targets = targets
        self._decisions = decisions
        self._survey = survey
        self._beside = beside
        self._claimed: int | None = None

    def run_due(self, *, fence: int, now: datetime) -> int:
        """Do what is due and return how many things were done; 0 also when another monitor took over.

        Raises:
            SourceUnavailable: the ops store does not answer; nothing is lost, call again.
        """
        done = 0
        try:
            if self._claimed != fence:
                # From here on whoever held the lease before can neither act nor write.
                self._store.system(lambda _: (None, []), fence=fence)
                self._claimed = fence
            for _ in range(_ROUNDS):
                moved = self._operations(fence, now) + self._decisions.decide(fence=fence, now=now)
                done += moved
                if not moved:
                    break
            done += self._survey.look(fence=fence, now=now)
        except StaleFence as error:
            _log.warning("%s", error)
        return done

    def _operations(self, fence: int, now: datetime) -> int:
        settled_ones = 0
        for pending in self._outbox.due(now=now, fence=fence):
            settled_ones += self._settle(pending, self._attempt(pending), fence, now)
        return settled_ones

    def _attempt(self, pending: PendingOp) -> Attempt:
        target = PatientTarget(self._targets(pending.model, pending.environment), self._beside, pending.op_id)
        work = partial(perform, pending, target, self._registry)
        if pending.op.kind not in _SLOW:
            return work()
        try:
            return self._beside.ask(_lane(pending), pending.op_id, work, doing=f"{pending.op.kind} is under way")
        except Loading as error:
            return Attempt(result=Result.LOADING, message=str(error))

    def _settle(self, pending: PendingOp, attempt: Attempt, fence: int, now: datetime) -> int:
        match attempt.result:
            case Result.DONE:
                self._outbox.settle(pending, OpState.DONE, attempt.message, now=now, next_at=None, fence=fence,
                                    served=attempt.served)
                self._keep_seen(pending, attempt, fence, now)
                return 1
            case Result.DRIFTED | Result.STALE:
                self._outbox.settle(pending, OpState.BLOCKED, attempt.message, now=now, next_at=None, fence=fence)
                self._mark_drifted(pending, attempt, fence, now)
                return 1
            case Result.LOADING:
                # Not a try in vain, however long it takes: the target's own time limit ends it.
                self._outbox.settle(pending, OpState.PENDING, attempt.message, now=now, fence=fence,
                                    next_at=now + _LOADING_WAIT, in_vain=False)
                return 0
            case _:
                _log.info("%s %s: %s", pending.release_id, pending.op.kind, attempt.message)
                self._outbox.settle(pending, OpState.PENDING, attempt.message, now=now, fence=fence,
                                    next_at=now + wait_after(pending.attempts))
                if attempt.result is Result.IMPOSSIBLE or pending.attempts + 1 >= TRIES:
                    self._escalate(pending, attempt.message, fence, now)
                return 0

    def _keep_seen(self, pending: PendingOp, attempt: Attempt, fence: int, now: datetime) -> None:
        if attempt.seen is None:
            return
        seen = attempt.seen

        def work(book: Book) -> tuple[None, list[AuditEntry]]:
            book.set_place(observed(book.place(pending.model, pending.environment), seen, now))
            return None, []

        self._store.system(work, fence=fence)

    def _mark_drifted(self, pending: PendingOp, attempt: Attempt, fence: int, now: datetime) -> None:
        def work(book: Book) -> tuple[None, list[AuditEntry]]:
            return None, drifted(book, pending, attempt, now=now)

        self._store.system(work, fence=fence)

    def _escalate(self, pending: PendingOp, message: str, fence: int, now: datetime) -> None:
        """Turn a release around that cannot go forward; ask people where there is no safe way back either.

        The operations of a release that needs attention stay pending: they are tried for as long as it takes, and the
        last good weights stay in place meanwhile.
        """

        def work(book: Book) -> tuple[None, list[AuditEntry]]:
            release = book.get(pending.release_id)
            do = _way_out(release)
            if do is None or (release.state, do) not in TRANSITIONS:
                return None, []
            said = f"{pending.op.kind} cannot be done: {message}"
            _, entry = move(book, release, Command(do=do, actor=MONITOR, reason=said, changes={"note": said}), now=now)
            return None, [entry]

        try:
            self._store.system(work, fence=fence)
        except StaleRelease:
            # Somebody decided first; what they decided is carried out next.
            _log.info("%s moved on while it was being turned around", pending.release_id)


def _lane(pending: PendingOp) -> Key:
    """Return what an operation shares with those that must not run at the same time as it."""
    if pending.op.kind is OpKind.UNLOAD:
        return unload_key(pending.environment, pending.model, str(pending.op.payload["version"]))
    return ("registry", pending.environment, pending.model)


def _way_out(release: Release) -> Do | None:
    if release.state in TERMINAL or release.state is State.NEEDS_ATTENTION:
        return None
    if release.state is State.ROLLING_BACK:
        return Do.GIVE_UP
    # A rollback that cannot be carried out must not lead back to what it flees from.
    if release.state is State.PROMOTING and (release.kind is not Kind.ROLLOUT or not release.champion):
        return Do.GIVE_UP
    return Do.ROLL_BACK
