"""Sign for a stage of a release, inside the caller's transaction, when what was seen is what would be released.

Whose signature counts is decided in approvals.py; who may ask, in actions.py.
"""

from datetime import datetime
from typing import Any, Final

from services.core.access import Actor, system_actor
from services.core.audit import AuditEntry
from services.errors import Refused
from services.releases import approvals as signing
from services.releases.desk import Desk, move, refuse_when_frozen
from services.releases.machine import Command, Do
from services.releases.ports import Book
from services.releases.release import PROMOTE, Approval, Release, State, Sync

_QUORUM: Final = system_actor("quorum")


class EvidenceChanged(Refused):
    """What the approver saw is no longer what would be released."""


def lacking(desk: Desk, book: Book, release: Release, stage: str) -> int:
    """Return how many signatures the stage still takes."""
    found = signing.policy(desk.terms.approvals, model=release.model, environment=release.environment)
    return max(0, signing.required(found, stage) - len(signing.counted(release, stage, book.approvals(release.id))))


def refuse_when_changed(book: Book, release: Release, seen: str | None) -> None:
    """Return when what was seen is what would be released.

    Raises:
        EvidenceChanged: it is not; the message says which input changed.
    """
    if seen is not None and seen != release.subject_hash:
        said = release.evidence.get("voided") or "its evidence was taken again"
        raise EvidenceChanged(f"{release.id} changed since you opened it: {said}. Read it again before you sign")
    place = book.place(release.model, release.environment)
    pinned = release.subject.get("champion", "")
    if place.champion != pinned:
        raise EvidenceChanged(f"the champion underneath {release.id} changed from {pinned or 'none'} to "
                              f"{place.champion or 'none'}: its evidence is being taken again")


def sign(
    desk: Desk, book: Book, release: Release, stage: str, *, actor: Actor, reason: str, now: datetime,
    seen: str | None,
) -> tuple[dict[str, Any], list[AuditEntry]]:
    """Store the signature, and move on when it completes the quorum."""
    refuse_when_changed(book, release, seen)
    if release.expires_at and now >= release.expires_at:
        raise Refused(f"release {release.id} expired at {release.expires_at:%Y-%m-%d %H:%M} UTC: propose it again")
    book.sign(signature(release, stage, actor, reason, now), release.evidence)
    release, entry = move(book, release, Command(do=Do.APPROVE, actor=actor, reason=reason,
                                                 detail={"stage": stage}), now=now)
    entries = [entry]
    if lacking(desk, book, release, stage) == 0 and (do := _next(release, stage)):
        if do in {Do.BEGIN_STEP, Do.PROMOTE}:
            refuse_when_frozen(desk, release, now)
        said = f"quorum for {stage} reached"
        release, entry = move(book, release, Command(do=do, actor=_QUORUM, reason=said), now=now)
        entries.append(entry)
    return signed(release, stage), entries


def _next(release: Release, stage: str) -> Do | None:
    """Return what a complete quorum sets off: promotion waits for its own click unless the plan is automatic."""
    match release.state:
        case State.AWAITING_START:
            return Do.SCHEDULE
        case State.AWAITING_STEP:
            return Do.BEGIN_STEP
        case State.PAUSED:
            return Do.ASK_PROMOTE if stage == PROMOTE else Do.BEGIN_STEP
        case _:
            return Do.PROMOTE if release.plan.auto_promote and release.sync is Sync.SYNCED else None


def signed(release: Release, stage: str) -> dict[str, Any]:
    """Return the outcome of a signature, for whoever gave it."""
    return {"release": release.id, "stage": stage, "signed": True}


def signature(release: Release, stage: str, actor: Actor, reason: str, now: datetime) -> Approval:
    """Return one person's signature, bound to what the release is now."""
    return Approval(release_id=release.id, stage=stage, approver=actor.identity, label=actor.label or actor.subject,
                    subject_hash=release.subject_hash, reason=reason, at=now)
