"""The way of a release is read from its plan, its state and its record."""

from dataclasses import replace

import pytest

from services.releases.plan import CANARY, DIRECT, PLANS, SHADOW, STAGED
from services.releases.release import Kind, State
from services.releases.way import Stand, stops, way
from tests.releases_fixtures import FIRST, SECOND, House


def named(found, stand: Stand) -> list[str]:
    return [stop.name for stop in found if stop.stand is stand]


def test_each_plan_has_its_stops(house: House) -> None:
    release = house.propose("2")
    assert stops(release) == ["proposed", "gates", "approval", "load", "100%", "soak", "done"]
    assert stops(replace(release, plan=STAGED))[1:3] == ["staging", "gates"]
    assert stops(replace(release, plan=SHADOW))[4:7] == ["shadow", "10%", "50%"]
    assert stops(replace(release, kind=Kind.ROLLBACK)) == ["proposed", "100%", "done"]


@pytest.mark.parametrize(("state", "step", "now"), [
    (State.GATING, -1, "gates"), (State.AWAITING_START, -1, "approval"), (State.SCHEDULED, -1, "load"),
    (State.BAKING, 0, "10%"), (State.AWAITING_STEP, 0, "10%"), (State.PAUSED, 1, "50%"),
    (State.AWAITING_PROMOTE, 1, "100%"), (State.SOAKING, 1, "soak")])
def test_where_it_is_now(house: House, state: State, step: int, now: str) -> None:
    found = way(replace(house.propose("2"), plan=CANARY, state=state, step=step), [])
    assert named(found, Stand.NOW) == [now]
    assert named(found, Stand.DONE)[:1] == (["proposed"] if now != "proposed" else [])


def test_a_completed_release_has_everything_behind_it(house: House) -> None:
    assert {stop.stand for stop in way(house.released("2"), [])} == {Stand.DONE}


def test_a_release_that_went_back_shows_where_it_was_stopped(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.roll_back()
    house.run()
    from services.adapters.audit_table import AuditTable

    visited = [str(row.detail.get("to", "")) for row in AuditTable(house.db).of(f"release:{release.id}")]
    found = way(house.store.get(release.id), visited)
    assert named(found, Stand.STOPPED) == ["10%"]
    assert named(found, Stand.AHEAD) == ["50%", "100%", "soak", "done"]


def test_every_state_of_every_plan_lies_somewhere(house: House) -> None:
    release = house.propose("2")
    for plan in PLANS.values():
        for state in State:
            step = 0 if plan.steps and state in {State.BAKING, State.PAUSED} else -1
            found = way(replace(release, plan=plan, state=state, step=step), [str(s) for s in State])
            assert sum(stop.stand in {Stand.NOW, Stand.STOPPED} for stop in found) == (state is not State.COMPLETED)


def test_a_rejected_release_was_stopped_at_its_gates(house: House) -> None:
    house.registry.overwrite("flight-delay", "2", signature="", inputs={})
    release = house.propose("2", plan=DIRECT)
    assert named(way(release, ["gating", "rejected"]), Stand.STOPPED) == ["gates"]
