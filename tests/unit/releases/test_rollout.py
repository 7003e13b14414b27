"""From proposal to traffic and back, with everything outside in memory."""

import pytest

from services.adapters.ops_tables import house as house_tables
from services.core.access import Role
from services.errors import NotAllowed, Refused
from services.releases.approvals import SelfApproval
from services.releases.release import Kind, State, Sync
from tests.releases_fixtures import AUTHOR, FIRST, MODEL, ON_CALL, SECOND, VIEWER, House, person


def test_a_proposal_waits_for_approval_with_its_champion_pinned_and_its_gates_judged(house: House) -> None:
    release = house.propose("2")

    assert (release.state, release.champion) == (State.AWAITING_START, "1")
    verdicts = {gate["name"]: gate["verdict"] for gate in release.evidence["gates"]}
    assert verdicts.pop("validation") == "inconclusive"  # nobody ran it, and that is no pass
    assert set(verdicts.values()) == {"pass"}
    assert len(release.subject_hash) == 64
    assert house.weights() == {"1": 100.0}


def test_two_signatures_load_the_candidate_and_no_traffic_moves(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST)
    assert release.state is State.AWAITING_START

    release = house.approve(release, SECOND)

    assert (release.state, release.sync) == (State.AWAITING_PROMOTE, Sync.SYNCED)
    assert house.target.observe(MODEL, "production").loaded == {"1": True, "2": True}
    assert house.weights() == {"1": 100.0}
    assert house.alias("candidate") == "2"


def test_promotion_moves_traffic_then_aliases_and_soaks(house: House) -> None:
    release = house.promote(house.approve(house.propose("2"), FIRST, SECOND))

    assert (release.state, release.sync) == (State.SOAKING, Sync.SYNCED)
    assert house.weights() == {"2": 100.0}
    assert (house.alias(), house.alias("previous_champion"), house.alias("candidate")) == ("2", "1", "")
    assert house.registry.tags(MODEL, "2")["release.id"] == release.id
    house.run(release.plan.soak_s + 1)
    assert house.store.get(release.id).state is State.COMPLETED


def test_the_proposer_cannot_approve_their_own_release(house: House) -> None:
    both = person("author", Role.AUTHOR, Role.APPROVER)
    release = house.propose("2")

    with pytest.raises(SelfApproval, match="proposed r-0001"):
        house.approve(release, both)


def test_a_viewer_is_refused_with_the_role_that_it_takes(house: House) -> None:
    with pytest.raises(NotAllowed, match="to approve takes approver"):
        house.approve(house.propose("2"), VIEWER)
    with pytest.raises(NotAllowed, match="to roll back takes"):
        house.roll_back(actor=AUTHOR)


def test_on_call_rolls_a_soaking_release_back_alone(house: House) -> None:
    release = house.promote(house.approve(house.propose("2"), FIRST, SECOND))

    assert house.roll_back() == release.id
    house.run()

    release = house.store.get(release.id)
    assert (release.state, release.sync) == (State.ROLLED_BACK, Sync.SYNCED)
    assert house.weights() == {"1": 100.0}
    assert house.alias() == "1"
    assert house.place().champion == "1"
    assert house.target.observe(MODEL, "production").loaded == {"1": True}


def test_a_completed_release_is_rolled_back_by_a_release_of_kind_rollback(house: House) -> None:
    house.released("2")
    house.released("3")

    back = house.store.get(house.roll_back("1"))
    assert (back.kind, back.state) == (Kind.ROLLBACK, State.PROMOTING)
    house.run()

    assert house.store.get(back.id).state is State.COMPLETED
    assert house.weights() == {"1": 100.0}
    assert (house.alias(), house.alias("previous_champion")) == ("1", "3")


def test_rolling_back_without_a_name_goes_to_the_version_before(house: House) -> None:
    house.released("2")
    house.roll_back()
    house.run()

    assert house.weights() == {"1": 100.0}
    with pytest.raises(Refused, match="has all traffic"):
        house.roll_back("1")


def test_every_decision_stands_in_the_audit_log_once(house: House) -> None:
    house.promote(house.approve(house.propose("2"), FIRST, SECOND))
    house.roll_back()
    house.run()

    with house.db.read() as connection:
        rows = connection.execute(house_tables.audit.select().order_by(house_tables.audit.c.seq)).all()
    by_people = [(row.actor, row.action) for row in rows if row.method == "demo"]
    assert by_people == [
        ("test:author", "propose"), ("test:first", "approve"), ("test:second", "approve"), ("test:first", "approve"),
        ("test:second", "approve"), ("test:second", "promote"), ("test:on-call", "roll back"),
    ]


def test_a_first_version_is_released_directly(house: House) -> None:
    house.target.forget()
    house.registry.aliases.clear()

    release = house.promote(house.approve(house.propose("2"), FIRST, SECOND))

    assert (release.state, house.weights(), house.alias()) == (State.SOAKING, {"2": 100.0}, "2")
    with pytest.raises(Refused, match="nothing was served before"):
        house.roll_back(actor=ON_CALL)
