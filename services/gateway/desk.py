"""Answer one request: choose the version, ask it, fall back to the champion, log, mirror.

HTTP is in app.py; processes and files are behind ports.py. Nothing is parsed here unless a split request names its
rows' entities: the body goes to the worker as it came.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.gateway.counts import Counts
from services.gateway.fault import InvocationFault
from services.gateway.journal import Entry
from services.gateway.ports import Answer, Fleet, Log
from services.gateway.protocol import JSON, Payload, parse, part, row_ids
from services.gateway.router import choose, mirrored
from services.gateway.state import Key, Route
from services.predictions.schema import CHAMPION, SHADOW

_SHADOWS_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request as it arrived. `started` is `time.perf_counter()` at arrival."""

    environment: str
    model: str
    media: str
    body: bytes
    request_id: str
    entity_id: str
    started: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller; `version` names each answering version once, in the order of the rows."""

    body: bytes
    version: str


@dataclass(slots=True)
class Desk:
    """Serves every route of the gateway. Lives on the event loop; nothing of it is shared with threads."""

    fleet: Fleet
    log: Log
    ack_disk: bool = False
    routes: dict[Key, Route] = field(default_factory=dict)
    counts: dict[Key, Counts] = field(default_factory=dict)
    _shadows: set["asyncio.Task[None]"] = field(default_factory=set)

    async def invoke(self, ask: Ask) -> Reply:
        """Return the answer to a request.

        Raises:
            InvocationFault: why there is none.
        """
        key = (ask.environment, ask.model)
        counts = self.counts.setdefault(key, Counts()) if key in self.routes else Counts()
        try:
            route = self._route(key)
            groups = self._groups(route, ask)
            if len(groups) == 1:
                reply = await self._one(route, groups[0][0], ask, counts)
            else:
                reply = await self._several(route, groups, ask, counts)
        except InvocationFault as fault:
            counts.refused(fault.code)
            raise
        if self.ack_disk:
            await self.log.durable()
        return reply

    def _route(self, key: Key) -> Route:
        route = self.routes.get(key)
        if route is None:
            served = ", ".join(f"{e}/{m}" for e, m in sorted(self.routes)) or "nothing yet"
            raise InvocationFault(404, "RESOURCE_DOES_NOT_EXIST", f"{key[0]}/{key[1]} is not served here; "
                                  f"this gateway serves {served}")
        if not route.weights:
            raise InvocationFault(503, "TEMPORARILY_UNAVAILABLE", f"{key[0]}/{key[1]} has no version yet: set its "
                                  "weights, or give a version the alias champion", retry_after_s=5)
        return route

    def _groups(self, route: Route, ask: Ask) -> list[tuple[str, Sequence[int], Payload | None]]:
        """Return which version answers which rows; one group without rows when all go to one version."""
        salt = _salt(ask)
        if route.split and b'"interlock"' in ask.body:
            payload = parse(ask.body, ask.media)
            ids = tuple(row_ids(payload.request_ids, ask.request_id, payload.rows))
            payload = replace(payload, request_ids=ids)  # a row keeps its id whichever part it travels in
            rows: dict[str, list[int]] = {}
            for number, key in enumerate(payload.entity_ids or ids):
                rows.setdefault(choose(key, route.weights, salt=salt) or route.champion, []).append(number)
            return [(version, numbers, payload) for version, numbers in rows.items()]
        version = choose(ask.entity_id or ask.request_id, route.weights, salt=salt)
        return [(version or route.champion, (), None)]

    async def _several(
        self, route: Route, groups: Sequence[tuple[str, Sequence[int], Payload | None]], ask: Ask, counts: Counts,
    ) -> Reply:
        """Ask each version for its rows and put the answers back in the order of the request."""
        asks = [replace(ask, body=part(payload, numbers), media=JSON) for _, numbers, payload in groups if payload]
        replies: list[Reply] = []
        # Every part is waited for, so that what is logged as answered was answered before the whole is.
        for found in await asyncio.gather(
            *(self._one(route, group[0], one, counts) for group, one in zip(groups, asks, strict=True)),
            return_exceptions=True,
        ):
            if isinstance(found, BaseException):
                raise found
            replies.append(found)
        merged: dict[str, dict[int, Any]] = {}
        versions: dict[int, str] = {}
        for (_, numbers, _), reply in zip(groups, replies, strict=True):
            for name, values in json.loads(reply.body).items():
                merged.setdefault(name, {}).update(zip(numbers, values, strict=True))
            versions.update(dict.fromkeys(numbers, reply.version))
        rows = sorted(versions)
        document = {name: [values.get(i) for i in rows] for name, values in merged.items()}
        document["versions"] = [versions[i] for i in rows]
        return Reply(json.dumps(document).encode(), ",".join(dict.fromkeys(versions[i] for i in rows)))

    async def _one(self, route: Route, version: str, ask: Ask, counts: Counts) -> Reply:
        """Ask one version, and the champion where that one fails."""
        try:
            answer = await self.fleet.call(ask.model, version, media=ask.media, body=ask.body)
        except InvocationFault as fault:
            full = fault.status == 429
            if not fault.blames_model and not (full and version != route.champion):
                raise
            counts.failed(version)
            self._record(ask, version, route.variant(version), error=fault.code, fault=fault)
            if version == route.champion:
                raise
            # The canary's failure is the canary's, in the log and in the counters; the user still gets an answer.
            counts.fell_back += 1
            version = route.champion
            answer = await self._champion(ask, version, counts)
            self._record(ask, version, CHAMPION, answer=answer, error="fallback")
        else:
            self._record(ask, version, route.variant(version), answer=answer)
            counts.answered(version)
        self._mirror(route, ask, counts)
        return Reply(answer.body, version)

    async def _champion(self, ask: Ask, version: str, counts: Counts) -> Answer:
        try:
            return await self.fleet.call(ask.model, version, media=ask.media, body=ask.body)
        except InvocationFault as fault:
            if fault.blames_model:
                counts.failed(version)
                self._record(ask, version, CHAMPION, error=fault.code, fault=fault)
            raise

    def _mirror(self, route: Route, ask: Ask, counts: Counts) -> None:
        """Start a shadow's copy of the request where one is due; the answer does not wait for it."""
        for version, percent in route.mirror.items():
            if not mirrored(ask.entity_id or ask.request_id, percent, salt=_salt(ask)):
                continue
            if len(self._shadows) >= _SHADOWS_AT_ONCE:
                counts.shadows_dropped += 1
                continue
            task = asyncio.get_running_loop().create_task(self._shadow(version, ask, counts))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)

    async def _shadow(self, version: str, ask: Ask, counts: Counts) -> None:
        late = replace(ask, started=time.perf_counter())
        try:
            answer = await self.fleet.call(ask.model, version, media=ask.media, body=ask.body)
        except InvocationFault as fault:
            self._record(late, version, SHADOW, error=fault.code, fault=fault)
        else:
            self._record(late, version, SHADOW, answer=answer)
        counts.shadowed += 1

    def _record(
        self, ask: Ask, version: str, variant: str, *, answer: Answer | None = None, error: str = "",
        fault: InvocationFault | None = None,
    ) -> None:
        said = json.dumps({"error": f"{fault}\n{fault.trace}".strip()}).encode() if fault else b""
        self.log.append(Entry(
            ts_us=time.time_ns() // 1_000, model=ask.model, version=version, variant=variant,
            environment=ask.environment, request_id=ask.request_id, entity_id=ask.entity_id,
            latency_ms=(time.perf_counter() - ask.started) * 1_000, status="ok" if answer else "error",
            error_type=error, media=ask.media, body=ask.body, record=answer.record if answer else said))

    async def drain(self) -> None:
        """Return when no shadow is on its way."""
        while self._shadows:
            await asyncio.wait(set(self._shadows))

    def observation(self, key: Key) -> Mapping[str, Any]:
        """Return what is done now for one model in one environment, as the control address shows it."""
        route, counts = self.routes.get(key, Route()), self.counts.get(key, Counts())
        return {
            "environment": key[0], "model": key[1], "generation": route.generation, "champion": route.champion,
            "weights": dict(route.weights), "mirror": dict(route.mirror), "expired": route.expired,
            "loaded": {version: self.fleet.healthy(key[1], version) for version in route.held}, **counts.to_json(),
        }


def _salt(ask: Ask) -> str:
    return f"{ask.environment}/{ask.model}"
