"""Somebody else moves an alias or drives the target: it is noticed, and a person adopts or reverts."""

import pytest

from services.errors import NotAllowed, Refused
from services.monitor import witness, writing
from services.releases import actions, recover
from services.releases.release import State, Sync
from tests.releases_fixtures import AUTHOR, FIRST, MODEL, ON_CALL, SECOND, House


def outside(house: House, do, **kwargs) -> dict:
    return do(house.desk, model=MODEL, environment="production", actor=kwargs.pop("actor", ON_CALL), reason="seen",
              op_id=f"{do.__name__}-{house.now}", now=house.now, **kwargs)


def test_a_moved_champion_alias_is_noticed_and_reverted(house: House) -> None:
    house.released("2")
    house.registry.aliases[MODEL, "champion"] = "5"
    house.run(31)
    assert house.place().sync is Sync.DRIFTED
    assert "points to version 5, the champion is 2" in house.place().message

    outside(house, recover.revert)
    house.run()

    assert (house.alias(), house.alias("previous_champion"), house.weights()) == ("2", "1", {"2": 100.0})
    assert house.place().sync is Sync.SYNCED


def test_adopting_an_outside_move_gives_that_version_the_traffic(house: House) -> None:
    house.released("2")
    house.registry.aliases[MODEL, "champion"] = "5"
    house.run(31)

    outside(house, recover.adopt)
    house.run()

    assert (house.weights(), house.place().champion, house.alias("previous_champion")) == ({"5": 100.0}, "5", "2")
    assert house.place().sync is Sync.SYNCED


def test_without_drift_there_is_nothing_to_adopt_or_revert(house: House) -> None:
    house.released("2")
    house.run(31)
    for do in (recover.adopt, recover.revert):
        with pytest.raises(Refused, match="nothing to adopt or revert"):
            outside(house, do)
        with pytest.raises(NotAllowed):
            outside(house, do, actor=AUTHOR)


def test_an_alias_moved_during_a_promotion_stops_it_until_somebody_reverts(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.registry.aliases[MODEL, "champion"] = "6"

    release = house.promote(release)
    assert (release.state, release.sync) == (State.PROMOTING, Sync.DRIFTED)
    assert "somebody moved it" in release.note

    outside(house, recover.revert)
    house.run()
    release = house.store.get(release.id)
    assert (release.state, release.sync, house.alias()) == (State.SOAKING, Sync.SYNCED, "2")


@pytest.mark.parametrize(("value", "shown"), [("r-9999", "is r-9999"), ("", "is gone")])
def test_a_changed_or_removed_tag_is_noticed_and_reverted(house: House, value: str, shown: str) -> None:
    release = house.released("2")
    house.run(31)
    assert house.place().sync is Sync.SYNCED
    house.registry.set_tags(MODEL, "2", {"release.id": value})
    house.run(31)
    assert house.place().sync is Sync.DRIFTED
    assert f"tag release.id of version 2 {shown}, we wrote {release.id}: somebody changed it" in house.place().message
    house.run(6)  # a look at the target alone does not forget it
    assert house.place().sync is Sync.DRIFTED

    with pytest.raises(Refused, match="no version to adopt, revert instead"):
        outside(house, recover.adopt)
    done = outside(house, recover.revert)
    house.run()
    house.run(31)
    assert house.registry.tags(MODEL, "2")["release.id"] == done["release"]
    assert (house.place().sync, house.weights(), house.alias()) == (Sync.SYNCED, {"2": 100.0}, "2")


def test_tags_that_others_write_beside_ours_are_theirs(house: House) -> None:
    house.released("2")
    house.registry.set_tags(MODEL, "2", {"team": "growth"})
    house.run(31)
    assert house.place().sync is Sync.SYNCED


def test_a_target_that_restarted_without_memory_is_told_again(house: House) -> None:
    house.released("2")
    house.target.forget()
    house.run(6)
    assert house.weights() == {"2": 100.0}
    assert house.place().sync is Sync.SYNCED


def test_a_target_that_obeys_somebody_newer_is_drifted_and_left_alone(house: House) -> None:
    house.released("2")
    house.target.load(MODEL, "production", "4")
    house.target.set_weights(MODEL, "production", {"4": 100.0}, generation=99)
    house.run(6)
    assert house.place().sync is Sync.DRIFTED
    assert house.weights() == {"4": 100.0}

    outside(house, recover.revert)
    house.run()
    assert house.weights() == {"2": 100.0}
    assert house.place().generation > 99


def test_a_champion_that_moves_underneath_voids_the_signatures_and_says_so(house: House) -> None:
    waiting = house.approve(house.propose("3"), FIRST)
    house.released("2")
    house.run(1)

    after = house.store.get(waiting.id)
    assert after.subject_hash != waiting.subject_hash
    assert after.state is State.AWAITING_START
    assert "the champion underneath changed from 1 to 2" in after.note
    house.approve(after, SECOND)
    assert house.store.get(waiting.id).state is State.AWAITING_START


def test_an_artefact_overwritten_under_a_canary_pauses_it_for_good(house: House) -> None:
    from services.releases.plan import CANARY

    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    assert release.state is State.BAKING
    house.registry.overwrite(MODEL, "2", manifest={"model.pkl": "other"})
    house.run(31)

    release = house.store.get(release.id)
    assert (release.state, str(release.pause)) == (State.PAUSED, "subject changed")
    with pytest.raises(Refused, match="no longer hold"):
        actions.resume(house.desk, release.id, actor=ON_CALL, reason="go on", op_id="resume", now=house.now)


def test_a_place_that_was_served_before_any_release_has_no_alias_and_has_not_drifted(house: House) -> None:
    house.serving("1", environment="staging")
    del house.registry.aliases[MODEL, "staging_champion"]
    house.propose("2", environment="staging")
    house.run(31)
    assert (house.place("staging").sync, house.place("staging").champion) == (Sync.SYNCED, "1")


def test_the_champion_is_known_before_anybody_can_be_asked_to_sign(house: House, monkeypatch) -> None:
    known: list[str] = []

    def carry(*args, **kwargs):
        known.append(house.place().champion)
        return writing.carry(*args, **kwargs)

    monkeypatch.setattr(witness, "carry", carry)
    assert house.propose("2").state is State.AWAITING_START
    assert known[0] == "1"
