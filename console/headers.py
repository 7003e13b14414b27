"""What stands before the console's server: which names and paths are answered, and headers on every answer.

The server itself sets no security header, takes any host name for its own, and shows its metrics to everybody.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.core.web import answers_to, host_names

# Streamlit starts its own scripts from one inline block, styles elements inline, and charts evaluate expressions;
# none of them may fetch from elsewhere, and no page may put ours in a frame (an approval could be click-jacked).
_RULES: Final = (
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' ws: wss:",
    "worker-src 'self' blob:",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
CONTENT_POLICY: Final = "; ".join(_RULES)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


# The server's own metrics and agent addresses ask nobody who they are.
CLOSED: Final = ("/_stcore/metrics", "/_stcore/agent")
HEALTH: Final = "/_stcore/health"  # probes come past the proxy
PROXY_HEADER: Final = "X-Interlock-Proxy"


class Gatekeeper:
    """Refuse other host names and closed paths, on HTTP and on websockets; pure ASGI.

    A foreign host name is how a page elsewhere reaches a console on this machine through a name of its own (DNS
    rebinding). Without a list every name is answered. With a secret, only the proxy that knows it is: a header that
    says who is asking is worth nothing from anybody else.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], secret: str = "") -> None:
        """Wrap an application; `hosts` are names without ports."""
        self._app = app
        self._hosts = host_names(hosts, "")
        self._secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that it is not for us."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not self._known(scope):
            await _refuse(scope, receive, send, "this host name is not one of console.hosts", 421)
        elif scope["type"] == "websocket" and not _of_our_page(scope):
            await _refuse(scope, receive, send, "a page of another address asked", 403)
        elif any(part in scope["path"] for part in CLOSED):
            await _refuse(scope, receive, send, "not found", 404)
        elif not self._from_proxy(scope):
            await _refuse(scope, receive, send, "reach the console through its proxy", 403)
        else:
            await self._app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        return answers_to(self._hosts, [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"])

    def _from_proxy(self, scope: Scope) -> bool:
        if not self._secret or scope["path"] == HEALTH:
            return True
        said = [value for key, value in scope["headers"] if key == PROXY_HEADER.lower().encode()]
        return len(said) == 1 and hmac.compare_digest(said[0], self._secret)


def _of_our_page(scope: Scope) -> bool:
    """Tell whether a websocket was asked for by a page that this very address served, or by no page at all.

    The server itself takes any port of localhost for its own: another program's page there would act as the person.
    """
    said = {name: [v.decode("latin-1") for key, v in scope["headers"] if key == name] for name in (b"origin", b"host")}
    try:
        return not said[b"origin"] or [urlsplit(origin).netloc for origin in said[b"origin"]] == said[b"host"]
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send, words: str, code: int) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        await PlainTextResponse(words, code)(scope, receive, send)


class SecurityHeaders:
    """Pure ASGI: it touches the start of each HTTP answer and never buffers a body or a websocket."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)
