"""Start the web face: one Streamlit server with our settings, headers and error page, from any folder.

Nothing here draws. Every option is passed to the server directly, because a configuration file beside a console script
is not found.
"""

import logging
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from console import shell
from console.headers import PROXY_HEADER, Gatekeeper, SecurityHeaders
from console.identity import PERSONAS
from console.navigation import HOME
from console.session import PERSONA_COOKIE
from console.widgets.tour import SEEN_COOKIE
from services.core.web import is_loopback
from services.errors import SettingsError
from services.settings import Settings

_log = logging.getLogger(__name__)

OIDC_SECRET: Final = "INTERLOCK_OIDC_SECRET"  # noqa: S105 -- the name of a variable
COOKIE_SECRET: Final = "INTERLOCK_COOKIE_SECRET"  # noqa: S105 -- the name of a variable
PROXY_SECRET: Final = "INTERLOCK_PROXY_SECRET"  # noqa: S105 -- the name of a variable
SHORTEST_SECRET: Final = 32

SCRIPT: Final = Path(__file__).with_name("app.py").absolute()
THEME: Final = Path(__file__).with_name("theme.toml").absolute()

OPTIONS: Final[Mapping[str, Any]] = {
    "server.headless": True,
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "server.allowRunOnSave": False,
    "server.maxUploadSize": 5,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "client.disableDataExport": True,
    "browser.gatherUsageStats": False,
    "runner.magicEnabled": False,
    # With fast reruns four clicks make four overlapping executions of one session.
    "runner.fastReruns": False,
    # A full collection after each run takes ten times as long as the page; Python's own keeps memory as level.
    "runner.postScriptGC": False,
    "runner.enforceSerializableSessionState": True,
    "logger.hideWelcomeMessage": True,
}


def options(settings: Settings) -> dict[str, Any]:
    """Return every server option: the fixed ones, the address, and both themes."""
    found = {**OPTIONS, **theme_options(), "server.address": settings.console.host,
             "server.port": settings.console.port}
    if settings.console.sign_in == "header":
        headers = {settings.console.header: "email", settings.console.groups_header: "groups"}
        found["server.trustedUserHeaders"] = {header: key for header, key in headers.items() if header}
    return found


def theme_options() -> dict[str, Any]:
    """Return `console/theme.toml` as Streamlit's dotted option names."""
    found: dict[str, Any] = {}

    def walk(table: Mapping[str, Any], path: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{path}{name}.")
            else:
                found[f"{path}{name}"] = value

    walk(tomllib.loads(THEME.read_text(encoding="utf-8")), "")
    return found


def require_safe(settings: Settings, environ: Mapping[str, str]) -> None:
    """Return when the way of signing in fits the address the server listens on.

    Raises:
        SettingsError: personas, no sign-in at all, or headers that anybody could send, where others can reach it.
    """
    mode, host, secret = settings.console.sign_in, settings.console.host, environ.get(PROXY_SECRET, "")
    if mode == "header" and not is_loopback(host) and not secret:
        raise SettingsError(f'console.sign_in = "header" with console.host = {host}: anybody who reaches it could send '
                            f"the header. Set {PROXY_SECRET} here and in the {PROXY_HEADER} header of the proxy, or "
                            'console.host = "127.0.0.1" with the proxy on this machine')
    if mode == "header" and secret and len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"{PROXY_SECRET} is too short: give it at least {SHORTEST_SECRET} random characters")
    if mode in ("demo", "none") and not is_loopback(host):
        what = "anybody could act as anyone" if mode == "demo" else "anybody could look"
        raise SettingsError(f'console.sign_in = "{mode}" with console.host = {host}: {what}. Set console.host = '
                            '"127.0.0.1", or console.sign_in = "oidc" or "header"')


def secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the server needs to sign people in at the identity provider; nothing for other ways of signing in.

    Raises:
        SettingsError: a part of it is missing, or the cookie's secret is too short to protect anything.
    """
    if settings.console.sign_in != "oidc":
        return {}
    oidc = settings.console.oidc
    back = oidc.redirect_uri
    if not back and is_loopback(settings.console.host):
        back = f"http://localhost:{settings.console.port}/oauth2callback"
    needed = {"console.oidc.metadata_url": oidc.metadata_url, "console.oidc.client_id": oidc.client_id,
              "console.oidc.redirect_uri": back, OIDC_SECRET: environ.get(OIDC_SECRET, ""),
              COOKIE_SECRET: environ.get(COOKIE_SECRET, "")}
    if missing := [name for name, value in needed.items() if not value]:
        raise SettingsError(f'console.sign_in = "oidc" needs {", ".join(missing)}: set them (the secrets in the '
                            "environment only) and start again")
    if len(needed[COOKIE_SECRET]) < SHORTEST_SECRET:
        raise SettingsError(f"{COOKIE_SECRET} is too short: give it at least {SHORTEST_SECRET} random characters, the "
                            "same for every replica")
    if not back.endswith("/oauth2callback"):
        raise SettingsError(f"console.oidc.redirect_uri = {back} must end in /oauth2callback")
    return {"auth": {"redirect_uri": back, "cookie_secret": needed[COOKIE_SECRET], "client_id": oidc.client_id,
                     "client_secret": needed[OIDC_SECRET], "server_metadata_url": oidc.metadata_url}}


def hosts(settings: Settings) -> list[str]:
    """Return the names under which the console answers; none where any name is right."""
    console = settings.console
    if console.hosts:
        return console.hosts
    if console.sign_in in ("demo", "none"):
        return ["localhost", "127.0.0.1", "::1", console.host]
    back = urlsplit(console.oidc.redirect_uri).hostname if console.sign_in == "oidc" else None
    return [back] if back else []


def app(settings: Settings) -> st.App:
    """Return the application: the script behind security headers, with the demo's sign-in where it is on."""
    routes = [Route(f"/{HOME}", _home), *shell.routes()]
    if settings.console.sign_in == "demo":
        routes += [Route("/sign-in/{persona}", _sign_in), Route("/tour/end", _end_tour)]
    secret = os.environ.get(PROXY_SECRET, "") if settings.console.sign_in == "header" else ""
    front = [Middleware(SecurityHeaders), Middleware(Gatekeeper, hosts=hosts(settings), secret=secret)]
    return st.App(SCRIPT, routes=routes, middleware=front, on_script_error=_say_incident,
                  secrets=secrets(settings, os.environ) or None)


def serve(settings: Settings) -> None:
    """Serve until stopped.

    Raises:
        SettingsError: the settings would let anybody in.
    """
    require_safe(settings, os.environ)
    if given := os.environ.get(COOKIE_SECRET):
        os.environ["STREAMLIT_SERVER_COOKIE_SECRET"] = given  # refused as an option; replicas need the same one
    app(settings).run(config=options(settings))


async def _home(request: Request) -> Response:
    """Lead the first page's own name to where it lives: Streamlit serves a default page at `/` alone."""
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/", status_code=307)


async def _sign_in(request: Request) -> Response:
    """Carry the chosen persona in a cookie and go back to where the person was."""
    name = request.path_params["persona"]
    if name not in PERSONAS:
        return PlainTextResponse(f"there is no persona of that name: choose one of {', '.join(PERSONAS)}", 404)
    answer = RedirectResponse(local_path(request.query_params.get("to", "/")), status_code=303)
    answer.set_cookie(PERSONA_COOKIE, name, httponly=True, samesite="strict", path="/")
    return answer


async def _end_tour(_: Request) -> Response:
    """Remember that the tour was seen or declined."""
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(SEEN_COOKIE, "seen", max_age=365 * 86_400, httponly=True, samesite="strict", path="/")
    return answer


def local_path(target: str) -> str:
    """Return a path on this server; anything that leads elsewhere becomes the first page."""
    parts = urlsplit(target)
    local = target.startswith("/") and not target.startswith("//") and not parts.netloc and "\\" not in target
    return target if local and target.isprintable() else "/"


def _say_incident(error: Exception) -> bool:
    """Log the error under an id, show the id alone, and suppress the traceback."""
    incident = uuid4().hex[:12]
    _log.error("incident %s", incident, exc_info=error)
    st.error(f"Something in this page broke. Tell the administrator incident {incident}; the log has the details. "
             "The other pages keep working.", icon=":material/error:")
    return True
