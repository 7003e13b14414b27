"""Say what a person could ask of a release now, and whose signature it waits for: what pages draw buttons from.

Nothing here protects anything; actions.py and recover.py check again.
"""

from collections.abc import Mapping
from typing import Final

from services.core.access import Action, Actor, may
from services.core.measurement import Verdict
from services.releases import approvals as signing
from services.releases.desk import Desk
from services.releases.machine import TRANSITIONS, Do
from services.releases.release import HOLDING, Approval, Release, State, Sync

_BUTTONS: Final[Mapping[Do, Action]] = {
    Do.APPROVE: Action.APPROVE, Do.PROMOTE: Action.PROMOTE, Do.REJECT: Action.REJECT, Do.CANCEL: Action.CANCEL,
    Do.PAUSE: Action.PAUSE, Do.RESUME: Action.RESUME, Do.ROLL_BACK: Action.ROLL_BACK,
    Do.BREAK_GLASS: Action.BREAK_GLASS,
}


def available(release: Release, actor: Actor) -> list[Action]:
    """Return what this person could ask of the release now."""
    barred = set()
    if signing.stage_of(release) is None or actor.identity in {release.proposer, release.last_editor}:
        barred.add(Action.APPROVE)
    if release.step < 0:
        barred.add(Action.PAUSE)
    if release.break_glass:
        barred.add(Action.BREAK_GLASS)
    found = [a for do, a in _BUTTONS.items() if (release.state, do) in TRANSITIONS and a not in barred]
    if release.state is State.COMPLETED:
        found.append(Action.ROLL_BACK)  # by a release of its own
    if release.sync is Sync.DRIFTED:
        found.append(Action.RESOLVE_DRIFT)
    return [a for a in found if may(actor, a, model=release.model, environment=release.environment)]


def signatures(desk: Desk, release: Release) -> tuple[str, int, list[Approval]] | None:
    """Return the stage that waits for people, how many it takes, and who signed so far; None when nothing waits."""
    stage = signing.stage_of(release)
    if stage is None:
        return None
    found = signing.policy(desk.terms.approvals, model=release.model, environment=release.environment)
    signed = signing.counted(release, stage, desk.store.approvals_of(release.id))
    return stage, signing.required(found, stage), signed


def waits(release: Release) -> bool:
    """Tell whether the release only waits for people: nothing is wrong with it, and nothing is settled either."""
    return signing.stage_of(release) is not None and standing(release) is Verdict.PASS


def standing(release: Release) -> Verdict:
    """Return how a release looks among all that is watched: what needs a person now is never shown as fine."""
    if release.state is State.NEEDS_ATTENTION or release.sync is Sync.DRIFTED:
        return Verdict.FAIL
    if release.state in {State.PAUSED, State.ROLLING_BACK} or release.review_by is not None:
        return Verdict.WARN
    if release.sync is Sync.UNKNOWN and release.state in HOLDING:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
