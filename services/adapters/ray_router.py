"""The router on a Ray cluster: the gateway's desk, with versions that Ray runs and weights that Ray's controller keeps.

Runs in replicas of Ray Serve, on any node. Split, fallback, shadow, log and dead-man timer are the gateway's own; what
is told comes as `user_config` and is obeyed without a restart. Each replica keeps a journal of its own on its node and
writes into the model's log, which all nodes must see under the same path.
"""

import asyncio
import fcntl
import hashlib
import itertools
import logging
import platform
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from services.adapters.gateway_log import PredictionLog
from services.adapters.ray_documents import PREFIX, ROUTER, ROUTER_APP
from services.adapters.ray_fleet import RayFleet
from services.errors import SourceUnavailable
from services.gateway import app as face
from services.gateway.control import Control
from services.gateway.counts import together
from services.gateway.desk import Desk
from services.gateway.journal import Schema
from services.gateway.state import Key, from_json

_log = logging.getLogger(__name__)

_OTHERS_S: Final = 5.0


class Elsewhere:
    """A state file that keeps nothing: what this router is told is kept by Ray's controller."""

    def read(self) -> Any:
        """Return nothing."""
        return None

    def write(self, document: Mapping[str, Any]) -> None:
        """Keep nothing."""


def claim(folder: Path) -> tuple[Path, IO[str]]:
    """Return the first journal folder here that no living router holds, and its lock, held as long as it is open.

    A router that is started again on this node takes the folder of the one before, and with it what that one left.
    """
    for number in itertools.count():
        mine = folder / str(number)
        mine.mkdir(parents=True, exist_ok=True)
        lock = (mine / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return mine, lock
    raise AssertionError  # counting does not end


class Router:
    """A replica. `told` is what the settings say once; see `ray_target.shape`."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Put the desk together; it opens when the first orders come."""
        self._told = told
        folder, self._lock = claim(Path(told["journal"]) / platform.node())
        self._prediction_log = PredictionLog(folder, window_s=told["flush_s"])
        self._fleet = RayFleet(timeout_s=told["timeout_s"], queue=told["queue"], told=self._describe)
        self._desk = Desk(fleet=self._fleet, log=self._prediction_log, ack_disk=told["ack_disk"])
        self._control = Control(desk=self._desk, file=Elsewhere(), dead_man_s=told["dead_man_s"],
                                clock=time.monotonic)
        self._face = face.create_follower(self._desk, face.Watch(self._seen, self._renew), admits=self._admits,
                                          max_body=told["max_body"])
        self._watchman: asyncio.Task[None] | None = None

    async def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Obey: Ray calls this with what the target wrote, at the start and at every change."""
        if self._watchman is None:
            self._prediction_log.start()
            self._watchman = asyncio.create_task(self._watch())
        before = {(model, version) for (_, model), route in self._desk.routes.items() for version in route.held}
        wanted = from_json(config["state"])
        for key in sorted({(model, version) for (_, model), route in wanted.items() for version in route.held}):
            before.discard(key)
            await self._fleet.keep(*key)
        await self._control.obey(wanted)
        for key in before:
            await self._fleet.unload(*key)

    async def __call__(self, request: Any) -> Any:
        """Answer an HTTP request."""
        from starlette.responses import Response

        said: list[Any] = []

        async def send(event: Any) -> None:
            said.append(event)

        path = request.scope["path"].removeprefix(PREFIX) or "/"
        await self._face({**request.scope, "path": path, "raw_path": path.encode(), "root_path": ""},
                         request.receive, send)
        answer = Response(b"".join(event.get("body", b"") for event in said[1:]), said[0]["status"])
        answer.raw_headers = list(said[0]["headers"])
        return answer

    async def observation(self, environment: str, model: str) -> dict[str, Any]:
        """Return what this replica does."""
        return dict(self._desk.observation((environment, model)))

    async def renewed(self) -> float:
        """Hold this replica's dead-man timer back."""
        self._control.renew()
        return self._control.dead_man_s

    async def __del__(self) -> None:
        """End as Ray ends a replica: after its last answer, with the log written."""
        if self._watchman is not None:
            self._watchman.cancel()
            await self._desk.drain()
            await self._prediction_log.close()
        self._lock.close()

    async def _seen(self, key: Key) -> Mapping[str, Any]:
        return together(await self._of_all("observation", *key))

    async def _renew(self) -> float:
        return min(float(seconds) for seconds in await self._of_all("renewed"))

    async def _of_all(self, method: str, *args: str) -> list[Any]:
        """Return what every router says: Ray hands an HTTP request to any one of them."""
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException
        from ray.serve.handle import DeploymentHandle

        try:
            said: list[Any] = await DeploymentHandle(ROUTER, ROUTER_APP).broadcast(method, *args).results_async(
                timeout_s=_OTHERS_S)
        except (TimeoutError, RayError, RayServeException) as error:
            raise SourceUnavailable(f"not every router answered within {_OTHERS_S:g} s ({type(error).__name__}): one "
                                    "may be starting; ask again") from error
        return said

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._control.dead_man_s / 5))
            for environment, model in await self._control.expire():
                _log.error("%s/%s: the monitor is silent for %g s, all traffic is back on the champion", environment,
                           model, self._control.dead_man_s)

    def _admits(self, token: str) -> bool:
        digest = hashlib.sha256(token.encode()).hexdigest()
        return not self._told["digest"] or secrets.compare_digest(digest, self._told["digest"])

    def _describe(self, model: str, version: str, signature: Mapping[str, Any]) -> None:
        root = self._told["logs"].get(model) or f"{self._told['other_logs']}/{model}"
        self._prediction_log.describe(Schema(model=model, version=version, root=root, signature=signature))


def build(args: Mapping[str, Any]) -> Any:
    """Return the application that Ray Serve deploys."""
    from ray import serve

    return serve.deployment(Router, name=ROUTER, max_ongoing_requests=int(args["queue"]),
                            health_check_period_s=5).bind(dict(args))
