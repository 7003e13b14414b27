"""What people may ask for on the way to production: propose, edit, approve, reject, cancel, promote, pause, resume.

How a signature is taken is in sign.py, the way back (roll back, adopt, revert, break the glass) in recover.py, and what
happens by itself in progress.py.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.core.access import Action, Actor, Role, require
from services.core.audit import AuditEntry
from services.errors import Refused
from services.releases import approvals as signing
from services.releases.desk import Desk, decide, move, reasoned, refuse_when_frozen
from services.releases.machine import Command, Do, TransitionRefused, apply
from services.releases.plan import Plan, fits, valid
from services.releases.ports import Book
from services.releases.release import PROMOTE, Kind, Pause, Release, State, Sync
from services.releases.sign import EvidenceChanged, lacking, refuse_when_changed, sign, signature, signed


def propose(
    desk: Desk, *, model: str, version: str, environment: str, plan: Plan, actor: Actor, reason: str, op_id: str,
    now: datetime,
) -> dict[str, Any]:
    """Ask for a version to be released; gates are run next, by the monitor. Return the new release's id.

    Raises:
        Refused: not allowed, no reason, a plan that the environment's target cannot honour, or the same version
            is on its way there already.
    """
    require(actor, Action.PROPOSE, model=model, environment=environment)
    why = reasoned(reason, "propose")

    def work(book: Book) -> tuple[dict[str, Any], list[AuditEntry]]:
        _refuse_plan(desk, book, plan, model, environment)
        _refuse_twice(book, model, environment, version)
        draft = Release(
            id=book.new_id(), model=model, environment=environment, version=version, kind=Kind.ROLLOUT,
            state=State.DRAFT, sync=Sync.UNKNOWN, revision=0, plan=plan, proposer=actor.identity,
            proposer_label=actor.label or actor.subject, last_editor=actor.identity, reason=why, created_at=now,
            since=now, note="gates are being run",
        )
        release, entry = apply(draft, Command(do=Do.SUBMIT, actor=actor, reason=why,
                                              detail={"plan": plan.to_json()}), now=now)
        book.add(release)
        return {"release": release.id}, [entry]

    return desk.store.command(op_id, actor=actor, command="propose", subject=f"model:{model}", now=now, work=work)


def edit(
    desk: Desk, release_id: str, *, plan: Plan, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Give a release that has not begun another plan: gates are run again, and earlier signatures no longer count.

    Who edits it becomes its last editor, and does not sign for it.

    Raises:
        Refused: not allowed, no reason, it has begun, or a plan that the environment's target cannot honour.
    """

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        _refuse_plan(desk, book, plan, release.model, release.environment)
        if plan == release.plan:
            raise Refused(f"{release.id} has plan {plan.name} already")
        command = Command(do=Do.EDIT, actor=actor, reason=reason.strip(), detail={"plan": plan.to_json()}, changes={
            "plan": plan, "last_editor": actor.identity,
            "note": f"{actor.label or actor.subject} changed the plan to {plan.name}: approvals are void"})
        after, entry = move(book, release, command, now=now)
        return {"release": after.id, "state": str(after.state)}, [entry]

    return decide(desk, release_id, action=Action.PROPOSE, doing="edit the plan", actor=actor, reason=reason,
                  op_id=op_id, now=now, work=work)


def approve(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime, seen: str | None = None,
    stage: str | None = None,
) -> dict[str, Any]:
    """Sign for the stage that the release waits for; the signature that completes the quorum moves it on.

    `seen` is the subject hash, and `stage` the stage, that the form showed: where either has changed since, nothing
    is signed. A repeat by the same person gets the first answer.

    Raises:
        Refused: not allowed, the proposer or last editor, nothing to sign, or the evidence changed.
    """

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        signing.check_signer(release, actor)
        due = signing.stage_of(release)
        mine = [a for a in book.approvals(release_id)
                if a.approver == actor.identity and a.subject_hash == release.subject_hash]
        wanted = stage or due or (mine[-1].stage if mine else None)
        if any(a.stage == wanted for a in mine):
            return signed(release, str(wanted)), []
        if due is None or wanted != due:
            raise TransitionRefused(release, Do.APPROVE)
        return sign(desk, book, release, due, actor=actor, reason=reason.strip(), now=now, seen=seen)

    return decide(desk, release_id, action=Action.APPROVE, doing="approve", actor=actor, reason=reason, op_id=op_id,
                  now=now, work=work)


def promote(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime, seen: str | None = None
) -> dict[str, Any]:
    """Give the version all traffic, when enough have signed; an approver's click signs as well.

    The outcome's `promoted` says whether the quorum was reached with this click.

    Raises:
        Refused: not allowed, still applying, frozen, the evidence changed, or signatures are missing.
    """

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        if release.state is not State.AWAITING_PROMOTE:
            raise TransitionRefused(release, Do.PROMOTE)
        refuse_when_changed(book, release, seen)
        refuse_when_frozen(desk, release, now)
        if release.sync is not Sync.SYNCED:
            raise Refused(f"release {release.id} is {release.sync}: what was decided before is not in place yet")
        entries: list[AuditEntry] = []
        if Role.APPROVER in actor.roles(model=release.model, environment=release.environment):
            signing.check_signer(release, actor)
            if book.sign(signature(release, PROMOTE, actor, reason.strip(), now), release.evidence):
                release, entry = move(book, release, Command(do=Do.APPROVE, actor=actor, reason=reason.strip(),
                                                             detail={"stage": PROMOTE}), now=now)
                entries.append(entry)
        missing = lacking(desk, book, release, PROMOTE)
        if missing and not entries:
            raise Refused(f"release {release.id} needs {missing} more to sign for promotion")
        if missing:
            return {"release": release.id, "promoted": False}, entries
        release, entry = move(book, release, Command(do=Do.PROMOTE, actor=actor, reason=reason.strip()), now=now)
        return {"release": release.id, "promoted": True}, [*entries, entry]

    return decide(desk, release_id, action=Action.PROMOTE, doing="promote", actor=actor, reason=reason, op_id=op_id,
                  now=now, work=work)


def reject(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Refuse a release that has not begun."""
    return _simple(desk, release_id, Do.REJECT, Action.REJECT, actor=actor, reason=reason, op_id=op_id, now=now,
                   check=lambda _: _ended(actor, reason))


def cancel(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Withdraw a release that has not begun; an author only their own."""

    def own(release: Release) -> dict[str, Any]:
        roles = actor.roles(model=release.model, environment=release.environment)
        if roles <= {Role.AUTHOR, Role.VIEWER} and actor.identity != release.proposer:
            raise Refused(f"{release.id} was proposed by {release.proposer_label}: they, on-call or an admin cancel it")
        return _ended(actor, reason)

    return _simple(desk, release_id, Do.CANCEL, Action.CANCEL, actor=actor, reason=reason, op_id=op_id, now=now,
                   check=own)


def pause(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Hold the weights where they are."""

    def canary(release: Release) -> dict[str, Any]:
        if release.step < 0:
            raise TransitionRefused(release, Do.PAUSE)
        return {"pause": Pause.MANUAL, "note": reason.strip()}

    return _simple(desk, release_id, Do.PAUSE, Action.PAUSE, actor=actor, reason=reason, op_id=op_id, now=now,
                   check=canary)


def resume(
    desk: Desk, release_id: str, *, actor: Actor, reason: str, op_id: str, now: datetime
) -> dict[str, Any]:
    """Go on watching at the present share; the step's time begins anew."""

    def unchanged(release: Release) -> dict[str, Any]:
        if release.pause is Pause.SUBJECT_CHANGED:
            raise EvidenceChanged(f"{release.id} is paused because {release.note}: its approvals no longer hold, "
                                  "roll it back and propose again")
        return {}

    return _simple(desk, release_id, Do.RESUME, Action.RESUME, actor=actor, reason=reason, op_id=op_id, now=now,
                   check=unchanged)


def _refuse_plan(desk: Desk, book: Book, plan: Plan, model: str, environment: str) -> None:
    split, mirror = desk.terms.abilities(environment)
    for before in plan.through:
        desk.terms.abilities(before)
        if before == environment:
            raise Refused(f"plan {plan.name} leads through {before}, which is where it ends")
    # Before anything was ever released there the champion is not known yet; gating finds it and asks again.
    champion = book.place(model, environment).champion or "?"
    if said := fits(valid(plan), supports_split=split, supports_mirror=mirror, champion=champion):
        raise Refused(said)


def _refuse_twice(book: Book, model: str, environment: str, version: str) -> None:
    on_the_way = [*book.waiting(model, environment)]
    if holder := book.holding(model, environment):
        on_the_way.append(holder)
    for other in on_the_way:
        if other.version == version:
            raise Refused(f"{model} v{version} is on its way to {environment} as {other.id}, {other.state}: "
                          "go on with that one, or cancel it first")


def _ended(actor: Actor, reason: str) -> dict[str, Any]:
    """Return what explains a release that somebody ended before it began: who, and why."""
    return {"note": f"{actor.label or actor.subject}: {reason.strip()}"}


def _simple(
    desk: Desk, release_id: str, do: Do, action: Action, *, actor: Actor, reason: str, op_id: str, now: datetime,
    check: Callable[[Release], dict[str, Any]] = lambda _: {},
) -> dict[str, Any]:
    """Carry out a command that changes one state and nothing else."""

    def work(book: Book, release: Release) -> tuple[dict[str, Any], list[AuditEntry]]:
        changes = check(release)
        after, entry = move(book, release, Command(do=do, actor=actor, reason=reason.strip(), changes=changes), now=now)
        return {"release": after.id, "state": str(after.state)}, [entry]

    return decide(desk, release_id, action=action, doing=str(do), actor=actor, reason=reason, op_id=op_id, now=now,
                  work=work)
