"""What people may ask for when something is wrong: roll back, adopt or revert an outside change, break the glass.

One person is enough for each: delay costs more than a needless rollback.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.core.measurement import Measurement
from services.errors import Refused
from services.releases.desk import Desk, decide, move, reasoned
from services.releases.evidence import GLASS
from services.releases.machine import Command, Do, apply
from services.releases.operations import Op, OpKind, operations, place_after
from services.releases.plan import DIRECT
from services.releases.playbook import RECORDED, STEPS, Outcome, opens
from services.releases.ports import Book
from services.releases.reconcile import same_split
from services.releases.release import Kind, Place, Release, State, Sync
from services.releases.sign import refuse_when_changed


def roll_back(
    desk: Desk, *, model: str, environment: str, actor: Actor, reason: str, op_id: str, now: datetime,
    to_version: str | None = None,
) -> dict[str, Any]:
    """Give all traffic back to an earlier version: the one before, or any other.

    A release under way is turned around; where none is, a release of kind *rollback* is made.

    Raises:
        Refused: not allowed, no reason, nothing to go back to, or that version has all traffic already.
    """
    require(actor, Action.ROLL_BACK, model=model, environment=environment)
    why = reasoned(reason, "roll back")

    def work(book: Book) -> tuple[dict[str, Any], list[AuditEntry]]:
        holder = book.holding(model, environment)
        if holder is not None:
            back_to = to_version or holder.back_to or holder.champion
            if back_to == holder.version:
                raise Refused(f"{holder.id} rolls out version {back_to} itself: name an earlier one")
            if not back_to and holder.state in {State.PROMOTING, State.SOAKING}:
                raise Refused(f"nothing was served before {holder.id}: name the version to serve with --to")
            changes = {"back_to": back_to, "note": why}
            after, entry = move(book, holder, Command(do=Do.ROLL_BACK, actor=actor, reason=why, changes=changes,
                                                      detail={"back_to": back_to}), now=now)
            return {"release": after.id, "back_to": back_to}, [entry]
        place = book.place(model, environment)
        back_to = to_version or place.previous
        if not back_to:
            raise Refused(f"no version was served before {place.champion or 'this one'} in {environment}: name one")
        if back_to == place.champion:
            raise Refused(f"version {back_to} of {model} has all traffic in {environment} already")
        release, entry = jump(book, Kind.ROLLBACK, place, back_to, actor=actor, reason=why, now=now)
        return {"release": release.id, "back_to": back_to}, [entry]

    return desk.store.command(op_id, actor=actor, command="roll back", subject=f"model:{model}", now=now, work=work)


def jump(
    book: Book, kind: Kind, place: Place, version: str, *, actor: Actor, reason: str, now: datetime
) -> tuple[Release, AuditEntry]:
    """Make a release that goes to a version at once: the same machine with the steps skipped."""
    draft = Release(
        id=book.new_id(), model=place.model, environment=place.environment, version=version, kind=kind,
        state=State.DRAFT, sync=Sync.APPLYING, revision=0, plan=DIRECT, proposer=actor.identity,
        proposer_label=actor.label or actor.subject, last_editor=actor.identity, reason=reason, created_at=now,
        since=now, champion=place.champion, previous=place.previous,
    )
    command = Command(do=Do.PROMOTE, actor=actor, reason=reason, detail={"kind": str(kind), "back_to": version})
    release, entry = apply(draft, command, now=now)
    ops = operations(release, Do.PROMOTE)
    after = place_after(release, place, Do.PROMOTE, ops)
    release = replace(release, generation=after.generation)
    book.set_place(after)
    book.add(release, ops)
    return release, entry


def revert(
    desk: Desk, *, model: str, environment: str, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Put our intent back over a change that somebody made outside: weights first, then the alias.

    Raises:
        Refused: not allowed, no reason, or nothing has drifted.
    """
    require(actor, Action.RESOLVE_DRIFT, model=model, environment=environment)
    why = reasoned(reason, "revert")

    def work(book: Book) -> tuple[dict[str, Any], list[AuditEntry]]:
        holder = book.holding(model, environment)
        if holder is not None and holder.sync is Sync.DRIFTED:
            place = book.place(model, environment)
            after, entry = _again(book, holder, place, actor=actor, reason=why, now=now)
            return {"release": after.id, "forced": book.unblock(holder.id, generation=after.generation)}, [entry]
        place = drifted(book, model, environment)
        if holder is not None:
            raise Refused(f"{holder.id} is {holder.state} there: roll it back, which puts weights and aliases back too")
        release, entry = jump(book, Kind.REVERT, place, place.champion, actor=actor, reason=why, now=now)
        return {"release": release.id, "forced": 1}, [entry]

    return desk.store.command(op_id, actor=actor, command="revert", subject=f"model:{model}", now=now, work=work)


def adopt(
    desk: Desk, *, model: str, environment: str, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Take over a change that somebody made outside: the version the alias names now gets the traffic too.

    Raises:
        Refused: not allowed, no reason, nothing has drifted, or a release is under way (roll it back first).
    """
    require(actor, Action.RESOLVE_DRIFT, model=model, environment=environment)
    why = reasoned(reason, "adopt")

    def work(book: Book) -> tuple[dict[str, Any], list[AuditEntry]]:
        place = drifted(book, model, environment)
        if holder := book.holding(model, environment):
            raise Refused(f"{holder.id} is {holder.state} there: roll it back or revert, then adopt")
        if place.alias == place.champion and same_split(place.weights, place.observed):
            raise Refused(f"traffic and alias of {model} in {environment} are ours ({place.message}): there is no "
                          "version to adopt, revert instead")
        if not place.alias:
            raise Refused(f"the champion alias of {model} was removed: there is no version to adopt, revert instead")
        release, entry = jump(book, Kind.ADOPTION, place, place.alias, actor=actor, reason=why, now=now)
        return {"release": release.id, "adopted": place.alias}, [entry]

    return desk.store.command(op_id, actor=actor, command="adopt", subject=f"model:{model}", now=now, work=work)


def break_glass(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, incident: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Begin a release without approvals and in spite of a freeze; the gates still hold, and a review falls due.

    Raises:
        Refused: not allowed, no reason, no incident, or the evidence changed.
    """

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        if not incident.strip():
            raise Refused("to break the glass takes the incident that it is for")
        refuse_when_changed(book, release, None)
        evidence = {**release.evidence, GLASS: actor.identity}
        command = Command(do=Do.BREAK_GLASS, actor=actor, reason=reason.strip(),
                          changes={"incident": incident.strip(), "evidence": evidence},
                          detail={"incident": incident.strip()})
        after, entry = move(book, release, command, now=now)
        return {"release": after.id, "review_by": str(after.review_by)}, [entry]

    return decide(desk, release_id, action=Action.BREAK_GLASS, doing="break the glass", actor=actor, reason=reason,
                  op_id=op_id, now=now, work=work)


def review(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Record the review that a broken glass asks for; neither by the one who broke it nor by the proposer.

    Raises:
        Refused: not allowed, no reason, no review is due, or their own act.
    """

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        if release.review_by is None:
            raise Refused(f"no review of {release.id} is due")
        if actor.identity in {release.proposer, release.last_editor}:
            raise Refused(f"somebody other than the proposer reviews {release.id}")
        if actor.identity == release.evidence.get(GLASS):
            raise Refused(f"you broke the glass for {release.id}: somebody else reviews it")
        after, entry = move(book, release, Command(do=Do.REVIEW, actor=actor, reason=reason.strip()), now=now)
        return {"release": after.id}, [entry]

    return decide(desk, release_id, action=Action.APPROVE, doing="review", actor=actor, reason=reason, op_id=op_id,
                  now=now, work=work)


def record_drill(desk: Desk, found: Measurement, *, actor: Actor, op_id: str, now: datetime) -> None:
    """Record that a person drilled a rollback, and what came of it.

    Raises:
        NotAllowed: no role of theirs permits it.
    """
    require(actor, Action.DRILL, model=found.subject, environment=found.environment)
    detail = {"environment": found.environment, "version": found.version, "verdict": str(found.verdict)}
    entry = AuditEntry(at=now, actor=actor, action="drill", subject=f"model:{found.subject}", reason=found.reason,
                       detail=detail)
    desk.store.command(op_id, actor=actor, command="drill", subject=entry.subject, now=now,
                       work=lambda _: (detail, [entry]))


def record_step(
    desk: Desk, release_id: str, *, step: str, outcome: Outcome, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Record what a person found or did about a step of the playbook of a release that failed.

    Raises:
        Refused: not allowed, no reason, no such step, or the release did not fail.
    """

    def work(_: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        if not opens(release):
            raise Refused(f"{release.id} is {release.state}: its playbook is not open")
        if step not in STEPS:
            raise Refused(f"the playbook has no step {step}: it has {', '.join(STEPS)}")
        entry = AuditEntry(at=now, actor=actor, action=RECORDED, subject=f"release:{release.id}", reason=reason.strip(),
                           evidence=release.subject_hash, detail={"step": step, "outcome": str(outcome)})
        return {"release": release.id, "step": step, "outcome": str(outcome)}, [entry]

    return decide(desk, release_id, action=Action.ROLL_BACK, doing="record a playbook step", actor=actor,
                  reason=reason, op_id=op_id, now=now, work=work)


def drifted(book: Book, model: str, environment: str) -> Place:
    """Return the place, where somebody changed it outside.

    Raises:
        Refused: it shows what we want.
    """
    place = book.place(model, environment)
    if place.sync is not Sync.DRIFTED:
        raise Refused(f"{model} in {environment} is {place.sync}: there is nothing to adopt or revert")
    return place


def _again(
    book: Book, release: Release, place: Place, *, actor: Actor, reason: str, now: datetime
) -> tuple[Release, AuditEntry]:
    """Take the next generation and let the release's blocked operations overwrite what they found."""
    generation = max(place.generation, place.observed_generation) + 1
    after = replace(release, sync=Sync.APPLYING, generation=generation, revision=release.revision + 1)
    weights = Op(kind=OpKind.WEIGHTS, payload={"weights": dict(place.weights)})
    book.save(after, expected=release.revision, ops=[weights] if place.weights else [])
    book.set_place(replace(place, generation=generation, sync=Sync.APPLYING, message="", release_id=release.id))
    entry = AuditEntry(at=now, actor=actor, action="revert", subject=f"release:{release.id}", reason=reason,
                       evidence=release.subject_hash,
                       detail={"found": place.message, "alias": place.alias, "weights": dict(place.weights)})
    return after, entry
