"""What happens when target or registry fail: forward turns around, backward waits for help and keeps trying."""

import pytest

from services.errors import Refused
from services.releases import actions
from services.releases.plan import CANARY
from services.releases.release import State, Sync
from tests.releases_fixtures import AUTHOR, FIRST, MODEL, SECOND, House


def minutes(house: House, number: float) -> None:
    for _ in range(int(number * 4)):
        house.run(15)


def test_a_candidate_that_cannot_be_loaded_is_taken_away_again(house: House) -> None:
    house.target.broken.add("2")
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.run()

    release = house.store.get(release.id)
    assert release.state is State.ROLLED_BACK
    assert "load cannot be done: version 2 cannot be loaded" in release.note
    assert house.weights() == {"1": 100.0}
    assert house.alias("candidate") == ""


def test_a_target_that_is_down_for_long_turns_the_promotion_around_when_it_is_back(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.target.down = True
    house.promote(release)
    minutes(house, 5)
    assert house.store.get(release.id).state is State.NEEDS_ATTENTION

    house.target.down = False
    minutes(house, 1)

    assert house.store.get(release.id).state is State.ROLLED_BACK
    assert house.weights() == {"1": 100.0}


def test_a_short_outage_changes_nothing_but_time(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.target.down = True
    release = house.promote(release)
    assert (release.state, release.sync) == (State.PROMOTING, Sync.APPLYING)

    house.target.down = False
    house.run(5)
    assert house.store.get(release.id).state is State.SOAKING


def test_a_rollback_that_cannot_be_done_never_leads_back_to_what_it_flees_from(house: House) -> None:
    house.released("2")
    house.target.broken.add("1")
    house.target.unload(MODEL, "production", "1")
    back = house.roll_back("1")
    house.run()
    assert house.store.get(back).state is State.NEEDS_ATTENTION
    assert house.weights() == {"2": 100.0}

    house.target.broken.clear()
    minutes(house, 1)
    assert house.store.get(back).state is State.COMPLETED
    assert house.weights() == {"1": 100.0}


def test_gates_wait_while_the_registry_is_down_and_say_so(house: House) -> None:
    house.registry.down = True
    release = house.propose("2")
    assert (release.state, "does not answer" in release.note) == (State.GATING, True)

    house.registry.down = False
    house.run(31)
    assert house.store.get(release.id).state is State.AWAITING_START


def test_a_version_without_a_signature_is_rejected_before_anybody_is_asked(house: House) -> None:
    house.registry.overwrite(MODEL, "2", signature="", inputs={})
    release = house.propose("2")
    assert release.state is State.REJECTED
    assert "logged without a signature" in release.note


def test_a_version_that_does_not_exist_is_rejected(house: House) -> None:
    assert house.propose("99").state is State.REJECTED


@pytest.mark.parametrize(("end", "who", "state"), [
    (actions.reject, FIRST, State.REJECTED), (actions.cancel, AUTHOR, State.CANCELLED)])
def test_what_somebody_ended_before_it_began_says_who_and_why(house: House, end, who, state) -> None:
    release = house.propose("2")
    end(house.desk, release.id, actor=who, reason=" wrong on Mondays ", op_id="no", now=house.now)
    after = house.store.get(release.id)
    assert (after.state, after.note) == (state, f"{who.label}: wrong on Mondays")


def test_signatures_expire_after_three_days(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST)
    house.run(72 * 3600 + 1)
    assert house.store.get(release.id).state is State.EXPIRED


def test_a_later_approved_release_supersedes_the_one_that_waits(house: House) -> None:
    holder = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    first = house.approve(house.propose("3"), FIRST, SECOND)
    assert first.state is State.SCHEDULED
    second = house.approve(house.propose("4"), FIRST, SECOND)

    assert holder.state is State.BAKING
    assert house.store.get(first.id).state is State.SUPERSEDED
    assert house.store.get(second.id).state is State.SCHEDULED


def test_the_same_version_is_not_on_its_way_twice(house: House) -> None:
    house.propose("2")
    with pytest.raises(Refused, match="on its way to production as r-0001"):
        house.propose("2")


def test_a_canary_that_stays_unsure_pauses_and_people_may_advance_it(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.run(3601)
    release = house.store.get(release.id)
    assert (release.state, str(release.pause)) == (State.PAUSED, "inconclusive")

    release = house.approve(release, FIRST)
    assert (release.state, release.step, house.weights()) == (State.BAKING, 1, {"1": 50.0, "2": 50.0})

    house.run(3601)
    release = house.approve(house.store.get(release.id), FIRST, SECOND)
    assert release.state is State.AWAITING_PROMOTE
    assert house.promote(release, FIRST).state is State.SOAKING
    assert house.weights() == {"2": 100.0}


def test_what_is_not_promoted_by_its_deadline_goes_back(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.run(72 * 3600 + 1)
    house.run()
    assert house.store.get(release.id).state is State.ROLLED_BACK
    assert house.weights() == {"1": 100.0}
