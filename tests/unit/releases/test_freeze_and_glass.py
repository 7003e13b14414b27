"""A freeze holds what moves forward and nothing that goes back; who breaks the glass still meets the gates."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.core.access import Role
from services.errors import NotAllowed, Refused
from services.releases import actions, recover
from services.releases.freeze import frozen
from services.releases.plan import CANARY
from services.releases.progress import Advice, Ruling
from services.releases.release import Release, State
from services.settings.sections import FreezeWindow
from tests.releases_fixtures import AUTHOR, FIRST, MODEL, NOON, ON_CALL, SECOND, House, person

WINDOW = FreezeWindow(start="2026-03-04T12:30:00+00:00", end="2026-03-05T08:00:00+00:00", reason="year end")


def freezing(house: House) -> House:
    """The same house with a freeze from half past twelve until the next morning."""
    return House(house.db, target=house.target, registry=house.registry, now=house.now,
                 terms=replace(house.terms, freeze=[WINDOW]), rulings=house.rulings)


def break_glass(
    house: House, release: Release, *, actor=ON_CALL, incident: str = "inc-7", op_id: str = "glass"
) -> dict:
    return recover.break_glass(house.desk, release.id, actor=actor, reason="users see errors", incident=incident,
                               op_id=op_id, now=house.now)


def test_what_was_approved_begins_only_after_the_freeze(house: House) -> None:
    site = freezing(house)
    release = site.propose("2")
    site.run(31 * 60)
    assert site.approve(release, FIRST, SECOND).state is State.SCHEDULED
    site.run(3600)
    assert site.store.get(release.id).state is State.SCHEDULED
    site.run(20 * 3600)
    assert site.store.get(release.id).state is State.AWAITING_PROMOTE


def test_a_promotion_is_refused_with_the_window_and_a_rollback_is_not(house: House) -> None:
    site = freezing(house)
    release = site.approve(site.propose("2"), FIRST, SECOND)
    site.run(31 * 60)
    with pytest.raises(Refused, match=r"production is frozen until 2026-03-05T08:00.*year end"):
        actions.promote(site.desk, release.id, actor=FIRST, reason="go", op_id="p", now=site.now)
    site.roll_back()
    site.run()
    assert site.store.get(release.id).state is State.ROLLED_BACK


def test_a_canary_holds_its_share_in_a_freeze_and_still_goes_back_on_harm(house: House) -> None:
    site = freezing(house)
    plan = replace(CANARY, steps=tuple(replace(step, approval=False) for step in CANARY.steps))
    release = site.approve(site.propose("2", plan=plan), FIRST, SECOND)
    site.rulings[release.id] = Ruling(advice=Advice.ADVANCE, reason="no harm", requests=10_000)
    site.run(31 * 60)
    assert (site.store.get(release.id).step, site.weights()) == (0, {"1": 90.0, "2": 10.0})
    site.rulings[release.id] = Ruling(advice=Advice.ROLL_BACK, reason="errors", requests=10_000)
    site.run(60)
    assert site.weights() == {"1": 100.0}


def test_whoever_breaks_the_glass_begins_in_spite_of_the_freeze_and_owes_a_review(house: House) -> None:
    site = freezing(house)
    release = site.propose("2")
    site.run(31 * 60)
    break_glass(site, release)
    site.run()
    after = site.store.get(release.id)
    assert (after.state, after.break_glass, after.incident) == (State.AWAITING_PROMOTE, True, "inc-7")
    assert after.review_by == site.now - timedelta(seconds=0.25) + timedelta(hours=24)
    assert site.store.approvals_of(release.id) == []
    entry = next(row for row in site_audit(site, release) if row.action == "break glass")
    assert (entry.label, entry.reason, entry.detail["incident"]) == ("on-call", "users see errors", "inc-7")


def test_the_gates_hold_behind_the_glass(house: House) -> None:
    house.registry.overwrite(MODEL, "2", signature="", inputs={})
    unsigned = house.propose("2")
    with pytest.raises(Refused, match="cannot break glass"):
        break_glass(house, unsigned, op_id="g1")
    house.target.broken.add("3")
    dead = house.propose("3")
    break_glass(house, dead, op_id="g2")
    house.run()
    house.run(1)
    assert house.store.get(dead.id).state is State.ROLLED_BACK
    assert house.weights() == {"1": 100.0}


@pytest.mark.parametrize(("actor", "incident", "error", "said"), [
    (AUTHOR, "inc-7", NotAllowed, "takes on-call"), (FIRST, "inc-7", NotAllowed, "takes on-call"),
    (ON_CALL, " ", Refused, "takes the incident")])
def test_the_glass_takes_a_role_and_an_incident(house: House, actor, incident: str, error, said: str) -> None:
    release = house.propose("2")
    with pytest.raises(error, match=said):
        break_glass(house, release, actor=actor, incident=incident)
    assert house.store.get(release.id).state is State.AWAITING_START


def test_who_broke_the_glass_cannot_review_it_whatever_other_role_they_hold_and_a_canary_is_reviewed_at_once(
    house: House,
) -> None:
    both = person("both", Role.ON_CALL, Role.APPROVER)
    release = house.propose("2", plan=CANARY)
    break_glass(house, release, actor=both)
    house.registry.overwrite(MODEL, "2", manifest={"model.pkl": "another"})  # its evidence is taken anew meanwhile
    house.run(31)
    break_glass(house, house.store.get(release.id), actor=both, op_id="again")
    house.run()
    assert house.store.get(release.id).state is State.BAKING

    with pytest.raises(Refused, match="you broke the glass"):
        recover.review(house.desk, release.id, actor=both, reason="was right", op_id="r1", now=house.now)
    recover.review(house.desk, release.id, actor=FIRST, reason="was right", op_id="r2", now=house.now)
    assert (house.store.get(release.id).state, house.store.get(release.id).review_by) == (State.BAKING, None)


def test_a_broken_glass_is_reviewed_by_somebody_else_and_only_once(house: House) -> None:
    release = house.propose("2")
    break_glass(house, release)
    house.run()
    house.promote(house.store.get(release.id))
    house.run(release.plan.soak_s + 1)

    def review(who, op_id: str) -> None:
        recover.review(house.desk, release.id, actor=who, reason="was right", op_id=op_id, now=house.now)

    with pytest.raises(NotAllowed):
        review(ON_CALL, "r1")
    review(SECOND, "r2")
    assert house.store.get(release.id).review_by is None
    with pytest.raises(Refused, match="no review"):
        review(FIRST, "r3")


@pytest.mark.parametrize(("model", "environment", "minutes", "holds"), [
    ("flight-delay", "production", 31, True), ("flight-delay", "production", 29, False),
    ("flight-delay", "staging", 31, False), ("other", "production", 31, True),
    ("flight-delay", "production", 60 * 24, False)])
def test_a_window_holds_for_its_place_and_time(model: str, environment: str, minutes: int, *, holds: bool) -> None:
    found = frozen([WINDOW], model=model, environment=environment, now=NOON + timedelta(minutes=minutes))
    assert (found is not None) is holds


def test_of_two_windows_the_one_that_ends_last_is_told() -> None:
    longer = WINDOW.model_copy(update={"end": "2026-03-09T08:00:00+00:00", "reason": "move"})
    found = frozen([longer, WINDOW], model=MODEL, environment="production", now=NOON + timedelta(hours=1))
    assert found is longer


def site_audit(house: House, release: Release):
    from services.adapters.audit_table import AuditTable

    return AuditTable(house.db).of(f"release:{release.id}")
