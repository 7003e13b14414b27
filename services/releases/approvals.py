"""Decide whose signature counts, and whether enough have signed.

What an approval is bound to is told in evidence.py; roles are checked in services/core/access.py.
"""

from collections.abc import Iterable, Sequence

from services.core.access import Action, Actor
from services.errors import NotAllowed
from services.releases.release import PROMOTE, START, Approval, Pause, Release, State, increase
from services.settings.sections import ApprovalPolicy


class SelfApproval(NotAllowed):
    """The proposer, or the last to edit the plan, cannot sign for it."""


def policy(policies: Sequence[ApprovalPolicy], *, model: str, environment: str) -> ApprovalPolicy:
    """Return the policy that fits best: a named model before a named environment, both before `*`.

    Where none fits, the shipped policy holds (two to start, one to increase, two to promote): a forgotten
    environment asks for more people, never for fewer.
    """
    fitting = [p for p in policies if p.model in ("*", model) and p.environment in ("*", environment)]
    return max(fitting, key=lambda p: (p.model != "*", p.environment != "*"), default=ApprovalPolicy())


def required(found: ApprovalPolicy, stage: str) -> int:
    """Return how many signatures a stage takes."""
    return {START: found.start, PROMOTE: found.promote}.get(stage, found.increase)


def stage_of(release: Release) -> str | None:
    """Return the stage that signatures count for now, or None where nothing waits for people."""
    last = len(release.plan.steps) - 1
    match release.state:
        case State.AWAITING_START:
            return START
        case State.AWAITING_STEP:
            return increase(release.step + 1)
        case State.AWAITING_PROMOTE:
            return PROMOTE
        case State.PAUSED if release.pause is Pause.INCONCLUSIVE:
            return increase(release.step + 1) if release.step < last else PROMOTE
        case _:
            return None


def counted(release: Release, stage: str, approvals: Iterable[Approval]) -> list[Approval]:
    """Return the signatures that count: for this stage, at the present hash, each person once, none by its makers."""
    seen: dict[str, Approval] = {}
    for approval in approvals:
        if (
            approval.stage == stage
            and approval.subject_hash == release.subject_hash
            and approval.approver not in {release.proposer, release.last_editor}
        ):
            seen.setdefault(approval.approver, approval)
    return list(seen.values())


def check_signer(release: Release, actor: Actor) -> None:
    """Return when the actor may sign.

    Raises:
        SelfApproval: they proposed the release or edited its plan last.
    """
    if actor.identity == release.proposer:
        raise SelfApproval(f"{actor.label or actor.subject} proposed {release.id}: somebody else must approve it",
                           action=str(Action.APPROVE), place=release.id)
    if actor.identity == release.last_editor:
        raise SelfApproval(f"{actor.label or actor.subject} edited the plan of {release.id} last: somebody else must "
                           "approve it", action=str(Action.APPROVE), place=release.id)
