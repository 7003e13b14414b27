"""Databricks through MLflow's deployments plugin, contract-tested: MLflow's own client against a double of the API."""

import threading
from collections.abc import Iterator

import pytest

from services.adapters import databricks_target
from services.adapters.databricks_target import DatabricksTarget, connect
from services.bootstrap.targets import release_targets
from services.errors import Refused, SourceMalformed, SourceUnavailable
from services.gateway.router import choose
from services.releases.desk import Terms
from services.releases.target import Loading
from services.settings import Settings
from tests.databricks_double import Workspace, databricks
from tests.fakes_target import FakeRegistry
from tests.target_suite import MODEL, Subject, TargetSuite
from tests.waiting import until

ENDPOINT = "tiny-production"


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with databricks("4") as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABRICKS_HOST", found.url)
        patch.setenv("DATABRICKS_TOKEN", "good")
        yield found


@pytest.fixture(scope="module")
def subject(workspace: Workspace) -> Subject:
    target = DatabricksTarget(connect(""), sleep=lambda _: None)
    return Subject(target, lambda name: choose(name, target.observe(MODEL, "production").weights, salt="") or "")


class TestDatabricks(TargetSuite):
    """The suite, on the double."""


@pytest.fixture
def target(workspace: Workspace, subject: Subject) -> DatabricksTarget:
    """A target on which version 1 serves and version 2 is loaded, at generation 3."""
    workspace.endpoints.clear()
    workspace.slow = 1
    for version in ("1", "2"):
        subject.target.load(MODEL, "production", version)
    subject.target.set_weights(MODEL, "production", {"1": 100}, generation=3)
    return subject.target


def test_a_change_that_is_being_taken_over_is_no_failure_and_moves_no_traffic_yet(workspace, target):
    workspace.slow = 10**6
    with pytest.raises(Loading, match="takes over its new configuration"):
        target.set_weights(MODEL, "production", {"1": 90, "2": 10}, generation=4)
    seen = target.observe(MODEL, "production")
    assert (seen.generation, seen.weights) == (3, {"1": 100.0})
    with pytest.raises(Loading):
        target.unload(MODEL, "production", "2")
    workspace.waiting[ENDPOINT] = 0
    target.set_weights(MODEL, "production", {"1": 90, "2": 10}, generation=4)
    seen = target.observe(MODEL, "production")
    assert (seen.generation, seen.weights) == (4, {"1": 90.0, "2": 10.0})


def test_a_failed_version_leaves_the_old_configuration_and_says_why(workspace, target):
    with pytest.raises(Refused, match="version 4 cannot be loaded: no module named keras"):
        target.load(MODEL, "production", "4")
    seen = target.observe(MODEL, "production")
    assert (seen.weights, seen.loaded) == ({"1": 100.0}, {"1": True, "2": True})
    target.set_weights(MODEL, "production", {"2": 100}, generation=4)
    assert target.observe(MODEL, "production").weights == {"2": 100.0}


def test_sizes_that_people_chose_stay(workspace, target):
    for entity in workspace.endpoints[ENDPOINT]["config"]["served_entities"]:
        entity |= {"workload_size": "Large", "scale_to_zero_enabled": True}
    target.load(MODEL, "production", "3")
    sizes = {(e["workload_size"], e["scale_to_zero_enabled"])
             for e in workspace.endpoints[ENDPOINT]["config"]["served_entities"]}
    assert sizes == {("Large", True)}


def test_parts_of_a_percent_and_a_shadow_are_refused(target):
    with pytest.raises(Refused, match="whole percent"):
        target.set_weights(MODEL, "production", {"1": 99.5, "2": 0.5}, generation=4)
    with pytest.raises(Refused, match="use a plan without a shadow"):
        target.set_mirror(MODEL, "production", "2", 10, generation=4)


def test_an_endpoint_that_serves_something_else_is_left_alone(workspace, target):
    workspace.endpoints[ENDPOINT]["config"] = {"served_entities": [{"name": "chat", "external_model": {}}]}
    with pytest.raises(SourceMalformed, match="serves something else than registered versions"):
        target.set_weights(MODEL, "production", {"1": 100}, generation=4)


def test_a_refused_token_is_named_and_not_tried_again(target, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "bad")
    with pytest.raises(SourceUnavailable, match="Set DATABRICKS_HOST and DATABRICKS_TOKEN") as refused:
        target.observe(MODEL, "production")
    assert not refused.value.retryable


def asking() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "databricks"]


def test_a_workspace_that_does_not_answer_is_given_up_and_not_asked_without_end(workspace, target, monkeypatch):
    monkeypatch.setattr(databricks_target, "_WAITING", threading.BoundedSemaphore(1))
    impatient = DatabricksTarget(connect(""), patience_s=0.3)
    with workspace.lock:
        with pytest.raises(SourceUnavailable, match=r"Databricks does not answer in 0\.3 s") as gone:
            impatient.observe(MODEL, "production")
        with pytest.raises(SourceUnavailable, match="has not answered the calls before this one"):
            impatient.observe(MODEL, "production")
    assert gone.value.retryable
    until(lambda: not asking())
    assert target.observe(MODEL, "production").weights == {"1": 100.0}


def test_a_name_that_is_too_long_is_refused(target):
    with pytest.raises(Refused, match="at most 63"):
        target.observe("m" * 64, "production")


def test_the_settings_name_the_target(workspace, tmp_path):
    settings = Settings.model_validate({"folder": str(tmp_path), "environments": {"production": {
        "target": "databricks", "url": "databricks"}}})
    assert isinstance(release_targets(settings, FakeRegistry(MODEL))(MODEL, "production"), DatabricksTarget)
    assert Terms.of(settings).abilities("production") == (True, False)
