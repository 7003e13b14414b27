"""What a Ray cluster is asked to run: the applications of Ray Serve, as plain documents. ray_target.py sends them.

One application routes (weights, mirror and generation are its `user_config`, which Ray changes in place, without
starting a replica again), and one application per loaded version answers. A PUT replaces everything that was declared
on the cluster, so whatever others declared travels along unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from services.errors import SourceMalformed
from services.gateway.state import Key, Route, from_json, to_json

ROUTER_APP: Final = "interlock"
ROUTER: Final = "Router"
VERSION: Final = "Version"
PREFIX: Final = "/interlock"
_KEPT: Final = ("http_options", "grpc_options", "proxy_location", "target_capacity")

Apps = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much of the cluster is used, and what the router and the versions are told once.

    `router` and `version` are plain values, handed to their builders; a change of them starts replicas again.
    """

    replicas: int
    cpus: float
    queue: int
    router: Mapping[str, Any]
    version: Mapping[str, Any]
    tasks: Mapping[str, str]


def version_app(model: str, version: str) -> str:
    """Return the name of the application that a version is."""
    return f"interlock-{quote(model, safe='')}-v{quote(version, safe='')}"


def declared(shown: Mapping[str, Any]) -> Apps:
    """Return what was declared on the cluster, by name; applications started by programs are no part of it."""
    try:
        return {name: app["deployed_app_config"] for name, app in shown["applications"].items()
                if app.get("source") == "declarative" and app.get("deployed_app_config")}
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceMalformed(f"the Ray cluster shows what cannot be read: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Stand:
    """How an application stands. A PUT makes Ray call every application unsettled for a while: replicas tell more."""

    answers: bool = False  # a replica runs
    running: int = 0  # so many do
    complete: bool = False  # as many as were asked for
    broken: str = ""  # what Ray says about one that cannot be deployed


def stand(shown: Mapping[str, Any], app: str) -> Stand:
    """Return how an application stands; one that is not there answers nothing."""
    found = shown.get("applications", {}).get(app)
    if not found:
        return Stand()
    deployments = list(found.get("deployments", {}).values())
    running = [r for d in deployments for r in d.get("replicas", []) if r.get("state") == "RUNNING"]
    failed = [part for part in [found, *deployments] if part.get("status") in {"DEPLOY_FAILED", "UNHEALTHY"}]
    complete = bool(deployments) and all(d.get("status") == "HEALTHY" for d in deployments)
    return Stand(answers=bool(running), running=len(running), complete=complete,
                 broken=max((part.get("message") or "no reason given" for part in failed), key=len, default=""))


def routes(apps: Apps) -> dict[Key, Route]:
    """Return what the router was told last; nothing when there is no router."""
    return from_json(_told(apps)["state"]) if ROUTER_APP in apps else {}


def with_routes(apps: Apps, wanted: Mapping[Key, Route], shape: Shape) -> Apps:
    """Return the documents with the router told so, once more even where nothing changes.

    A router that took a canary's share away by itself obeys the same generation again only when it is told again.
    """
    turn = int(_told(apps)["turn"]) + 1 if ROUTER_APP in apps else 1
    return {**apps, ROUTER_APP: {
        "name": ROUTER_APP, "route_prefix": PREFIX, "import_path": "services.adapters.ray_router:build",
        "args": dict(shape.router),
        "deployments": [{"name": ROUTER, "num_replicas": shape.replicas, "user_config": {
            "turn": turn, "state": to_json(wanted)}, "ray_actor_options": {"num_cpus": shape.cpus}}],
    }}


def with_version(apps: Apps, model: str, version: str, shape: Shape) -> Apps:
    """Return the documents with one more version; unchanged where it is declared already."""
    name = version_app(model, version)
    if name in apps:
        return apps
    return {**apps, name: {
        "name": name, "route_prefix": None, "import_path": "services.adapters.ray_version:build",
        "args": {"model": model, "version": version, "task": shape.tasks.get(model, ""), **shape.version},
        "deployments": [{"name": VERSION, "num_replicas": shape.replicas, "max_queued_requests": shape.queue,
                         "ray_actor_options": {"num_cpus": shape.cpus}}],
    }}


def without_version(apps: Apps, model: str, version: str) -> Apps:
    """Return the documents without a version."""
    return {name: app for name, app in apps.items() if name != version_app(model, version)}


def order(shown: Mapping[str, Any], apps: Apps) -> dict[str, Any]:
    """Return the body of the PUT: these applications, and what else the cluster was told stays as it is."""
    return {"applications": list(apps.values()), **{key: shown[key] for key in _KEPT if shown.get(key) is not None}}


def door(shown: Mapping[str, Any]) -> str:
    """Return where the router is reached over HTTP; empty while no proxy is up."""
    options = shown.get("http_options") or {}
    up = [p["node_ip"] for p in shown.get("proxies", {}).values() if p.get("status") == "HEALTHY"]
    host = options.get("host", "")
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 -- read, not bound: a wildcard is no address to call
        host = min(up, default="")
    return f"http://{host}:{options['port']}{options.get('root_path') or ''}{PREFIX}" if host and up else ""


def _told(apps: Apps) -> Mapping[str, Any]:
    try:
        router = next(d for d in apps[ROUTER_APP]["deployments"] if d["name"] == ROUTER)
        found: Mapping[str, Any] = router["user_config"]
    except (KeyError, TypeError, StopIteration) as error:
        raise SourceMalformed(f"the application {ROUTER_APP} on the Ray cluster is not ours: {error!r}. Rename it, or "
                              "give Interlock a cluster of its own") from error
    return found
