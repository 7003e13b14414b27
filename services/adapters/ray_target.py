"""Drive Ray Serve over its REST interface. Needs no Ray here; what runs on the cluster is in ray_router.py.

Ray's controller keeps what was declared, and replaces all of it at once, without a check of who read what: one of us
reads and writes at a time, under a lock file in the home folder.
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx

from services.adapters import ray_documents as documents
from services.adapters.gateway_target import Address, GatewayTarget
from services.adapters.ray_documents import ROUTER_APP, Apps, Shape, version_app
from services.errors import Refused, SourceMalformed, SourceUnavailable
from services.gateway.state import Key, Route, with_held, with_mirror, with_weights, without_held
from services.releases.reconcile import same_split
from services.releases.target import Observation

_CALL_S: Final = 30.0  # the first call starts Ray Serve
_LOAD_S: Final = 240.0
_OBEYED_S: Final = 10.0
_LOOK_S: Final = 0.1

_PATH: Final = "/api/serve/applications/"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a Ray cluster's dashboard listens, and its token; no token where its authentication is off."""

    url: str
    token: str = field(repr=False)


class RayTarget:
    """A Ray cluster. Satisfies `services.releases.target.DeploymentTarget`; safe to share between threads."""

    supports_split = True
    supports_mirror = True

    def __init__(
        self, cluster: Cluster, shape: Shape, *, lock: Path, sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Drive the cluster; `lock` is the file that keeps other processes of this home from writing at once."""
        self._cluster = cluster
        digest = hashlib.sha256(cluster.token.encode()).hexdigest() if cluster.token else ""
        self._shape = replace(shape, router={**shape.router, "digest": digest})
        self._lock = lock
        self._sleep = sleep
        self._client = httpx.Client(timeout=_CALL_S, trust_env=False)
        self._router = GatewayTarget(lambda: Address(self._door(), cluster.token))

    def load(self, model: str, environment: str, version: str) -> None:
        """Deploy a version beside the others and wait until it is warm."""

        def with_it(apps: Apps) -> Apps:
            known = documents.routes(apps)
            held = with_held(known.get((environment, model), Route()), version)
            apps = documents.with_version(apps, model, version, self._shape)
            if known.get((environment, model)) == held:
                return apps
            return documents.with_routes(apps, {**known, (environment, model): held}, self._shape)

        self._change(with_it)
        name = version_app(model, version)
        until = time.monotonic() + _LOAD_S
        while time.monotonic() < until:
            shown = self._shown()
            stands = [documents.stand(shown, app) for app in (name, ROUTER_APP)]
            if all(stand.complete for stand in stands):
                return
            if broken := next((stand.broken for stand in stands if stand.broken), ""):
                break
            self._sleep(_LOOK_S)
        else:
            broken = f"it was not up after {_LOAD_S:g} s: does the cluster have a free processor for it?"
        self.unload(model, environment, version)
        raise Refused(f"{model} version {version} cannot be loaded: {_reason(broken)}")

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Make the split so, and wait until the routers obey."""
        key = (environment, model)

        def split(route: Route) -> Route:
            return with_weights(route, weights, generation)

        wanted = self._tell(key, split, alive=[version for version, share in weights.items() if share])
        self._obeyed(key, wanted)

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Copy a share of requests to a version, or end it."""
        key = (environment, model)
        wanted = self._tell(key, lambda route: with_mirror(route, version, percent, generation), alive=())
        self._obeyed(key, wanted)

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the routers do now, and which versions Ray shows running."""
        shown = self._shown()
        route = documents.routes(documents.declared(shown)).get((environment, model))
        if route is None:
            return Observation(generation=0)
        stands = {version: documents.stand(shown, version_app(model, version)) for version in route.held}
        loaded = {version: stand.answers for version, stand in stands.items()}
        replicas = {version: stand.running for version, stand in stands.items()}
        if not documents.stand(shown, ROUTER_APP).answers and not route.weights:
            return Observation(generation=route.generation, loaded=loaded, replicas=replicas)
        return replace(self._router.observe(model, environment), loaded=loaded, replicas=replicas)

    def unload(self, model: str, environment: str, version: str) -> None:
        """Free a version without weight, unless another environment still holds it."""
        key = (environment, model)

        def without_it(apps: Apps) -> Apps:
            known = documents.routes(apps)
            if version not in known.get(key, Route()).held:
                return apps
            after = {**known, key: without_held(known[key], version)}
            told = documents.with_routes(apps, after, self._shape)
            held = any(version in route.held for (_, name), route in after.items() if name == model)
            return told if held else documents.without_version(told, model, version)

        self._change(without_it)

    def renew(self) -> float:
        """Hold the routers' dead-man timers back; return for how many seconds."""
        return self._router.renew()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._router.close()

    def _tell(self, key: Key, change: Callable[[Route], Route], *, alive: Sequence[str]) -> Route:
        told: list[Route] = []

        def with_change(apps: Apps) -> Apps:
            known = documents.routes(apps)
            told.append(change(known.get(key, Route())))
            return documents.with_routes(apps, {**known, key: told[-1]}, self._shape)

        def answers(shown: Mapping[str, Any]) -> None:
            held = documents.routes(documents.declared(shown)).get(key, Route()).held
            if sick := [v for v in alive if v in held
                        and not documents.stand(shown, version_app(key[1], v)).answers]:
                raise Refused(f"version {', '.join(sick)} of {key[1]} is loaded but does not answer: it gets no "
                              "traffic")

        self._change(with_change, check=answers)
        return told[-1]

    def _obeyed(self, key: Key, wanted: Route) -> None:
        """Wait for the routers, which Ray tells in its own time; who asks again sees what they do."""
        until = time.monotonic() + _OBEYED_S
        while time.monotonic() < until:
            try:
                seen = self._router.observe(key[1], key[0])
            except SourceUnavailable:
                seen = Observation(generation=-1)
            if (seen.generation == wanted.generation and same_split(seen.weights, wanted.weights)
                    and same_split(seen.mirror, wanted.mirror)):
                return
            self._sleep(_LOOK_S)

    def _change(
        self, change: Callable[[Apps], Apps], *, check: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        with self._turn():
            shown = self._shown()
            if check is not None:
                check(shown)
            before = documents.declared(shown)
            after = change(before)
            if after != before:
                self._ask("PUT", documents.order(shown, after))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, and by the death of the process
            yield

    def _door(self) -> str:
        if not (found := documents.door(self._shown())):
            raise SourceUnavailable(f"the Ray cluster at {self._cluster.url} has no proxy up: is Ray Serve starting?")
        return found

    def _shown(self) -> Mapping[str, Any]:
        shown = self._ask("GET")
        if not isinstance(shown, dict) or "applications" not in shown:
            raise SourceMalformed(f"{self._cluster.url} answered what no Ray dashboard does: set the environment's url "
                                  "to the dashboard of the cluster's head")
        return shown

    def _ask(self, method: str, body: Mapping[str, Any] | None = None) -> Any:
        where = self._cluster.url
        headers = {"Authorization": f"Bearer {self._cluster.token}"} if self._cluster.token else {}
        try:
            answer = self._client.request(method, where + _PATH, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"the Ray dashboard at {where} does not answer ({type(error).__name__}): is the "
                                    "cluster's head up?") from error
        if answer.status_code in {401, 403}:
            raise SourceUnavailable(f"the Ray dashboard at {where} refuses our token: set RAY_AUTH_TOKEN to the "
                                    "cluster's own", retryable=False)
        if answer.status_code == 400:
            raise Refused(f"Ray refuses the applications: {_reason(answer.text)}")
        if not answer.is_success:
            raise SourceUnavailable(f"the Ray dashboard at {where} answered {answer.status_code}: "
                                    f"{_reason(answer.text)}")
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise SourceMalformed(f"{where} answered what is not JSON: set the environment's url to the dashboard of "
                                  "the cluster's head") from error


def _reason(said: str) -> str:
    """Return the last line of what is often a traceback, which names the error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given")[:300]
