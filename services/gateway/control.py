"""Change what the gateway does: load, split, mirror, unload, renew the lease. Each change is on disk before it is done.

The rules of each change are in state.py; who may call is checked in app.py.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from services.errors import Refused
from services.gateway.desk import Desk
from services.gateway.ports import StateFile
from services.gateway.state import (
    Key,
    Route,
    from_json,
    seeded,
    to_json,
    with_held,
    with_mirror,
    with_weights,
    without_canary,
    without_held,
)


@dataclass(slots=True)
class Control:
    """The one writer of the gateway's state. Lives on the event loop."""

    desk: Desk
    file: StateFile
    dead_man_s: float
    clock: Callable[[], float]  # monotonic: a jump of the wall clock must neither fire the timer nor hold it back
    renewed_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def restore(self) -> bool:
        """Take up what the last gateway was told; return whether there was anything."""
        self.renew()
        document = await asyncio.to_thread(self.file.read)
        if document is None:
            return False
        self.desk.routes = from_json(document)
        for (_, model), route in self.desk.routes.items():
            for version in route.held:
                await self.desk.fleet.keep(model, version)
        return True

    async def seed(self, champions: Mapping[Key, str]) -> None:
        """Give each route that was never told anything all traffic to its champion."""
        for key, version in champions.items():
            if self.desk.routes.get(key, Route()) == Route():
                await self._change(key, partial(seeded, version=version))
                await self.desk.fleet.keep(key[1], version)

    async def load(self, key: Key, version: str) -> None:
        """Load a version beside the others; it stays loaded over restarts."""
        await self.desk.fleet.load(key[1], version)
        await self._change(key, lambda route: with_held(route, version))

    async def set_weights(self, key: Key, weights: Mapping[str, float], generation: int) -> None:
        """Make the split so."""
        self._require_alive(key, weights)
        await self._change(key, lambda route: with_weights(route, weights, generation))
        self.renew()

    async def set_mirror(self, key: Key, version: str | None, percent: float, generation: int) -> None:
        """Copy a share of the requests to a version, or end it."""
        await self._change(key, lambda route: with_mirror(route, version, percent, generation))
        self.renew()

    async def unload(self, key: Key, version: str) -> None:
        """Free a version without traffic, unless another environment still holds it."""
        if version not in self.desk.routes.get(key, Route()).held:
            return
        await self._change(key, lambda route: without_held(route, version))
        if not any(version in r.held for (_, model), r in self.desk.routes.items() if model == key[1]):
            await self.desk.fleet.unload(key[1], version)

    async def obey(self, routes: Mapping[Key, Route]) -> None:
        """Do what was told elsewhere: all routes at once, whatever was done before."""
        async with self._lock:  # a change under way would put back the routes that it began with
            self.desk.routes = dict(routes)
            self.renew()

    def renew(self) -> None:
        """Note that the monitor is alive."""
        self.renewed_at = self.clock()

    async def expire(self) -> list[Key]:
        """Take the canary's share away where nobody watches it any more; return the routes that this changed."""
        taken: list[Key] = []
        for key in list(self.desk.routes) if self._is_silent() else []:
            before = self.desk.routes.get(key)
            await self._change(key, self._if_silent)
            taken += [key] if self.desk.routes.get(key) != before and self._is_silent() else []
        return taken

    def _is_silent(self) -> bool:
        return self.clock() - self.renewed_at >= self.dead_man_s

    def _if_silent(self, route: Route) -> Route:
        # Asked once more at each route: an order may have come while the one before was written.
        return without_canary(route) if self._is_silent() and (route.split or route.mirror) else route

    async def _change(self, key: Key, change: Callable[[Route], Route]) -> None:
        async with self._lock:
            before = self.desk.routes.get(key, Route())
            after = change(before)
            if after == before and key in self.desk.routes:
                return
            routes = {**self.desk.routes, key: after}
            await asyncio.to_thread(self.file.write, to_json(routes))
            self.desk.routes = routes

    def _require_alive(self, key: Key, weights: Mapping[str, float]) -> None:
        dead = [v for v, weight in weights.items() if weight > 0 and not self.desk.fleet.healthy(key[1], v)]
        held = self.desk.routes.get(key, Route()).held
        if sick := [v for v in dead if v in held]:
            raise Refused(f"version {', '.join(sick)} of {key[1]} is loaded but does not answer: it gets no traffic")
