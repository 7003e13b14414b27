"""What the gateway's door lets in, how large, and what it says when something behind it breaks."""

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest

from services.core.web import PROGRAM_HEADERS, host_names
from services.gateway.app import create
from services.gateway.desk import Reply

TOKEN = "the token of these tests"


class Desk:
    """Answers with what it was sent, or breaks."""

    routes = {("production", "m"): None}  # noqa: RUF012 -- a fake, never changed

    def __init__(self):
        self.asked = []

    async def invoke(self, ask):
        self.asked.append(ask)
        if ask.body == b"break":
            raise RuntimeError("token=s3cret")
        return Reply(b'{"predictions": []}', "1")

    def observation(self, _):
        raise RuntimeError("token=s3cret")


@asynccontextmanager
async def _lifespan(_):
    yield


def asked(method, path, *, body=b"", hosts=("127.0.0.1",), **headers):
    """Return the answer to a request, and what reached the desk."""
    desk = Desk()
    control = SimpleNamespace(set_weights=lambda *_: None, renew=lambda: None, dead_man_s=60.0)
    app = create(desk, control, token=TOKEN, max_body=1_000, lifespan=_lifespan, body_timeout_s=0.2,
                 hosts=host_names(hosts, ""))

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8601") as client:
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(ask()), desk.asked


BEARER = {"authorization": f"Bearer {TOKEN}"}
WEIGHTS = "/control/production/m/weights"


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), [
    ("POST", "/production/m/invocations", b"{}", {}, 200),
    ("POST", "/invocations", b"{}", {}, 200),
    ("POST", "/production/m/invocations", b"break", {}, 500),
    ("POST", "/production/m/invocations", b"x" * 1_001, {}, 413),
    ("POST", "/production/m/invocations", b"{}", {"host": "rebound.example"}, 421),
    ("POST", "/production/m/invocations", b"{}", {"sec-fetch-site": "cross-site"}, 403),
    ("GET", "/version", b"", {}, 200),
    ("GET", "/version", b"", {"host": "rebound.example"}, 421),
    ("GET", "/nowhere", b"", {}, 404),
    ("GET", "/control", b"", {}, 401),
    ("GET", "/control", b"", {"authorization": "Bearer no"}, 401),
    ("GET", "/control/production/m", b"", BEARER, 500),
    ("GET", "/control", b"", {**BEARER, "host": "rebound.example"}, 421),
    ("PUT", WEIGHTS, b"{}", {}, 401),
    ("PUT", WEIGHTS, b"{}", BEARER, 400),
    ("PUT", WEIGHTS, b"x" * 65_537, {}, 413),
], ids=str)
def test_every_answer_carries_the_security_headers_and_one_line_without_a_cause(method, path, body, headers, status,
                                                                                caplog):
    answer, _ = asked(method, path, body=body, **headers)
    assert answer.status_code == status, answer.text
    assert {name: answer.headers.get(name) for name in PROGRAM_HEADERS} == PROGRAM_HEADERS
    assert "Traceback" not in answer.text
    assert "s3cret" not in answer.text
    assert "s3cret" not in str(answer.headers)
    if status >= 400:
        assert set(answer.json()) == {"error_code", "message"}
    if status == 500:
        incident = answer.json()["message"].partition("incident ")[2].partition(";")[0]
        assert len(incident) == 12
        assert f"incident {incident}" in caplog.text
        assert "RuntimeError: token=s3cret" in caplog.text, "the cause is for who keeps the log"


@pytest.mark.parametrize("headers", [{"host": "rebound.example"}, {"sec-fetch-site": "same-site"}])
def test_what_is_not_for_us_reaches_no_model(headers):
    _, reached = asked("POST", "/production/m/invocations", body=b"{}", **headers)
    assert reached == []


def test_without_listed_names_any_is_right():
    answer, reached = asked("POST", "/production/m/invocations", body=b"{}", hosts=(), host="models.internal")
    assert (answer.status_code, len(reached)) == (200, 1)


def test_a_control_request_without_an_end_is_refused_before_it_fills_the_memory():
    received = 0

    async def endless():
        nonlocal received
        while True:
            received += 8_192
            yield b"x" * 8_192

    answer, _ = asked("PUT", WEIGHTS, body=endless(), **BEARER)
    assert answer.status_code == 413
    assert received < 200_000


def test_a_control_request_that_is_in_order_arrives_as_it_was_sent():
    told = []

    async def set_weights(key, weights, generation):
        told.append((key, weights, generation))

    desk = Desk()
    desk.observation = lambda _: {"seen": True}
    app = create(desk, SimpleNamespace(set_weights=set_weights), token=TOKEN, max_body=1_000, lifespan=_lifespan)

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any") as client:
            return await client.put(WEIGHTS, content=json.dumps({"weights": {"1": 100}, "generation": 3}),
                                    headers={**BEARER, "content-type": "application/json"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (200, {"seen": True})
    assert told == [(("production", "m"), {"1": 100.0}, 3)]
