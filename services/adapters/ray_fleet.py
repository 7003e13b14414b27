"""Versions that run as applications of Ray Serve, as the gateway's desk asks for them.

Loading and freeing them is done by ray_target.py through Ray's own controller; here they are only called.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.adapters.ray_documents import VERSION, version_app
from services.errors import Refused
from services.gateway import wire
from services.gateway.batch import fault_of
from services.gateway.fault import InvocationFault
from services.gateway.ports import Answer

_SIGNATURE_S: Final = 10.0


class RayFleet:
    """Satisfies `services.gateway.ports.Fleet`. Lives on the router's event loop."""

    def __init__(self, *, timeout_s: float, queue: int, told: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        """Call versions; `told` is given the signature of each before its first answer."""
        self._timeout_s = timeout_s
        self._queue = queue
        self._told = told
        self._handles: dict[tuple[str, str], Any] = {}
        self._learning: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def load(self, model: str, version: str) -> None:
        """Refuse: what runs is decided by Ray's controller."""
        raise Refused(f"version {version} of {model} is loaded through Ray's controller, not through its router")

    async def keep(self, model: str, version: str) -> None:
        """Get to know a version that will be called."""
        self._handle(model, version)

    async def unload(self, model: str, version: str) -> None:
        """Forget a version that is no longer called."""
        self._handles.pop((model, version), None)
        if learning := self._learning.pop((model, version), None):
            learning.cancel()

    def healthy(self, model: str, version: str) -> bool:
        """Tell whether the version told its signature, and Ray still has a replica of it."""
        learning = self._learning.get((model, version))
        known = learning is not None and learning.done() and not learning.cancelled() and not learning.exception()
        return known and bool(self._handles[model, version].running_replicas_populated())

    async def call(self, model: str, version: str, *, media: str, body: bytes) -> Answer:
        """Return the answer of one replica."""
        from ray.exceptions import RayError
        from ray.serve.exceptions import BackPressureError, RayServeException

        try:
            async with asyncio.timeout(self._timeout_s):
                handle = self._handle(model, version)
                # The log must know the columns before the first row; the first request waits for them.
                await asyncio.shield(self._learning[model, version])
                (frame,) = wire.Splitter().feed(await handle.answer.remote((media, body)))
        except TimeoutError as error:
            raise InvocationFault(504, "TIMEOUT", f"the model did not answer in {self._timeout_s:g} s") from error
        except BackPressureError as error:
            raise InvocationFault(429, "RESOURCE_EXHAUSTED", f"{self._queue} requests wait for {model} version "
                                  f"{version} already: come back later, or slower", retry_after_s=1) from error
        except (RayError, RayServeException) as error:
            self._learning.pop((model, version), None)
            raise InvocationFault(503, "WORKER_DIED", f"version {version} of {model} is not reached "
                                  f"({type(error).__name__}); Ray starts it again", retry_after_s=1) from error
        if frame.kind is wire.Kind.ANSWER:
            return Answer(*wire.answer(frame))
        raise fault_of(frame)

    def describe(self) -> list[dict[str, Any]]:
        """Return what is called here; Ray's dashboard shows the rest."""
        return [{"model": model, "version": version, "healthy": self.healthy(model, version)}
                for model, version in sorted(self._handles)]

    def _handle(self, model: str, version: str) -> Any:
        from ray.serve.handle import DeploymentHandle

        key = (model, version)
        if key not in self._handles:
            # Made without asking the controller whether it is there: a version may be on its way.
            self._handles[key] = DeploymentHandle(VERSION, version_app(model, version))
        if key not in self._learning or _failed(self._learning[key]):
            self._learning[key] = asyncio.create_task(self._learn(key))
        return self._handles[key]

    async def _learn(self, key: tuple[str, str]) -> None:
        async with asyncio.timeout(_SIGNATURE_S):
            self._told(*key, await self._handles[key].signature.remote())


def _failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
