"""The targets of one machine: the bundled gateway, the registry alias, and the fake that other tests use."""

from collections.abc import Callable, Iterator

import pytest

from services.adapters.alias_target import AliasTarget
from services.errors import SourceUnavailable
from services.gateway.router import choose
from services.releases.target import StaleGeneration
from tests.fakes_target import FakeRegistry, FakeTarget
from tests.gateway_fixtures import running, settings_for
from tests.target_suite import MODEL, Subject, TargetSuite
from tests.waiting import until


@pytest.fixture(scope="module", params=["fake", "alias", "gateway"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    if request.param == "fake":
        fake = FakeTarget(broken=("4",))
        yield Subject(fake, lambda name: choose(name, fake.observe(MODEL, "production").weights, salt="") or "")
        return
    if request.param == "alias":
        aliases = FakeRegistry(MODEL)
        aliases.overwrite(MODEL, "4", status="FAILED_REGISTRATION")
        yield Subject(AliasTarget(aliases), lambda _: aliases.alias(MODEL, "champion"), aliases)
        return
    with running(settings_for(tmp_path_factory.mktemp("home"), request.getfixturevalue("registry"))) as gateway:
        yield Subject(gateway.target, lambda name: gateway.ask(x_entity_id=name).headers["x-model-version"])


class TestOneMachine(TargetSuite):
    """The suite, on each."""


def test_a_gateway_that_is_gone_is_unavailable(tmp_path, registry):
    with running(settings_for(tmp_path, registry)) as gateway:
        target = gateway.target
        gateway.stop()
        with pytest.raises(SourceUnavailable, match="does not answer"):
            target.observe(MODEL, "production")


def test_a_restarted_gateway_comes_back_with_what_it_was_told(tmp_path, registry):
    settings = settings_for(tmp_path, registry)
    with running(settings) as gateway:
        gateway.split({"1": 70, "2": 30}, generation=8)
        gateway.target.set_mirror("tiny", "production", "2", 5, generation=9)
    with running(settings) as again:
        assert again.seen()["weights"] == {"1": 70.0, "2": 30.0}
        until(lambda: again.seen()["loaded"] == {"1": True, "2": True})
        assert (again.seen()["generation"], again.seen()["champion"], again.seen()["mirror"]) == (9, "1", {"2": 5.0})
        with pytest.raises(StaleGeneration):
            again.target.set_weights("tiny", "production", {"1": 100}, generation=8)


def test_the_control_routes_take_the_token_only(tmp_path, registry):
    with running(settings_for(tmp_path, registry)) as gateway:
        calls: list[Callable[[], int]] = [
            lambda: gateway.client.get(f"{gateway.url}/control").status_code,
            lambda: gateway.client.get(f"{gateway.url}/control", headers={"Authorization": "Bearer no"}).status_code,
            lambda: gateway.client.put(f"{gateway.url}/control/production/tiny/weights", json={}).status_code,
            lambda: gateway.client.post(f"{gateway.url}/control/lease").status_code,
        ]
        assert [call() for call in calls] == [401, 401, 401, 401]
