"""What every target that serves models must do: one suite, run on the real ones, their doubles and the fake.

A test file makes `class TestIt(TargetSuite)` with a fixture `subject`. What a target says that it cannot do is asked
for as well: it must refuse it and change nothing.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from services.errors import Refused
from services.releases.plan import DIRECT, Plan, Step
from services.releases.progress import Advice, Ruling
from services.releases.release import State
from services.releases.target import DeploymentTarget, StaleGeneration
from tests.fakes_target import FakeRegistry
from tests.releases_fixtures import FIRST, SECOND, House
from tests.waiting import until

MODEL = "tiny"
PLAN = Plan(name="small", shadow_pct=100, shadow_min_requests=5, soak_s=1.0,
            steps=(Step(weight_pct=20, min_requests=5, min_time_s=0.1),))


def _plan(target: DeploymentTarget) -> Plan:
    if not target.supports_split:
        return replace(DIRECT, soak_s=1.0)
    return PLAN if target.supports_mirror else replace(PLAN, shadow_pct=0.0, shadow_min_requests=0)


@dataclass
class Subject:
    """A target where version 4 cannot be loaded, and how its model in production is asked: entity to version."""

    target: DeploymentTarget
    ask: Callable[[str], str]
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry(MODEL))


class TargetSuite:
    @pytest.fixture
    def environment(self) -> str:
        """A name of its own for each test, so that one running target serves them all."""
        return f"e{uuid4().hex[:8]}"

    @pytest.fixture
    def target(self, subject: Subject) -> DeploymentTarget:
        return subject.target

    @pytest.fixture
    def calls(self, subject: Subject) -> Callable[[int], list[str]]:
        """Ask for so many predictions, each for another entity; return the versions that answered."""
        return lambda count: [subject.ask(uuid4().hex) for _ in range(count)]

    @pytest.fixture
    def served(self, target: DeploymentTarget, environment: str) -> DeploymentTarget:
        """The same, with version 1 serving at generation 3 and version 2 loaded."""
        target.load(MODEL, environment, "1")
        target.load(MODEL, environment, "2")
        target.set_weights(MODEL, environment, {"1": 100}, generation=3)
        return target

    def test_an_untouched_target_shows_nothing(self, target, environment):
        seen = target.observe(MODEL, environment)
        assert (seen.generation, dict(seen.weights), dict(seen.loaded), dict(seen.mirror)) == (0, {}, {}, {})

    def test_a_loaded_version_is_shown_healthy_and_gets_nothing(self, served, environment):
        seen = served.observe(MODEL, environment)
        assert seen.loaded == {"1": True, "2": True}
        assert seen.weights == {"1": 100.0}
        # A target either shows what serves on how many processes, or says nothing of them.
        assert not seen.replicas or seen.replicas["1"] >= 1
        assert set(seen.replicas) <= set(seen.loaded)

    def test_the_split_is_made_so_and_read_back(self, served, environment):
        if not served.supports_split:
            with pytest.raises(Refused, match="cannot split traffic"):
                served.set_weights(MODEL, environment, {"1": 90, "2": 10}, generation=4)
            assert served.observe(MODEL, environment).weights == {"1": 100.0}
            return
        served.set_weights(MODEL, environment, {"1": 90, "2": 10}, generation=4)
        seen = served.observe(MODEL, environment)
        assert (seen.generation, seen.weights) == (4, {"1": 90.0, "2": 10.0})

    def test_asking_twice_changes_nothing(self, served, environment):
        weights = {"1": 90.0, "2": 10.0} if served.supports_split else {"2": 100.0}
        for _ in range(2):
            served.load(MODEL, environment, "2")
            served.set_weights(MODEL, environment, weights, generation=4)
            served.set_mirror(MODEL, environment, None, 0, generation=4)
        assert served.observe(MODEL, environment).weights == weights

    def test_a_version_not_named_gets_nothing(self, served, environment):
        served.set_weights(MODEL, environment, {"2": 100, "1": 0}, generation=4)
        assert served.observe(MODEL, environment).weights == {"2": 100.0}

    def test_an_older_generation_is_stale_and_changes_nothing(self, served, environment):
        with pytest.raises(StaleGeneration, match="2"):
            served.set_weights(MODEL, environment, {"2": 100}, generation=2)
        with pytest.raises(StaleGeneration):
            served.set_mirror(MODEL, environment, "2" if served.supports_mirror else None, 10, generation=2)
        assert served.observe(MODEL, environment).weights == {"1": 100.0}

    @pytest.mark.parametrize("weights", [{"1": 60, "2": 30}, {"1": 120, "2": -20}, {}, {"1": 50, "3": 50}])
    def test_weights_that_are_no_split_of_loaded_versions_are_refused(self, served, environment, weights):
        with pytest.raises(Refused):
            served.set_weights(MODEL, environment, weights, generation=4)
        seen = served.observe(MODEL, environment)
        assert (seen.generation, seen.weights) == (3, {"1": 100.0})

    def test_a_version_that_cannot_be_loaded_is_refused_and_the_others_stay(self, served, environment):
        with pytest.raises(Refused, match="4 cannot be loaded"):
            served.load(MODEL, environment, "4")
        seen = served.observe(MODEL, environment)
        assert seen.weights == {"1": 100.0}
        assert not seen.loaded.get("4")

    def test_a_mirror_goes_to_a_loaded_version_only(self, served, environment):
        if not served.supports_mirror:
            with pytest.raises(Refused):
                served.set_mirror(MODEL, environment, "2", 25, generation=4)
            assert served.observe(MODEL, environment).mirror == {}
            return
        with pytest.raises(Refused):
            served.set_mirror(MODEL, environment, "3", 10, generation=4)
        served.set_mirror(MODEL, environment, "2", 25, generation=4)
        assert served.observe(MODEL, environment).mirror == {"2": 25.0}
        served.set_mirror(MODEL, environment, None, 0, generation=5)
        assert served.observe(MODEL, environment).mirror == {}

    def test_only_a_version_without_traffic_is_unloaded(self, served, environment):
        served.unload(MODEL, environment, "2")
        served.unload(MODEL, environment, "2")
        assert served.observe(MODEL, environment).loaded == {"1": True}
        with pytest.raises(Refused):
            served.unload(MODEL, environment, "1")

    def test_one_environment_leaves_the_others_alone(self, served, environment):
        other = f"{environment}-other"
        served.load(MODEL, other, "2")
        served.set_weights(MODEL, other, {"2": 100}, generation=1)
        served.unload(MODEL, environment, "2")
        assert served.observe(MODEL, environment).weights == {"1": 100.0}
        assert served.observe(MODEL, other).loaded == {"2": True}

    def test_a_release_runs_to_completion(self, subject, target, calls, db):
        """The same release everywhere: shadow and canary where the target can split, all at once where it cannot."""
        house = House(db, target=target, registry=subject.registry, model=MODEL)
        house.serving("1")
        release = house.approve(house.propose("2", plan=_plan(target)), FIRST, SECOND)
        if target.supports_mirror:
            assert release.state is State.SHADOW
            until(lambda: target.observe(MODEL, "production").mirror == {"2": 100.0}, within=120,
                  what="a mirror that is read back")
            assert set(calls(20)) == {"1"}
            house.rulings[release.id] = Ruling(advice=Advice.ADVANCE, reason="pairs agree", requests=20)
            house.run(1)
        if target.supports_split:
            release = house.store.get(release.id)
            assert (release.state, house.weights()) == (State.BAKING, {"1": 80.0, "2": 20.0})
            answered = Counter(calls(200))
            assert abs(answered["2"] - 40) < 6 * math.sqrt(200 * 0.2 * 0.8)
            house.rulings[release.id] = Ruling(advice=Advice.ADVANCE, reason="no harm", requests=answered["2"])
            house.run(1)
        assert house.store.get(release.id).state is State.AWAITING_PROMOTE
        house.promote(release)
        assert set(calls(20)) == {"2"}
        house.run(2)
        assert (house.store.get(release.id).state, house.alias()) == (State.COMPLETED, "2")
        house.roll_back()
        house.run(2)
        assert (house.weights(), house.alias()) == ({"1": 100.0}, "1")
        assert set(calls(20)) == {"1"}
