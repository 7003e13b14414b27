"""Another plan is another subject: gates run again, signatures are void, and who edited it signs no more."""

import pytest

from services.core.access import Role
from services.errors import NotAllowed, Refused
from services.releases import actions
from services.releases.approvals import SelfApproval
from services.releases.plan import AUTOMATIC, CANARY, DIRECT, STAGED
from services.releases.release import State
from tests.releases_fixtures import AUTHOR, FIRST, SECOND, House, person

EDITOR = person("editor", Role.AUTHOR, Role.APPROVER)


def edit(house: House, release, plan=CANARY, *, actor=EDITOR, op_id: str = "edit") -> dict:
    return actions.edit(house.desk, release.id, plan=plan, actor=actor, reason="slower", op_id=op_id, now=house.now)


def test_an_edited_plan_voids_the_signatures_under_the_old_one(house: House) -> None:
    release = house.approve(house.propose("2", plan=DIRECT), FIRST)
    before = release.subject_hash
    edit(house, release)
    assert house.store.get(release.id).state is State.GATING
    house.run()
    house.run(31)
    release = house.store.get(release.id)
    assert (release.state, release.plan) == (State.AWAITING_START, CANARY)
    assert release.subject_hash != before
    release = house.approve(release, SECOND)
    assert release.state is State.AWAITING_START  # the one under the old plan counts no more
    assert house.approve(release, FIRST).state is State.BAKING


def test_the_last_editor_cannot_sign(house: House) -> None:
    release = house.propose("2")
    edit(house, release)
    house.run()
    house.run(31)
    with pytest.raises(SelfApproval, match="edited the plan"):
        house.approve(house.store.get(release.id), EDITOR)


def test_a_scheduled_release_is_edited_and_one_that_has_begun_is_not(house: House) -> None:
    begun = house.approve(house.propose("3", plan=CANARY), FIRST, SECOND)
    waiting = house.approve(house.propose("2"), FIRST, SECOND)
    assert (begun.state, waiting.state) == (State.BAKING, State.SCHEDULED)
    edit(house, waiting)
    assert house.store.get(waiting.id).state is State.GATING
    with pytest.raises(Refused, match="cannot edit plan"):
        edit(house, begun, AUTOMATIC, op_id="other")


def test_the_same_plan_an_impossible_one_and_others_than_authors_are_refused(house: House) -> None:
    release = house.propose("2")
    with pytest.raises(Refused, match="has plan direct already"):
        edit(house, release, DIRECT)
    with pytest.raises(Refused, match="where it ends"):
        edit(house, release, STAGED.__class__(name="ring", through=("production",)))
    with pytest.raises(NotAllowed):
        edit(house, release, actor=FIRST)


def test_a_repeated_edit_is_one(house: House) -> None:
    release = house.propose("2")
    first, again = edit(house, release, actor=AUTHOR), edit(house, release, actor=AUTHOR)
    assert (first["already"], again["already"]) == (False, True)
