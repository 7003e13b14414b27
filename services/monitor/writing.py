"""Write what the monitor decided about a release, unless somebody moved the release on meanwhile."""

from dataclasses import replace
from datetime import datetime

from services.core.audit import AuditEntry
from services.releases.desk import move
from services.releases.machine import Command
from services.releases.ports import Book, ReleaseStore
from services.releases.release import Release
from services.releases.standing import settled


def carry(store: ReleaseStore, release: Release, command: Command, *, fence: int, now: datetime) -> int:
    """Apply a command; return 1, or 0 where the release is no longer what was decided on."""

    def work(book: Book) -> tuple[int, list[AuditEntry]]:
        current = book.get(release.id)
        if current.revision != release.revision:
            return 0, []
        _, entry = move(book, current, command, now=now)
        return 1, [entry]

    return store.system(work, fence=fence)


def settle(store: ReleaseStore, release: Release, *, fence: int) -> int:
    """Record that all operations of a release were carried out; return 1 unless it moved on."""

    def work(book: Book) -> tuple[int, list[AuditEntry]]:
        if book.get(release.id).revision != release.revision:
            return 0, []
        settled(book, release.id)
        return 1, []

    return store.system(work, fence=fence)


def tell(store: ReleaseStore, release: Release, note: str, *, fence: int) -> int:
    """Write the sentence that explains to people why a release waits; nothing was decided, so return 0."""
    if release.note == note:
        return 0

    def work(book: Book) -> tuple[int, list[AuditEntry]]:
        current = book.get(release.id)
        if current.revision != release.revision:
            return 0, []
        book.save(replace(current, note=note, revision=current.revision + 1), expected=current.revision)
        return 0, []

    return store.system(work, fence=fence)
