"""KServe, contract-tested: against a double of the API server and the controller, not on a cluster."""

from collections.abc import Iterator

import pytest

from services.adapters import kserve_documents as documents
from services.adapters.kserve_settings import files_of
from services.adapters.kserve_target import KserveTarget, connect
from services.bootstrap.targets import release_targets
from services.errors import NotFound, Refused, SettingsError, SourceMalformed, SourceUnavailable
from services.gateway.router import choose
from services.releases.desk import Terms
from services.releases.plan import CANARY, SHADOW
from services.releases.target import StaleGeneration
from services.settings import Settings
from tests.fakes_target import FakeRegistry
from tests.kserve_double import Cluster, kserve
from tests.releases_fixtures import House
from tests.target_suite import MODEL, Subject, TargetSuite


def _target(cluster: Cluster, namespace: str = "models") -> KserveTarget:
    return KserveTarget(connect(cluster.url), namespace=namespace, uri_of=lambda m, v: f"s3://models/{m}/{v}",
                        sleep=lambda _: None)


@pytest.fixture(scope="module")
def subject() -> Iterator[Subject]:
    with kserve("4") as cluster:
        target = _target(cluster)
        yield Subject(target, lambda name: choose(name, target.observe(MODEL, "production").weights, salt="") or "")


class TestKserve(TargetSuite):
    """The suite, on the double."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with kserve("4") as found:
        yield found


@pytest.fixture
def rolled_out(cluster: Cluster) -> KserveTarget:
    """A target on which version 2 came after version 1 and has everything."""
    target = _target(cluster)
    for version, generation in (("1", 1), ("2", 2)):
        target.load(MODEL, "production", version)
        target.set_weights(MODEL, "production", {version: 100}, generation=generation)
    return target


def test_no_change_ever_leaves_the_canarys_share_out(cluster, rolled_out):
    rolled_out.load(MODEL, "production", "3")
    rolled_out.set_weights(MODEL, "production", {"2": 90, "3": 10}, generation=3)
    specs = [change["spec"]["predictor"] for change in cluster.changes if "spec" in change]
    assert specs
    assert all("canaryTrafficPercent" in spec for spec in specs)


def test_loading_a_version_moves_no_traffic(cluster, rolled_out):
    before = len(cluster.seen)
    rolled_out.load(MODEL, "production", "3")
    assert rolled_out.observe(MODEL, "production").weights == {"2": 100.0}
    service = rolled_out._read("tiny-production")
    assert {frozenset(split) for split in cluster.seen[before:]} == {frozenset({service.rolled_out})}


def test_one_step_back_after_a_full_rollout_is_instant_and_the_next_load_stays_clear_of_it(cluster, rolled_out):
    assert rolled_out.observe(MODEL, "production").loaded == {"1": True, "2": True}
    created = rolled_out._read("tiny-production").created
    rolled_out.set_weights(MODEL, "production", {"1": 100}, generation=3)
    assert rolled_out.observe(MODEL, "production").weights == {"1": 100.0}
    assert rolled_out._read("tiny-production").created == created
    before = len(cluster.seen)
    rolled_out.load(MODEL, "production", "3")
    service = rolled_out._read("tiny-production")
    assert service.version_of(service.rolled_out) == "1"
    assert {frozenset(split) for split in cluster.seen[before:]} == {frozenset({service.rolled_out})}


def test_further_back_a_version_is_deployed_anew(cluster, rolled_out):
    rolled_out.load(MODEL, "production", "3")
    assert rolled_out.observe(MODEL, "production").loaded == {"1": False, "2": True, "3": True}
    with pytest.raises(Refused, match="version 1 is neither the latest revision nor the one before it"):
        rolled_out.set_weights(MODEL, "production", {"1": 100}, generation=3)
    rolled_out.load(MODEL, "production", "1")
    assert rolled_out.observe(MODEL, "production").weights == {"2": 100.0}
    rolled_out.set_weights(MODEL, "production", {"1": 100}, generation=3)
    assert rolled_out.observe(MODEL, "production").weights == {"1": 100.0}


def test_replicas_are_those_the_status_counts_else_the_fewest_that_were_asked_for(cluster, rolled_out):
    assert rolled_out.observe(MODEL, "production").replicas == {"2": 1}
    rolled_out.load(MODEL, "production", "3")
    rolled_out.set_weights(MODEL, "production", {"2": 90, "3": 10}, generation=3)
    for found in cluster.objects.values():
        found["spec"]["predictor"]["minReplicas"] = 3
        found["status"]["modelStatus"]["copies"] = {"totalCopies": 5, "failedCopies": 1}
    assert documents.read(next(iter(cluster.objects.values()))).observation.replicas == {"2": 3, "3": 4}


def test_a_third_version_is_refused_while_a_canary_has_traffic(cluster, rolled_out):
    rolled_out.load(MODEL, "production", "3")
    rolled_out.set_weights(MODEL, "production", {"2": 90, "3": 10}, generation=3)
    with pytest.raises(Refused, match="version 3 has 10% as canary"):
        rolled_out.load(MODEL, "production", "5")
    assert rolled_out.observe(MODEL, "production").weights == {"2": 90.0, "3": 10.0}


def test_a_failed_load_says_why_and_is_replaced_by_what_was_before(cluster, rolled_out):
    with pytest.raises(Refused, match="version 4 cannot be loaded: no module named keras"):
        rolled_out.load(MODEL, "production", "4")
    seen = rolled_out.observe(MODEL, "production")
    assert (seen.weights, seen.loaded["2"]) == ({"2": 100.0}, True)
    assert "4" not in seen.loaded
    assert cluster.objects["tiny-production"]["spec"]["predictor"]["model"]["storageUri"] == "s3://models/tiny/2"
    rolled_out.load(MODEL, "production", "3")
    assert rolled_out.observe(MODEL, "production").weights == {"2": 100.0}


@pytest.mark.parametrize("rivals", [1, 4])
def test_a_conflict_is_decided_again_on_what_the_other_wrote(cluster, rolled_out, rivals):
    cluster.rivals = rivals
    rolled_out.load(MODEL, "production", "3")
    rolled_out.set_weights(MODEL, "production", {"2": 50, "3": 50}, generation=3)
    assert rolled_out.observe(MODEL, "production").weights == {"2": 50.0, "3": 50.0}


def test_a_stale_writer_loses_against_a_newer_generation_even_in_a_race(cluster, rolled_out):
    read = rolled_out._read("tiny-production")
    rolled_out.set_weights(MODEL, "production", {"2": 100}, generation=9)
    assert read.generation == 2
    with pytest.raises(StaleGeneration):
        rolled_out.set_weights(MODEL, "production", {"2": 100}, generation=8)


def test_endless_conflicts_end_as_unavailable(cluster, rolled_out):
    cluster.rivals = 50
    with pytest.raises(SourceUnavailable, match="written by somebody else all the time"):
        rolled_out.set_weights(MODEL, "production", {"2": 100}, generation=9)


@pytest.mark.parametrize(("weights", "says"), [
    ({"2": 99.5, "3": 0.5}, "whole percent"), ({"2": 60, "3": 30}, "sum to 90"), ({"7": 100}, "7 is not loaded"),
])
def test_what_kserve_cannot_do_is_refused_in_one_line(cluster, rolled_out, weights, says):
    rolled_out.load(MODEL, "production", "3")
    with pytest.raises(Refused, match=says) as refused:
        rolled_out.set_weights(MODEL, "production", weights, generation=9)
    assert "\n" not in str(refused.value)


def test_a_shadow_is_refused(cluster, rolled_out):
    with pytest.raises(Refused, match="use a plan without a shadow"):
        rolled_out.set_mirror(MODEL, "production", "2", 10, generation=9)


def test_a_name_that_kubernetes_does_not_take_is_refused(cluster):
    with pytest.raises(Refused, match="must begin with a letter"):
        _target(cluster).observe("42", "production")


def test_trouble_is_told_by_whether_trying_again_helps(cluster, rolled_out):
    cluster.down = 1
    with pytest.raises(SourceUnavailable, match=r"answered 500: .*etcdserver") as passing:
        rolled_out.observe(MODEL, "production")
    with pytest.raises(SourceUnavailable, match="refuses us in namespace forbidden") as lasting:
        _target(cluster, "forbidden").observe(MODEL, "production")
    assert (passing.value.retryable, lasting.value.retryable) == (True, False)
    gone = KserveTarget(connect("http://127.0.0.1:9"), namespace="models", uri_of=lambda *_: "")
    with pytest.raises(SourceUnavailable, match="does not answer"):
        gone.observe(MODEL, "production")


def test_a_service_that_somebody_else_made_is_left_alone(cluster):
    theirs = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
              "metadata": {"name": "tiny-production"}, "spec": {"predictor": {"model": {
                  "modelFormat": {"name": "sklearn"}}}}}
    path = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices"
    assert cluster.answer("POST", path, theirs)[0] == 200
    with pytest.raises(SourceMalformed, match="was not made by Interlock"):
        _target(cluster).load(MODEL, "production", "1")
    assert not cluster.changes


def test_a_deleted_version_is_named(cluster):
    def uri_of(model: str, version: str) -> str:
        raise NotFound(f"version {version} of {model} is not in the registry")

    with pytest.raises(NotFound, match="version 1 of tiny"):
        KserveTarget(connect(cluster.url), namespace="models", uri_of=uri_of).load(MODEL, "production", "1")


def test_the_settings_name_the_target_and_where_its_cluster_finds_the_files(cluster, tmp_path):
    settings = Settings.model_validate({"folder": str(tmp_path), "environments": {"production": {
        "target": "kserve", "url": cluster.url, "namespace": "models", "storage": "s3://bucket/{model}/v{version}"}}})
    target = release_targets(settings, FakeRegistry(MODEL))(MODEL, "production")
    target.load(MODEL, "production", "1")
    spec = cluster.objects["tiny-production"]["spec"]["predictor"]
    assert (spec["model"]["storageUri"], spec["minReplicas"]) == ("s3://bucket/tiny/v1", 1)


def test_files_that_no_cluster_reads_are_named_with_the_setting_that_helps():
    with pytest.raises(Refused, match=r"lie at file:///tmp/1, which no cluster reads: set environments\.p\.storage"):
        files_of("", lambda _, version: f"file:///tmp/{version}", "environments.p.storage")("m", "1")
    assert files_of("", lambda _, version: f"gs://b/{version}", "k")("m", "7") == "gs://b/7"
    with pytest.raises(SettingsError, match="nothing else in braces"):
        files_of("s3://{bucket}/{model}", lambda *_: "", "k")


def test_a_plan_with_a_shadow_is_refused_when_it_is_proposed(db):
    house = House(db, terms=Terms(targets={"production": "kserve"}))
    house.serving("1")
    with pytest.raises(Refused, match="mirrors requests, and this target cannot"):
        house.propose("2", plan=SHADOW)
    assert house.propose("2", plan=CANARY).plan == CANARY
