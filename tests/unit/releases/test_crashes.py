"""The monitor dies at every single point of carrying a decision out; what comes after ends in the same place."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from pathlib import Path

import pytest

from services.adapters.ops_db import OpsDb
from services.releases import actions
from services.releases.operations import OpState
from services.releases.plan import CANARY
from services.releases.release import State, Sync
from tests.releases_fixtures import FIRST, SECOND, House
from tests.unit.releases.mortal import Mortal


def opened(file: Path) -> OpsDb:
    db = OpsDb(f"sqlite:///{file}")
    db.migrate()
    return db


def promote(house: House) -> str:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.registry.written.clear()
    for n, person in enumerate((FIRST, SECOND)):
        actions.promote(house.desk, release.id, actor=person, reason="go", op_id=f"p{n}", now=house.now)
    return release.id


def roll_back(house: House) -> str:
    return house.roll_back() if house.promote(house.approve(house.propose("2"), FIRST, SECOND)) else ""


def begin_canary(house: House) -> str:
    release = house.propose("2", plan=CANARY)
    for n, person in enumerate((FIRST, SECOND)):
        actions.approve(house.desk, release.id, actor=person, reason="go", op_id=f"a{n}", now=house.now)
    return release.id


@pytest.mark.parametrize(("decide", "state", "weights", "aliases"), [
    (promote, State.SOAKING, {"2": 100.0}, {"champion": "2", "previous_champion": "1"}),
    (roll_back, State.ROLLED_BACK, {"1": 100.0}, {"champion": "1"}),
    (begin_canary, State.BAKING, {"1": 90.0, "2": 10.0}, {"champion": "1", "candidate": "2", "canary": "2"}),
])
def test_a_monitor_that_dies_at_any_point_converges_after_its_restart(
    tmp_path: Path, decide: Callable[[House], str], state: State, weights: dict[str, float], aliases: dict[str, str]
) -> None:
    base = House(opened(tmp_path / "base.db"))
    base.serving("1")
    release = decide(base)
    base.db.engine.dispose()
    points = 0
    for point in count(1):
        shutil.copy(tmp_path / "base.db", tmp_path / f"{point}.db")
        house = House(OpsDb(f"sqlite:///{tmp_path}/{point}.db"), target=deepcopy(base.target),
                      registry=deepcopy(base.registry), now=base.now)
        mortal = Mortal(house)
        died = mortal.dies_at(point)
        house.run(31)

        stored = house.store.get(release)
        assert (stored.state, stored.sync) == (state, Sync.SYNCED), f"died at point {point}"
        assert house.weights() == weights
        assert {name: version for (_, name), version in house.registry.aliases.items()} == aliases
        assert not [row for row in house.outbox.of(release) if row.state in {OpState.PENDING, OpState.BLOCKED}]
        house.db.engine.dispose()
        if not died:
            break
        points = point
    assert points > 10


def test_a_monitor_that_lost_its_lease_writes_nothing_more(house: House) -> None:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    house.worker.run_due(fence=2, now=house.now)
    for n, person in enumerate((FIRST, SECOND)):
        actions.promote(house.desk, release.id, actor=person, reason="go", op_id=f"p{n}", now=house.now)
    house.fence = 1
    house.run()
    assert house.store.get(release.id).sync is Sync.APPLYING

    house.fence = 2
    house.run()
    assert house.store.get(release.id).state is State.SOAKING
