"""What a Ray cluster is asked to run, and what its own answers mean; without a cluster."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from services.adapters import ray_documents as documents
from services.adapters.model_loading import Output
from services.adapters.ray_documents import Shape, Stand
from services.adapters.ray_router import Router, claim
from services.adapters.ray_settings import cluster, shape
from services.adapters.ray_version import Version
from services.errors import SettingsError, SourceMalformed, SourceUnavailable
from services.gateway import wire
from services.gateway.batch import Batcher
from services.gateway.protocol import JSON
from services.gateway.signature import Column, Signature
from services.gateway.state import Route, with_held, with_weights
from services.settings import Settings

SHAPE = Shape(replicas=2, cpus=0.5, queue=8, router={"journal": "/j"},
              version={"tracking_uri": "u", "registry_uri": ""},
              tasks={"tiny": "regression"})
KEY = ("production", "tiny")
ROUTE = with_weights(with_held(Route(), "1"), {"1": 100}, 4)


def _shown(apps: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"applications": {name: {"source": "declarative", "deployed_app_config": app} for name, app in apps.items()},
            **more}


def test_what_the_router_is_told_is_read_back_as_it_was():
    apps = documents.with_routes({}, {KEY: ROUTE}, SHAPE)
    assert documents.routes(documents.declared(_shown(apps))) == {KEY: ROUTE}


def test_telling_the_same_again_is_a_change_so_that_a_router_which_took_a_canary_away_obeys_again():
    once = documents.with_routes({}, {KEY: ROUTE}, SHAPE)
    assert documents.with_routes(once, {KEY: ROUTE}, SHAPE) != once


def test_only_the_user_config_changes_with_the_weights_so_that_no_replica_restarts():
    before = documents.with_routes({}, {KEY: ROUTE}, SHAPE)["interlock"]
    after = documents.with_routes({"interlock": before}, {KEY: with_weights(ROUTE, {"1": 100}, 5)}, SHAPE)["interlock"]
    for app in (before, after):
        app["deployments"][0].pop("user_config")
    assert before == after


def test_a_version_is_declared_once_and_taken_away_whole():
    apps = documents.with_version({}, "tiny", "2", SHAPE)
    assert documents.with_version(apps, "tiny", "2", SHAPE) is apps
    (app,) = apps.values()
    assert (app["route_prefix"], app["args"]["task"], app["deployments"][0]["num_replicas"]) == (None, "regression", 2)
    assert documents.without_version(apps, "tiny", "2") == {}


def test_what_others_declared_and_what_the_cluster_was_told_travel_along():
    theirs = {"name": "theirs", "import_path": "theirs:app"}
    shown = _shown({"theirs": theirs}, target_capacity=50.0, proxy_location="HeadOnly", http_options={"port": 1})
    shown["applications"]["program"] = {"source": "imperative", "deployed_app_config": None}
    body = documents.order(shown, documents.with_version(documents.declared(shown), "tiny", "1", SHAPE))
    assert [app["name"] for app in body.pop("applications")] == ["theirs", "interlock-tiny-v1"]
    assert body == {"target_capacity": 50.0, "proxy_location": "HeadOnly", "http_options": {"port": 1}}


def test_an_application_of_our_name_that_is_not_ours_is_refused():
    with pytest.raises(SourceMalformed, match="interlock on the Ray cluster is not ours"):
        documents.routes({"interlock": {"name": "interlock", "deployments": []}})


@pytest.mark.parametrize(("options", "proxies", "door"), [
    ({"host": "127.0.0.1", "port": 8000}, ["HEALTHY"], "http://127.0.0.1:8000/interlock"),
    ({"host": "0.0.0.0", "port": 8000, "root_path": "/ml"}, ["HEALTHY"], "http://10.0.0.1:8000/ml/interlock"),
    ({"host": "0.0.0.0", "port": 8000}, ["STARTING"], ""),
    (None, [], ""),
])
def test_the_router_is_reached_through_a_proxy_that_is_up(options, proxies, door):
    shown = {"http_options": options, "proxies": {str(i): {"node_ip": f"10.0.0.{i + 1}", "status": status}
                                                  for i, status in enumerate(proxies)}}
    assert documents.door(shown) == door


def _app(status: str, deployment: str, *replicas: str, message: str = "") -> dict[str, Any]:
    return {"applications": {"a": {"status": status, "message": "", "deployments": {"Version": {
        "status": deployment, "message": message, "replicas": [{"state": state} for state in replicas]}}}}}


@pytest.mark.parametrize(("shown", "stand"), [
    ({"applications": {}}, Stand()),
    (_app("DEPLOYING", "UPDATING", "STARTING"), Stand()),
    (_app("DEPLOYING", "HEALTHY", "RUNNING"), Stand(answers=True, running=1, complete=True)),  # unsettled only by a PUT
    (_app("DEPLOYING", "UPDATING", "RUNNING", "RUNNING", "STARTING"), Stand(answers=True, running=2)),
    (_app("DEPLOY_FAILED", "DEPLOY_FAILED", message="no module named keras"), Stand(broken="no module named keras")),
    (_app("UNHEALTHY", "UNHEALTHY"), Stand(broken="no reason given")),
])
def test_an_application_stands_by_its_replicas(shown, stand):
    assert documents.stand(shown, "a") == stand


def test_each_router_on_a_node_has_a_journal_of_its_own_and_the_next_one_takes_what_a_dead_one_left(tmp_path):
    first, lock = claim(tmp_path)
    second, other = claim(tmp_path)
    assert first != second
    lock.close()
    again, third = claim(tmp_path)
    assert again == first
    other.close()
    third.close()


@dataclass
class Doubling:
    signature = Signature(columns=(Column("x", "double"),))

    def predict(self, rows: Any, params: Any) -> Output:
        values = [2 * float(x) for x in (rows["x"] if isinstance(rows, dict) else rows[:, 0])]
        return Output(values, values, None)


def test_a_replica_answers_a_batch_in_order_and_fails_the_bad_request_alone():
    import asyncio

    replica = SimpleNamespace(_batcher=Batcher(Doubling()))
    bodies = [b'{"inputs": {"x": [1]}}', b"{", b'{"inputs": {"x": [3]}}']
    found = asyncio.run(Version.answer(replica, [(JSON, body) for body in bodies]))
    frames = [frame for data in found for frame in wire.Splitter().feed(data)]
    assert [frame.kind for frame in frames] == [wire.Kind.ANSWER, wire.Kind.FAULT, wire.Kind.ANSWER]
    assert [wire.answer(frames[i])[0] for i in (0, 2)] == [b'{"predictions": [2.0]}', b'{"predictions": [6.0]}']


def test_routers_that_do_not_all_answer_in_time_are_unavailable_and_asked_again(monkeypatch):
    import asyncio

    class Silent:
        def __init__(self, *_: str) -> None: ...

        def broadcast(self, *_: str) -> "Silent":
            return self

        async def results_async(self, *, timeout_s: float) -> list[Any]:
            raise TimeoutError(timeout_s)

    # Ray itself is imported on a cluster only: at its import it warns of what pydantic is going to drop.
    for name, words in (("ray", {}), ("ray.serve", {}), ("ray.exceptions", {"RayError": OSError}),
                        ("ray.serve.exceptions", {"RayServeException": OSError}),
                        ("ray.serve.handle", {"DeploymentHandle": Silent})):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**words))
    with pytest.raises(SourceUnavailable, match=r"not every router answered within 5 s \(TimeoutError\)") as gone:
        asyncio.run(Router._of_all(SimpleNamespace(), "renewed"))
    assert gone.value.retryable


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Settings.model_validate({
        "folder": str(tmp_path), "models": {"tiny": {"task": "regression", "log": "log/tiny"}},
        "environments": {"production": {"target": "ray", "url": "http://head:8265/"}, "empty": {"target": "ray"}}})


def test_the_token_is_found_where_rays_own_programs_find_it(settings, tmp_path, monkeypatch):
    assert cluster(settings, "production").token == ""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("from-home\n")
    assert cluster(settings, "production").token == "from-home"
    (tmp_path / "elsewhere").write_text("from-path")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "elsewhere"))
    assert cluster(settings, "production").token == "from-path"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-variable")
    assert (cluster(settings, "production").token, cluster(settings, "production").url) == (
        "from-variable", "http://head:8265")
    assert "from-variable" not in repr(cluster(settings, "production"))


def test_a_token_file_that_is_named_and_missing_is_no_open_door(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "missing"))
    with pytest.raises(SourceUnavailable, match="Set RAY_AUTH_TOKEN"):
        cluster(settings, "production")


def test_an_environment_on_ray_names_its_dashboard(settings):
    with pytest.raises(SettingsError, match=r"environments\.empty\.url is not set"):
        cluster(settings, "empty")


def test_the_router_writes_the_log_that_the_monitor_reads(settings, tmp_path):
    told = shape(settings, "production")
    assert told.router["logs"] == {"tiny": str(tmp_path / "log" / "tiny")}
    assert (told.tasks, told.router["timeout_s"], told.router["ack_disk"]) == ({"tiny": "regression"}, 2.0, False)
