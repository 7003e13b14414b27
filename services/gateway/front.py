"""The short way of an invocation: from the socket to the desk, past the framework that serves everything else.

A framework's routing, injection and validation cost more than the hop to the worker. What is here is all that a
prediction needs: path, a few headers, the body, an answer or a fault. What the framework serves is admitted here as
well: under our own host names, from no page of another site, and no larger than it may be.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from services.core.web import PROGRAM_HEADERS, answers_to, from_elsewhere
from services.gateway.desk import Ask, Desk, Reply
from services.gateway.fault import InvocationFault, bad_request
from services.gateway.protocol import is_id, media_type

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)

_NAME: Final = "invocations"
_HEADERS: Final = {b"content-type": "media", b"x-request-id": "request", b"x-entity-id": "entity",
                   b"content-length": "length", b"sec-fetch-site": "site"}
_ON_EVERY_ANSWER: Final = tuple((name.lower().encode(), value.encode()) for name, value in PROGRAM_HEADERS.items())
_LARGEST_ORDER: Final = 65_536  # bytes of a control request; read before anybody asks for its token


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask for: bytes of a body, seconds to send them, and by which host names; none means any."""

    max_body: int
    body_timeout_s: float
    hosts: frozenset[str] = frozenset()


class Front:
    """The application: invocations to the desk, everything else to `rest`."""

    def __init__(self, rest: Asgi, desk: Desk, limits: Limits) -> None:
        """Stand before `rest`."""
        self.rest = rest
        self._desk = desk
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI has it."""
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        begun = False

        async def watched(event: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if not begun:
                event["headers"] = [*event.get("headers", ()), *_ON_EVERY_ANSWER]
                begun = True
            await send(event)

        try:
            await self._admitted(scope, receive, watched)
        except InvocationFault as fault:
            await _answer(watched, fault.status, _told(fault), headers_of(fault))
        except Exception:
            incident = uuid4().hex[:12]
            _log.exception("incident %s", incident)
            if begun:
                raise
            broken = InvocationFault(500, "INTERNAL_ERROR", "something in the gateway broke: tell its keeper incident "
                                     f"{incident}; the log has the details")
            await _answer(watched, 500, _told(broken), {})

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, unless it is not for us."""
        headers = {_HEADERS[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _HEADERS}
        hosts = self._limits.hosts
        if hosts and not answers_to(hosts, [v.decode("latin-1") for name, v in scope["headers"] if name == b"host"]):
            raise InvocationFault(421, "MISDIRECTED", "this host name is not one of gateway.hosts")
        if from_elsewhere(headers.get("site", "")):
            raise InvocationFault(403, "CROSS_SITE", "a page of another site asked for this: call from a program")
        *place, last = scope["path"].split("/")[1:]
        if last == _NAME and len(place) in (0, 2) and scope["method"] == "POST":
            await self._invoke(place, headers, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self.rest(scope, receive, send)
        else:
            body = await self._body(receive, headers.get("length", ""), _LARGEST_ORDER)
            await self.rest(scope, _again(body, receive), send)

    async def _invoke(self, place: list[str], headers: dict[str, str], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _id(headers.get("request", ""), "X-Request-Id") or uuid4().hex
        environment, model = place or self._only()
        reply = await self._desk.invoke(Ask(
            environment=environment, model=model, media=media_type(headers.get("media", "")),
            request_id=request_id, entity_id=_id(headers.get("entity", ""), "X-Entity-Id"), started=started,
            body=await self._body(receive, headers.get("length", ""), self._limits.max_body)))
        await _answer(send, 200, reply.body, _named(reply, request_id))

    def _only(self) -> tuple[str, str]:
        """Return the one route that is served, or the one in production."""
        keys = list(self._desk.routes)
        chosen = keys if len(keys) == 1 else [key for key in keys if key[0] == "production"]
        if len(chosen) != 1:
            served = ", ".join(f"/{e}/{m}/{_NAME}" for e, m in sorted(keys)) or "nothing yet"
            raise InvocationFault(404, "RESOURCE_DOES_NOT_EXIST", f"say which model: this gateway serves {served}")
        return chosen[0]

    async def _body(self, receive: Receive, declared: str, largest: int) -> bytes:
        """Return the body.

        Raises:
            InvocationFault: 413 as soon as it is too large, whatever its header claimed; 408 when it does not arrive.
        """
        if declared.isdecimal() and int(declared[:20]) > largest:
            raise _too_large(largest)
        within = self._limits.body_timeout_s
        try:
            async with asyncio.timeout(within):
                return await _whole(receive, largest)
        except TimeoutError as error:
            raise InvocationFault(408, "REQUEST_TIMEOUT", f"the body did not arrive in {within:g} s: send it faster, "
                                  "or in smaller parts") from error


async def _whole(receive: Receive, largest: int) -> bytes:
    body = b""
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise bad_request("the caller went away before its body had arrived")
        chunk: bytes = event.get("body", b"")
        body = body + chunk if body else chunk
        if len(body) > largest:
            raise _too_large(largest)
        more = event.get("more_body", False)
    return body


def _too_large(largest: int) -> InvocationFault:
    return InvocationFault(413, "REQUEST_TOO_LARGE", f"the body is larger than {largest:,} bytes: send less at once")


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, and then what comes after it."""
    given = False

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def headers_of(fault: InvocationFault) -> dict[str, str]:
    """Return the headers that an error's answer needs."""
    headers = {"Retry-After": str(fault.retry_after_s)} if fault.retry_after_s else {}
    return headers | {"WWW-Authenticate": "Bearer"} if fault.status == 401 else headers


def _told(fault: InvocationFault) -> bytes:
    return json.dumps({"error_code": fault.code, "message": " ".join(str(fault).split())}).encode()


def _named(reply: Reply, request_id: str) -> dict[str, str]:
    return {"X-Model-Version": reply.version, "X-Request-Id": request_id}


async def _answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    fields += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def _id(value: str, header: str) -> str:
    if value and not is_id(value):
        raise bad_request(f"{header} must be a printable text of at most 256 characters")
    return value

