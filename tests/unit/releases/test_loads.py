"""A load that takes its time holds nothing up: other models, and the way back of the same one, go on meanwhile."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from services.adapters.ops_db import OpsDb
from services.errors import Refused
from services.monitor.beside import Beside, Key, T
from services.monitor.loads import PatientTarget, load_key, unload_key
from services.releases import actions
from services.releases.evidence import VersionFacts
from services.releases.operations import OpKind, OpState
from services.releases.release import State, Sync
from services.releases.target import Loading
from tests.fakes_target import FakeRegistry, FakeTarget
from tests.releases_fixtures import FIRST, MODEL, SECOND, House
from tests.waiting import until as come

OTHER = ("air-time", "production", "7")


class Hold:
    """Where a test holds tasks up until it lets them go on."""

    def __init__(self) -> None:
        self.began, self.go_on, self.held = threading.Event(), threading.Event(), set[str]()

    def up(self) -> None:
        name = threading.current_thread().name
        self.held.add(name)
        self.began.set()
        assert self.go_on.wait(120)
        self.held.discard(name)


class Unhurried(Beside):
    """Waits for the end of whatever the test does not hold up, however slow the machine is."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(patience_s=0.0)
        self.hold = hold

    def ask(self, key: Key, asker: str, work: Callable[[], T], *, doing: str, join: bool = False) -> T:
        while True:
            try:
                return super().ask(key, asker, work, doing=doing, join=join)
            except Loading:
                task = self._known[key]
                come(lambda ended=task.ended: ended.is_set() or " ".join(key) in self.hold.held)
                if not task.ended.is_set():
                    raise


class SlowTarget(FakeTarget, Hold):
    """Begins to load version `slow` and does not end before it is told to."""

    def __init__(self, slow: str) -> None:
        FakeTarget.__init__(self)
        Hold.__init__(self)
        self.slow, self.asked = slow, 0

    def load(self, model: str, environment: str, version: str) -> None:
        if version == self.slow:
            self.asked += 1
            self.up()
        super().load(model, environment, version)


@pytest.fixture
def slow(db: OpsDb) -> Iterator[House]:
    target = SlowTarget("2")
    house = House(db, target=target, beside=lambda: Unhurried(target))
    house.serving("1")
    yield house
    target.go_on.set()


def until(house: House, holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        house.run(0.5)
        # Hands the processor to the load's thread.
        threading.Event().wait(0.01)
    raise AssertionError("it did not come about")


def loading(house: House) -> str:
    release = house.approve(house.propose("2"), FIRST, SECOND)
    assert house.target.began.wait(120)
    (row,) = [row for row in house.outbox.of(release.id) if row.op.kind is OpKind.LOAD]
    assert (row.state, row.message) == (OpState.PENDING, "version 2 is being loaded")
    return release.id


def test_a_rollback_elsewhere_converges_while_a_load_blocks(slow: House) -> None:
    slow.serving("1", environment="staging")
    slow.target.load(MODEL, "staging", "3")
    release = slow.propose("3", environment="staging")
    slow.promote(slow.approve(release, FIRST), FIRST)
    assert slow.weights("staging") == {"3": 100.0}
    stuck = loading(slow)

    slow.roll_back(environment="staging")
    slow.run()

    assert slow.weights("staging") == {"1": 100.0}
    assert slow.outbox.unfinished(stuck) > 0
    assert not slow.target.go_on.is_set()


def test_the_same_model_is_rolled_back_while_its_candidate_loads(slow: House) -> None:
    release = loading(slow)
    slow.roll_back()
    slow.run()
    assert slow.weights() == {"1": 100.0}

    slow.target.go_on.set()
    until(slow, lambda: slow.outbox.unfinished(release) == 0)
    stored = slow.store.get(release)
    assert (stored.state, stored.sync) == (State.ROLLED_BACK, Sync.SYNCED)
    # Freed although its load ended only after the way back was taken.
    assert not slow.target.observe(MODEL, "production").loaded.get("2")


def test_a_long_load_is_begun_once_and_counts_as_no_failed_try(slow: House) -> None:
    release = loading(slow)
    for _ in range(20):
        slow.run(1)
    (row,) = [row for row in slow.outbox.of(release) if row.op.kind is OpKind.LOAD]
    assert (row.attempts, slow.target.asked) == (0, 1)
    assert slow.store.get(release).state is State.DEPLOYING

    slow.target.go_on.set()
    until(slow, lambda: slow.store.get(release).state is State.AWAITING_PROMOTE)


def test_a_monitor_that_restarts_asks_for_the_load_again(slow: House) -> None:
    release = loading(slow)
    slow.worker = slow.new_worker()
    slow.run(1)
    slow.target.go_on.set()
    until(slow, lambda: slow.store.get(release).state is State.AWAITING_PROMOTE)
    assert slow.target.asked >= 2


def test_a_monitor_that_lost_its_lease_does_not_record_the_load(slow: House) -> None:
    release = loading(slow)
    slow.store.system(lambda _: (None, []), fence=2)
    slow.target.go_on.set()
    for _ in range(5):
        slow.run(1)
    (row,) = [row for row in slow.outbox.of(release) if row.op.kind is OpKind.LOAD]
    assert row.state is OpState.PENDING

    slow.fence = 2
    until(slow, lambda: slow.store.get(release).state is State.AWAITING_PROMOTE)


def test_a_target_that_forgot_its_slow_version_is_told_again_without_holding_others_up(slow: House) -> None:
    slow.target.go_on.set()
    slow.released("2")
    slow.target.go_on.clear()
    slow.target.began.clear()
    slow.target.forget()
    slow.now += timedelta(seconds=10)
    slow.run()
    assert slow.target.began.wait(120)
    assert slow.place().message == "version 2 is being loaded"

    slow.target.go_on.set()
    until(slow, lambda: slow.weights() == {"2": 100.0} and slow.place().sync is Sync.SYNCED)


class SlowRegistry(FakeRegistry, Hold):
    """Takes its time to hash a version, or to write an alias, until it is told to go on."""

    def __init__(self) -> None:
        FakeRegistry.__init__(self)
        Hold.__init__(self)
        self.slow = ""

    def _pause(self, what: str) -> None:
        if what == self.slow:
            self.up()

    def describe(self, model: str, version: str) -> VersionFacts:
        self._pause(f"describe {version}")
        return super().describe(model, version)

    def set_alias(self, model: str, name: str, version: str) -> None:
        self._pause(f"alias {name}")
        super().set_alias(model, name, version)


@pytest.fixture
def hashing(db: OpsDb) -> Iterator[House]:
    registry = SlowRegistry()
    house = House(db, registry=registry, beside=lambda: Unhurried(registry))
    house.serving("1")
    house.serving("1", environment="staging")
    yield house
    registry.go_on.set()


def test_a_rollback_converges_while_an_artefact_is_hashed(hashing: House) -> None:
    release = hashing.approve(hashing.propose("2"), FIRST, SECOND)
    hashing.promote(release)
    until(hashing, lambda: hashing.store.get(release.id).state is State.SOAKING)
    hashing.registry.slow = "describe 3"
    proposed = hashing.propose("3", environment="staging")
    assert hashing.registry.began.wait(120)

    hashing.roll_back()
    until(hashing, lambda: hashing.weights() == {"1": 100.0})
    assert hashing.store.get(proposed.id).state is State.GATING

    hashing.registry.go_on.set()
    until(hashing, lambda: hashing.store.get(proposed.id).state is State.AWAITING_START)


def test_traffic_goes_back_while_the_registry_still_writes_the_promotions_alias(hashing: House) -> None:
    release = hashing.approve(hashing.propose("2"), FIRST, SECOND)
    hashing.registry.slow = "alias champion"
    hashing.promote(release)
    until(hashing, lambda: hashing.weights() == {"2": 100.0} and hashing.registry.began.is_set())

    hashing.roll_back()
    until(hashing, lambda: hashing.weights() == {"1": 100.0})
    assert not hashing.registry.go_on.is_set()
    hashing.registry.go_on.set()

    # The late write of the promotion ends before the rollback's own begins: the last decision has the last word.
    until(hashing, lambda: hashing.store.get(release.id).state is State.ROLLED_BACK)
    assert hashing.alias() == "1"


def test_nothing_begins_on_evidence_that_cannot_be_taken(house: House) -> None:
    release = house.propose("2")
    for n, who in enumerate((FIRST, SECOND)):
        actions.approve(house.desk, release.id, actor=who, reason="go", op_id=f"a{n}", now=house.now)
    house.registry.down = True
    for _ in range(4):
        house.run(1)
    assert house.store.get(release.id).state is State.SCHEDULED
    assert "evidence cannot be taken again" in house.store.get(release.id).note

    house.registry.down = False
    house.run(31)
    assert house.store.get(release.id).state is State.AWAITING_PROMOTE


def test_a_version_that_is_being_freed_is_not_loaded_before_that_has_ended() -> None:
    hold, target = Hold(), FakeTarget()
    beside = Unhurried(hold)
    with pytest.raises(Loading):
        beside.ask(unload_key("production", "air-time", "7"), "op", hold.up, doing="freeing")
    with pytest.raises(Loading, match="still being freed"):
        PatientTarget(target, beside, "next").load(*OTHER)
    hold.go_on.set()
    while beside.under_way(unload_key("production", "air-time", "7")):
        threading.Event().wait(0.005)
    PatientTarget(target, beside, "next").load(*OTHER)
    assert target.observe(*OTHER[:2]).loaded == {"7": True}


def test_two_who_ask_for_the_same_lane_take_turns() -> None:
    hold, done = Hold(), []
    beside = Unhurried(hold)
    with pytest.raises(Loading):
        beside.ask(("lane",), "first", hold.up, doing="first")
    with pytest.raises(Loading):
        beside.ask(("lane",), "second", lambda: done.append("second"), doing="first")
    assert done == []
    hold.go_on.set()
    while beside.under_way(("lane",)):
        threading.Event().wait(0.005)
    beside.ask(("lane",), "second", lambda: done.append("second"), doing="first")
    assert done == ["second"]


def test_how_a_load_failed_is_told_once_it_has_ended() -> None:
    target = SlowTarget("7")
    beside = Unhurried(target)
    target.broken.add("7")
    with pytest.raises(Loading, match="version 7 is being loaded"):
        PatientTarget(target, beside, "first").load(*OTHER)
    finish(beside, target)
    with pytest.raises(Refused, match="no module named keras"):
        PatientTarget(target, beside, "first").load(*OTHER)


def test_what_an_earlier_operation_left_behind_is_not_told_to_the_next() -> None:
    target = SlowTarget("7")
    beside = Unhurried(target)
    target.broken.add("7")
    with pytest.raises(Loading):
        PatientTarget(target, beside, "dropped").load(*OTHER)
    finish(beside, target)
    target.broken.clear()
    target.go_on.clear()
    with pytest.raises(Loading):
        PatientTarget(target, beside, "later").load(*OTHER)
    finish(beside, target)
    PatientTarget(target, beside, "later").load(*OTHER)
    assert target.observe(*OTHER[:2]).loaded == {"7": True}


def finish(beside: Beside, target: SlowTarget) -> None:
    """Let the load end."""
    target.go_on.set()
    while beside.under_way(load_key(OTHER[1], OTHER[0], OTHER[2])):
        threading.Event().wait(0.005)
