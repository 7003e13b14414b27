"""Drive a Databricks serving endpoint through MLflow's deployments plugin: one endpoint per model and environment.

The plugin's `create_deployment` is not there for Databricks; its endpoint calls are, and they can split traffic between
served versions. A new configuration is taken over in minutes, the old one answering meanwhile, and until then every
other change is refused there: such a wait is `Loading`, and no failure. Contract-tested against a double of the API,
not on a workspace.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.errors import OpsError, Refused, SourceMalformed, SourceUnavailable
from services.gateway.state import Route, with_mirror, with_weights, without_held
from services.releases.reconcile import same_split
from services.releases.target import Loading, Observation

_GENERATION: Final = "interlock_generation"
_LOAD_S: Final = 3_600.0
_OBEYED_S: Final = 5.0
_LOOK_S: Final = 5.0
_PATIENCE_S: Final = 30.0
_WAITING: Final = threading.BoundedSemaphore(8)  # calls at once that wait for an answer
_DEFAULTS: Final = {"workload_size": "Small", "scale_to_zero_enabled": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as its API shows it. `served` maps version to its entity, `ready` to whether it answers."""

    name: str
    generation: int
    served: Mapping[str, Mapping[str, Any]]
    ready: Mapping[str, bool]
    weights: Mapping[str, float]
    updating: bool
    failed: str = ""
    coming: tuple[str, ...] = field(default=())  # versions of a configuration that is being taken over

    @property
    def route(self) -> Route:
        """The same in the words of the rules that every target follows."""
        return Route(generation=self.generation, weights=self.weights, held=tuple(self.served))


def read(shown: Mapping[str, Any]) -> Endpoint:
    """Return what an endpoint's document says.

    Raises:
        SourceMalformed: it is not as the API describes it, or serves other things than registered versions.
    """
    try:
        config, state = shown.get("config") or {}, shown.get("state") or {}
        pending = shown.get("pending_config") or {}
        served = {str(entity["entity_version"]): entity for entity in config.get("served_entities", [])}
        names = {entity["name"]: version for version, entity in served.items()}
        tags = {tag["key"]: tag.get("value", "") for tag in shown.get("tags") or []}
        update = state.get("config_update", "")
        return Endpoint(
            name=shown["name"], generation=int(tags.get(_GENERATION) or 0), served=served,
            ready={v: (e.get("state") or {}).get("deployment") == "DEPLOYMENT_READY" for v, e in served.items()},
            weights={names[route["served_model_name"]]: float(route["traffic_percentage"])
                     for route in (config.get("traffic_config") or {}).get("routes", [])
                     if route["traffic_percentage"]},
            updating=update == "IN_PROGRESS",
            failed=_why(pending) or "the update failed" if update in {"UPDATE_FAILED", "UPDATE_CANCELED"} else "",
            coming=tuple(str(entity["entity_version"]) for entity in pending.get("served_entities", [])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceMalformed(f"the endpoint {shown.get('name', '')} cannot be read ({error!r}): it serves something "
                              "else than registered versions") from error


def configured(endpoint: Endpoint, model: str, versions: list[str], weights: Mapping[str, float]) -> dict[str, Any]:
    """Return a configuration that serves these versions with these shares; sizes that people chose stay."""
    like = {key: value for entity in endpoint.served.values() for key, value in entity.items()
            if key in {"workload_size", "workload_type", "scale_to_zero_enabled"}}
    entities = [{**_DEFAULTS, **like, "name": _entity(model, version), "entity_name": model, "entity_version": version}
                for version in versions]
    routes = [{"served_model_name": _entity(model, version), "traffic_percentage": int(weights.get(version, 0))}
              for version in versions]
    return {"served_entities": entities, "traffic_config": {"routes": routes}}


class DatabricksTarget:
    """A Databricks workspace. Satisfies `services.releases.target.DeploymentTarget`."""

    supports_split = True
    supports_mirror = False

    def __init__(
        self, client: Any, *, sleep: Callable[[float], None] = time.sleep, patience_s: float = _PATIENCE_S,
    ) -> None:
        """Drive the workspace of a `mlflow.deployments` client for `databricks`; wait so long for each answer."""
        self._client = client
        self._sleep = sleep
        self._patience_s = patience_s

    def load(self, model: str, environment: str, version: str) -> None:
        """Serve a version beside the others with no traffic, and wait until it answers."""
        name = name_of(model, environment)
        before = self._read(name)
        if before is None:
            empty = Endpoint(name=name, generation=0, served={}, ready={}, weights={}, updating=False)
            self._ask(lambda: self._client.create_endpoint(config={
                "name": name, "config": configured(empty, model, [version], {version: 100})}))
        elif before.ready.get(version):
            return
        elif version not in before.coming or not before.updating:
            self._require_idle(before)
            self._configure(name, configured(before, model, [*before.served, version], before.weights))
        until = time.monotonic() + _LOAD_S
        while (found := self._wanted(name)).updating and time.monotonic() < until:
            self._sleep(_LOOK_S)
        if not found.ready.get(version):
            raise Refused(f"{model} version {version} cannot be loaded: {found.failed or 'it does not become ready'}")

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Make the split so.

        Raises:
            Loading: the endpoint takes the change over; it goes on by itself.
        """
        name = name_of(model, environment)
        seen = self._wanted(name)
        asked = with_weights(seen.route, weights, generation)
        if any(share != int(share) for share in asked.weights.values()):
            raise Refused("Databricks splits in whole percent")
        if sick := [v for v in asked.weights if not seen.ready[v]]:
            raise Refused(f"version {', '.join(sick)} is served but does not answer: it gets no traffic")
        if not same_split(asked.weights, seen.weights):
            self._require_idle(seen)
            self._configure(name, configured(seen, model, list(seen.served), asked.weights))
        self._settle(name)
        # The generation last: an order that was cut off in between is simply carried out again.
        self._tag(name, generation)

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Take note of the generation for no mirror.

        Raises:
            Refused: a mirror was asked for.
        """
        if version is not None and percent > 0:
            raise Refused(f"Databricks cannot mirror requests of {model} in {environment}: use a plan without a shadow")
        name = name_of(model, environment)
        self._tag(name, with_mirror(self._wanted(name).route, None, 0, generation).generation)

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the endpoint's active configuration shows."""
        found = self._read(name_of(model, environment))
        if found is None:
            return Observation(generation=0)
        return Observation(generation=found.generation, weights=dict(found.weights), loaded=dict(found.ready))

    def unload(self, model: str, environment: str, version: str) -> None:
        """Stop serving a version without traffic."""
        name = name_of(model, environment)
        seen = self._read(name)
        if seen is None or version not in seen.served:
            return
        left = without_held(seen.route, version)
        self._require_idle(seen)
        kept = replace(seen, served={v: seen.served[v] for v in left.held})
        self._configure(name, configured(kept, model, list(left.held), seen.weights))
        self._settle(name)

    def _settle(self, name: str) -> None:
        """Wait a little for what was just asked for; who asks again finds it done, or waits once more."""
        until = time.monotonic() + _OBEYED_S
        while (seen := self._wanted(name)).updating and time.monotonic() < until:
            self._sleep(_LOOK_S / 10)
        self._require_idle(seen)

    def _require_idle(self, seen: Endpoint) -> None:
        if seen.updating:
            raise Loading(f"the endpoint {seen.name} takes over its new configuration")

    def _wanted(self, name: str) -> Endpoint:
        found = self._read(name)
        if found is None:
            raise Refused(f"there is no endpoint {name}: load a version first")
        return found

    def _read(self, name: str) -> Endpoint | None:
        shown = self._ask(lambda: self._client.get_endpoint(name), missing=None)
        return None if shown is None else read(shown)

    def _configure(self, name: str, config: Mapping[str, Any]) -> None:
        self._ask(lambda: self._client.update_endpoint_config(name, dict(config)))

    def _tag(self, name: str, generation: int) -> None:
        self._ask(lambda: self._client.update_endpoint_tags(
            name, {"add_tags": [{"key": _GENERATION, "value": str(generation)}]}))

    def _ask(self, call: Callable[[], Any], *, missing: Any = Refused) -> Any:
        """Return the API's answer, its errors by what they mean for a release."""
        from mlflow.exceptions import MlflowException
        from requests.exceptions import HTTPError, RequestException

        try:
            return _within(self._patience_s, call)
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else 500
            if status == 404 and missing is None:
                return None
            raise _meaning(status, str(error)) from error
        except (RequestException, MlflowException) as error:
            raise SourceUnavailable(f"Databricks does not answer: {' '.join(str(error).split())[:300]}") from error


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return a call's answer, or give up on it: the client itself would try a dead workspace for minutes.

    What was given up ends by itself, in a thread that holds no process back; there are never more than a few of them.

    Raises:
        SourceUnavailable: no answer in time, or too many earlier calls still wait for theirs.
    """
    if not _WAITING.acquire(timeout=seconds):
        raise SourceUnavailable("Databricks has not answered the calls before this one yet: is DATABRICKS_HOST right?")
    ended: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((call(), None))
        except Exception as error:  # noqa: BLE001 -- raised again where the answer is waited for
            ended.append((None, error))
        finally:
            _WAITING.release()

    thread = threading.Thread(target=run, name="databricks", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread is left to be had: it will not give its place back
        _WAITING.release()
        raise
    thread.join(seconds)
    if not ended:
        raise SourceUnavailable(f"Databricks does not answer in {seconds:g} s: is DATABRICKS_HOST right?")
    answer, error = ended[0]
    if error is not None:
        raise error
    return answer


def name_of(model: str, environment: str) -> str:
    """Return the endpoint's name: letters, digits, dashes."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", f"{model}-{environment}").strip("-")
    if not name or len(name) > 63:
        raise Refused(f"{model} in {environment} cannot name a Databricks endpoint: {len(name)} characters, at most 63")
    return name


def _meaning(status: int, said: str) -> OpsError:
    text = " ".join(said.split())[:300]
    if status == 409:
        return Loading(f"the endpoint takes over another configuration: {text}")
    if status in {401, 403}:
        return SourceUnavailable(f"Databricks refuses us: {text}. Set DATABRICKS_HOST and DATABRICKS_TOKEN",
                                 retryable=False)
    return Refused(f"Databricks refuses: {text}") if 400 <= status < 500 else SourceUnavailable(
        f"Databricks answered {status}: {text}")


def _why(pending: Mapping[str, Any]) -> str:
    said = [(entity.get("state") or {}).get("deployment_state_message", "")
            for entity in pending.get("served_entities", [])]
    return next((text for text in said if text), "")


def _entity(model: str, version: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', model)[-40:].strip('-')}-{version}"


def connect(uri: str) -> Any:
    """Return MLflow's client for a target address such as `databricks` or `databricks://PROFILE`."""
    from mlflow.deployments import get_deploy_client

    return get_deploy_client(uri or "databricks")
