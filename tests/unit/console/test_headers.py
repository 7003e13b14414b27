"""What stands before the server: names, paths and headers."""

import asyncio

import pytest

from console.headers import HEADERS, Gatekeeper, SecurityHeaders


def ask(*hosts, host="console.example", path="/", kind="http", secret="", said=(), origins=()):
    """Ask the guarded application for a path under a host name; return what it sent."""
    sent = []

    async def inner(_scope, _receive, send):
        if kind == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"inside"})

    async def receive():
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message):
        sent.append(message)

    headers = [] if host is None else [(b"host", name.encode()) for name in host.split("|")]
    headers += [(b"x-interlock-proxy", word) for word in said]
    headers += [(b"origin", origin.encode()) for origin in origins]
    scope = {"type": kind, "path": path, "headers": headers, "method": "GET"}
    asyncio.run(SecurityHeaders(Gatekeeper(inner, hosts=hosts, secret=secret))(scope, receive, send))
    return sent


@pytest.mark.parametrize("host", ["console.example", "console.example:8501", "CONSOLE.example.", "[::1]:8501"])
def test_the_names_of_the_console_are_answered(host):
    assert ask("console.example", "::1", host=host)[0]["status"] == 200


@pytest.mark.parametrize("host", ["evil.example", "console.example.evil.example", "", "[::1", "console.example@evil:1",
                                  None, "console.example|evil.example"])
def test_other_names_are_refused_with_the_security_headers(host):
    start, _ = ask("console.example", host=host)
    assert start["status"] == 421
    assert (b"x-frame-options", HEADERS["X-Frame-Options"].encode()) in start["headers"]


def test_a_websocket_under_another_name_is_closed():
    assert ask("console.example", kind="websocket")[0]["type"] == "websocket.accept"
    assert ask("console.example", kind="websocket", host="evil")[0]["type"] == "websocket.close"


@pytest.mark.parametrize(("origins", "answer"), [
    ((), "accept"), (("http://localhost:8501",), "accept"), (("https://localhost:8501",), "accept"),
    (("http://localhost:8888",), "close"), (("http://localhost",), "close"), (("http://127.0.0.1:8501",), "close"),
    (("null",), "close"), (("http://evil.example",), "close"), (("http://[::1",), "close"),
    (("http://localhost:8501", "http://evil.example"), "close"),
])
def test_a_page_of_another_address_opens_no_websocket_not_even_from_another_port_of_this_machine(origins, answer):
    sent = ask("localhost", "127.0.0.1", host="localhost:8501", kind="websocket", origins=origins)
    assert sent[0]["type"] == f"websocket.{answer}"


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/x", "/now/_stcore/metrics"])
def test_addresses_that_ask_nobody_who_they_are_stay_closed(path):
    assert ask(path=path)[0]["status"] == 404


def test_without_a_list_every_name_is_answered():
    assert ask(host="anything")[0]["status"] == 200


@pytest.mark.parametrize("said", [(), (b"other",), (b"",), (b"secret", b"secret")])
def test_whoever_does_not_know_the_proxys_secret_is_refused(said):
    assert ask(secret="secret", said=said)[0]["status"] == 403
    assert ask(secret="secret", said=said, kind="websocket")[0]["type"] == "websocket.close"


def test_the_proxy_and_health_probes_are_let_through():
    assert ask(secret="secret", said=(b"secret",))[0]["status"] == 200
    assert ask(secret="secret", path="/_stcore/health")[0]["status"] == 200
