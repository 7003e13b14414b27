"""The gateway's HTTP face: MLflow's scoring routes for everybody, the control routes for who holds the token.

What a request means is decided in desk.py and control.py; which status an error gets is decided here, once.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from services.errors import OpsError, Refused, SourceUnavailable
from services.gateway.control import Control
from services.gateway.desk import Desk
from services.gateway.fault import InvocationFault
from services.gateway.front import Front, Limits, headers_of
from services.gateway.openapi import described
from services.gateway.state import Key
from services.releases.target import StaleGeneration

VERSION: Final = "2"  # of the scoring protocol, as MLflow's own server answers /version with a bare text
_JSON: Final = "application/json"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is shown to who watches: what is done for a model in an environment, and the lease, in seconds."""

    seen: Callable[[Key], Awaitable[Mapping[str, Any]]]
    renew: Callable[[], Awaitable[float]]


class Weights(BaseModel):
    """The split: percent per version, summing to 100."""

    model_config = ConfigDict(extra="forbid")
    weights: dict[str, float] = Field(max_length=64)
    generation: int = Field(ge=0, lt=2**63)


class Mirror(BaseModel):
    """The version that gets copies, and the share of requests that it gets."""

    model_config = ConfigDict(extra="forbid")
    version: str | None = None
    percent: float = 0.0
    generation: int = Field(ge=0, lt=2**63)


def create(
    desk: Desk, control: Control, *, token: str, max_body: int, lifespan: Lifespan, body_timeout_s: float = 10.0,
    hosts: frozenset[str] = frozenset(),
) -> Front:
    """Return the application.

    Args:
        desk: answers requests.
        control: changes what is answered.
        token: what callers of the control routes must bear.
        max_body: the largest request body in bytes.
        lifespan: starts and ends what stands behind the desk.
        body_timeout_s: how long a client may take to send its body.
        hosts: the names under which it is reached; none where any is right.
    """

    async def seen(key: Key) -> Mapping[str, Any]:
        return desk.observation(key)

    async def renew() -> float:
        control.renew()
        return control.dead_man_s

    app = FastAPI(title="Interlock gateway", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    allowed = _bearer(lambda given: secrets.compare_digest(given.encode(), token.encode()))
    _errors(app)
    _serving(app, desk)
    _watching(app, desk, Watch(seen, renew), allowed)
    _steering(app, desk, control, allowed)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]  # as FastAPI's own documents tell to do it
    return Front(app, desk, Limits(max_body, body_timeout_s, hosts))


def create_follower(
    desk: Desk, watch: Watch, *, admits: Callable[[str], bool], max_body: int, body_timeout_s: float = 10.0,
) -> Front:
    """Return the application of a gateway that is told what to do elsewhere: it can be watched and not driven.

    Args:
        desk: answers requests.
        watch: what it and its likes do.
        admits: tells whether a bearer token is the right one.
        max_body: the largest request body in bytes.
        body_timeout_s: how long a client may take to send its body.
    """
    app = FastAPI(title="Interlock router", version="1", docs_url=None, redoc_url=None)
    _errors(app)
    _serving(app, desk)
    _watching(app, desk, watch, _bearer(admits))
    app.openapi = lambda: described(app)  # type: ignore[method-assign]  # as above
    return Front(app, desk, Limits(max_body, body_timeout_s))


def _serving(app: FastAPI, desk: Desk) -> None:
    @app.get("/ping")
    async def ping() -> Response:
        """Answer 200 when every route can answer, as MLflow's server does."""
        return Response("\n", 200 if _ready(desk) else 503, media_type=_JSON)

    @app.get("/health")
    async def health() -> JSONResponse:
        """Say for every route whether it can answer, and how the log does."""
        routes = [{"environment": e, "model": m, "ready": _answers(desk, (e, m)), "champion": r.champion,
                   "generation": r.generation} for (e, m), r in sorted(desk.routes.items())]
        log = dict(desk.log.counters())
        full = bool(log.get("held_back") or log.get("dropped"))
        ready = _ready(desk)
        state = "unavailable" if not ready else "log disk full: rows are held back or dropped" if full else "ok"
        return JSONResponse({"status": state, "routes": routes, "log": log}, 200 if ready else 503)

    @app.get("/version")
    async def version() -> Response:
        """Return the version of the scoring protocol."""
        return Response(VERSION, media_type=_JSON)


def _watching(app: FastAPI, desk: Desk, watch: Watch, allowed: Any) -> None:
    guarded: Any = {"dependencies": [Depends(allowed)]}

    @app.get("/control", **guarded)
    async def everything() -> dict[str, Any]:
        """Return every route, every worker and the log's counters."""
        return {"routes": [desk.observation(key) for key in sorted(desk.routes)], "workers": desk.fleet.describe(),
                "log": dict(desk.log.counters())}

    @app.post("/control/lease", **guarded)
    async def lease() -> dict[str, float]:
        """Hold the dead-man timer back: the monitor is alive."""
        return {"seconds": await watch.renew()}

    @app.get("/control/{environment}/{model}", **guarded)
    async def observe(environment: str, model: str) -> dict[str, Any]:
        """Return what is done now."""
        return dict(await watch.seen((environment, model)))


def _steering(app: FastAPI, desk: Desk, control: Control, allowed: Any) -> None:
    guarded: Any = {"dependencies": [Depends(allowed)]}

    @app.put("/control/{environment}/{model}/weights", **guarded)
    async def weights(environment: str, model: str, wanted: Weights) -> dict[str, Any]:
        """Make the split so, if the generation is not out of date."""
        await control.set_weights((environment, model), wanted.weights, wanted.generation)
        return dict(desk.observation((environment, model)))

    @app.put("/control/{environment}/{model}/mirror", **guarded)
    async def mirror(environment: str, model: str, wanted: Mirror) -> dict[str, Any]:
        """Copy a share of requests to a loaded version, or to none."""
        await control.set_mirror((environment, model), wanted.version, wanted.percent, wanted.generation)
        return dict(desk.observation((environment, model)))

    @app.put("/control/{environment}/{model}/versions/{version}", **guarded)
    async def load(environment: str, model: str, version: str) -> dict[str, Any]:
        """Load a version beside the others; answers when it is warm."""
        await control.load((environment, model), version)
        return dict(desk.observation((environment, model)))

    @app.delete("/control/{environment}/{model}/versions/{version}", **guarded)
    async def unload(environment: str, model: str, version: str) -> dict[str, Any]:
        """Free a version without traffic."""
        await control.unload((environment, model), version)
        return dict(desk.observation((environment, model)))


def _bearer(admits: Callable[[str], bool]) -> Callable[..., Awaitable[None]]:
    scheme = HTTPBearer(auto_error=False)

    async def allowed(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        if not admits(given.credentials if given else ""):
            raise InvocationFault(401, "UNAUTHENTICATED", "the control routes take the gateway's bearer token")

    return allowed


def _errors(app: FastAPI) -> None:
    @app.exception_handler(InvocationFault)
    async def fault(_: Request, error: InvocationFault) -> JSONResponse:
        return said(error.status, error.code, str(error), headers_of(error))

    @app.exception_handler(OpsError)
    async def refused(_: Request, error: OpsError) -> JSONResponse:
        if isinstance(error, StaleGeneration):
            return said(409, "STALE_GENERATION", str(error))
        if isinstance(error, Refused):
            return said(409, "REFUSED", str(error))
        return said(503 if isinstance(error, SourceUnavailable) else 500, "UNAVAILABLE", str(error))

    @app.exception_handler(Exception)
    async def broke(_: Request, error: Exception) -> JSONResponse:
        raise error  # to front.py, which says an incident id and logs the rest

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return said(400, "BAD_REQUEST", f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return said(error.status_code, "ENDPOINT_NOT_FOUND" if error.status_code == 404 else "BAD_REQUEST",
                    str(error.detail), dict(error.headers or {}))


def said(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as MLflow's server words it."""
    return JSONResponse({"error_code": code, "message": " ".join(message.split())}, status, headers)


def _answers(desk: Desk, key: tuple[str, str]) -> bool:
    route = desk.routes[key]
    return bool(route.champion) and desk.fleet.healthy(key[1], route.champion)


def _ready(desk: Desk) -> bool:
    """Tell whether every route that has traffic can answer; one that only loaded a version keeps nobody waiting."""
    served = [key for key, route in desk.routes.items() if route.weights]
    return bool(served) and all(_answers(desk, key) for key in served)
