"""Ray Serve, driven on a real cluster of two nodes with token authentication."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from uuid import uuid4

import httpx
import pytest

from services.adapters import ray_target
from services.adapters.ray_documents import ROUTER_APP
from services.adapters.ray_target import Cluster, RayTarget
from services.bootstrap.targets import release_targets
from services.errors import SourceUnavailable
from services.settings import Settings
from tests.fakes_target import FakeRegistry
from tests.gateway_fixtures import read_log
from tests.ray_cluster import TOKEN, Again, RayCluster, ray_cluster, ray_settings
from tests.target_suite import MODEL, Subject, TargetSuite
from tests.waiting import until


@dataclass
class Ray:
    """The cluster, the settings of the home that drives it, and the target."""

    cluster: RayCluster
    settings: Settings
    target: Again
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def post(self, name: str, x: object = 1.0, environment: str = "production") -> httpx.Response:
        return self.client.post(f"{self.cluster.door}/{environment}/{MODEL}/invocations",
                                json={"inputs": {"x": [x], "color": ["red"]}}, headers={"X-Request-Id": name})

    def ask(self, name: str) -> str:
        answer = self.post(name)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-model-version"]

    def replicas(self) -> dict[str, dict[str, object]]:
        """Return every replica that runs, by its id."""
        apps = self.cluster.ask().json()["applications"]
        return {r["replica_id"]: r | {"app": name} for name, app in apps.items()
                for d in app["deployments"].values() for r in d["replicas"] if r["state"] == "RUNNING"}


@pytest.fixture(scope="module")
def ray(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    with ray_cluster() as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setattr(ray_target, "_OBEYED_S", 120.0)  # a loaded machine takes its time
        settings = ray_settings(tmp_path_factory.mktemp("ray"), registry, cluster)
        target = release_targets(settings, FakeRegistry(MODEL))(MODEL, "production")
        assert isinstance(target, RayTarget)
        found = Ray(cluster, settings, Again(target))
        yield found
        target.close()
        found.client.close()


@pytest.fixture(scope="module")
def subject(ray: Ray) -> Subject:
    return Subject(ray.target, ray.ask)


class TestRay(TargetSuite):
    """The suite, on the cluster."""


@pytest.fixture
def place(ray: Ray) -> str:
    """An environment of its own, in which version 1 is champion and version 2 is loaded."""
    name = f"e{uuid4().hex[:8]}"
    for version in ("1", "2"):
        ray.target.load(MODEL, name, version)
    ray.target.set_weights(MODEL, name, {"1": 100}, generation=1)
    return name


def test_weights_change_under_load_without_a_restart_a_failed_request_or_a_lost_row(ray, place):
    before = set(ray.replicas())
    names = [uuid4().hex for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ray.post, name, environment=place) for name in names]
        for generation in range(2, 8):
            ray.target.set_weights(MODEL, place, {"1": 50, "2": 50} if generation % 2 else {"1": 100},
                                   generation=generation)
    assert Counter(answer.result().status_code for answer in answers) == {200: 200}
    assert set(ray.replicas()) == before
    served = ray.target.observe(MODEL, place).served
    assert sum(served.values()) == 200
    assert served["2"] > 0
    rows = until(lambda: [r for r in read_log(ray.settings, MODEL) if r["environment"] == place][199:] and
                 [r for r in read_log(ray.settings, MODEL) if r["environment"] == place], within=240, what="the log")
    assert sorted(row["request_id"] for row in rows) == sorted(names)
    assert Counter(row["model_version"] for row in rows) == served


def test_a_canary_that_is_killed_is_answered_for_by_the_champion_and_comes_back(ray, place):
    ray.target.set_weights(MODEL, place, {"1": 1, "2": 99}, generation=2)
    victim = next(r for r in ray.replicas().values() if r["app"] == "interlock-tiny-v2")
    os.kill(victim["pid"], signal.SIGKILL)
    answers = [ray.post(uuid4().hex, environment=place) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    until(lambda: ray.post(uuid4().hex, environment=place).headers["x-model-version"] == "2", within=240,
          what="the canary's next life")


def test_a_bad_request_gets_its_status_and_one_line(ray, place):
    answer = ray.post("r", x="one", environment=place)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert ray.client.post(f"{ray.cluster.door}/nowhere/tiny/invocations", content="{}").status_code in (404, 415)


def test_what_others_declared_on_the_cluster_stays(ray, place):
    ours = ray.cluster.ask().json()["applications"]
    theirs = {"name": "theirs", "route_prefix": "/theirs", "import_path": "tests.ray_theirs:app"}
    body = {"applications": [*(app["deployed_app_config"] for app in ours.values()), theirs]}
    assert ray.cluster.ask("PUT", json=body).status_code == 200
    ray.target.set_weights(MODEL, place, {"1": 90, "2": 10}, generation=9)
    assert ray.cluster.ask().json()["applications"]["theirs"]["deployed_app_config"] == theirs
    body["applications"].pop()
    ray.target.set_weights(MODEL, place, {"1": 100}, generation=10)


def test_the_routers_control_routes_take_the_clusters_token_only(ray, place):
    where = f"{ray.cluster.door}/control/{place}/{MODEL}"
    assert ray.client.get(where).status_code == 401
    assert ray.client.get(where, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert ray.client.put(f"{where}/weights", json={}).status_code == 404
    assert ray.target.renew() == 60.0


def test_a_wrong_token_is_named_and_not_tried_again(ray, tmp_path):
    wrong = RayTarget(Cluster(ray.cluster.dashboard, "wrong"), ray.target._shape, lock=tmp_path / "lock")
    with pytest.raises(SourceUnavailable, match="set RAY_AUTH_TOKEN") as refused:
        wrong.observe(MODEL, "production")
    assert not refused.value.retryable
    wrong.close()


def test_two_routers_count_together_and_both_take_the_canary_away_when_the_monitor_is_silent(ray, tmp_path):
    """The last test here: other words to the routers start them again."""
    told = {**ray.target._shape.router, "dead_man_s": 10.0}
    shape = replace(ray.target._shape, replicas=2, router=told)
    pair = Again(RayTarget(Cluster(ray.cluster.dashboard, TOKEN), shape, lock=tmp_path / "lock"))
    before = set(ray.replicas())

    def routers() -> set[str]:
        return {name for name, replica in ray.replicas().items() if replica["app"] == ROUTER_APP}

    place = f"e{uuid4().hex[:8]}"
    try:
        for version in ("1", "2"):
            pair.load(MODEL, place, version)
        until(lambda: len(routers()) == len(routers() - before) == 2, what="two new routers and no old one")
        assert pair.renew() == 10.0
        pair.set_weights(MODEL, place, {"1": 100}, generation=1)
        pair.set_weights(MODEL, place, {"1": 50, "2": 50}, generation=2)
        answers = []
        for _ in range(60):
            answers.append(ray.post(uuid4().hex, environment=place))
            pair.renew()
        assert Counter(answer.status_code for answer in answers) == {200: 60}
        served = Counter(answer.headers["x-model-version"] for answer in answers)
        assert set(served) == {"1", "2"}
        assert pair.observe(MODEL, place).served == served, "what each router answered, added up"

        def answering() -> set[str]:
            return {ray.post(uuid4().hex, environment=place).headers["x-model-version"] for _ in range(20)}

        # Each router has a timer of its own: one may be a little ahead of the other.
        until(lambda: answering() == {"1"}, what="the dead-man timers of both routers")
        until(lambda: pair.observe(MODEL, place).weights == {"1": 100}, what="the dead-man timers, as told")
        assert pair.observe(MODEL, place).generation == 2
        pair.set_weights(MODEL, place, {"1": 50, "2": 50}, generation=2)
        assert pair.observe(MODEL, place).weights == {"1": 50, "2": 50}, "the same order, given again, is obeyed again"
    finally:
        pair.close()
