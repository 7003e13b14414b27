"""Record how things stand: what was read back, what has settled, what somebody else changed. Never what is wanted."""

from dataclasses import replace
from datetime import datetime

from services.core.audit import AuditEntry
from services.releases.ports import Book, PendingOp
from services.releases.progress import MONITOR
from services.releases.reconcile import Attempt
from services.releases.release import Place, Release, Sync
from services.releases.target import Observation


def settled(book: Book, release_id: str) -> None:
    """Store that everything a release asked for was done and read back."""
    release = book.get(release_id)
    place = book.place(release.model, release.environment)
    resync(book, release, Sync.SYNCED)
    if place.release_id == release.id and place.generation == release.generation:
        book.set_place(replace(place, sync=Sync.SYNCED, message="", alias=place.champion))


def drifted(book: Book, pending: PendingOp, attempt: Attempt, *, now: datetime) -> list[AuditEntry]:
    """Store that somebody else changed what an operation would overwrite; return the entry that says so."""
    release = book.get(pending.release_id)
    place = book.place(pending.model, pending.environment)
    if attempt.seen is not None:
        place = observed(place, attempt.seen, now)
    book.set_place(replace(place, sync=Sync.DRIFTED, message=attempt.message))
    resync(book, release, Sync.DRIFTED, note=attempt.message)
    return [noticed(f"release:{release.id}", release.model, release.environment, attempt.message, now)]


def resync(book: Book, release: Release, sync: Sync, *, note: str | None = None) -> None:
    """Store another `sync` of a release; its state does not change, and its revision does."""
    after = replace(release, sync=sync, revision=release.revision + 1, note=release.note if note is None else note)
    book.save(after, expected=release.revision)


def observed(place: Place, seen: Observation, now: datetime) -> Place:
    """Return the place with what the target shows."""
    return replace(place, observed=dict(seen.weights), observed_generation=seen.generation, observed_at=now)


def noticed(subject: str, model: str, environment: str, message: str, now: datetime) -> AuditEntry:
    """Return the entry that records a change made outside."""
    return AuditEntry(at=now, actor=MONITOR, action="notice drift", subject=subject, reason=message,
                      detail={"model": model, "environment": environment})
