"""A real OpenID Connect provider on loopback: discovery, authorization code with PKCE, signed tokens, its own sign-out.

`faults` makes the next tokens wrong in one way, as a broken or hostile provider would.
"""

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.waiting import until

CLIENT, SECRET = "interlock", "the client's secret"
FAULTS = ("expired", "wrong audience", "wrong issuer", "wrong key", "wrong nonce", "no subject", "unsigned")
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"email": "ada@example.org", "groups": ["approvers"]},
    "bob": {"email": "bob@example.org", "groups": []},
    "eve": {"email": '<img src="http://evil.example/x.png">', "groups": ["approvers "]},
}


class Provider:
    """What the provider knows, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"
        self.metadata_url = f"{self.issuer}/.well-known/openid-configuration"
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.fault = ""
        self.issued_ago_s = 0.0
        self.codes: dict[str, dict[str, str]] = {}
        self.challenged = 0
        self.signed_out = 0

    def token(self, person: str, *, audience: str = CLIENT, nonce: str = "", fault: str = "", **more: Any) -> str:
        """Return an ID token of a person; `more` overrides claims."""
        issued = int(time.time() - self.issued_ago_s)
        claims = {"iss": self.issuer, "sub": person, "aud": audience, "iat": issued, "exp": issued + 100_000,
                  **PEOPLE[person]}
        if nonce:
            claims["nonce"] = nonce
        claims |= {"expired": {"exp": issued - 3600}, "wrong audience": {"aud": "another"},
                   "wrong issuer": {"iss": "http://evil.example"}, "wrong nonce": {"nonce": "another"}}.get(fault, {})
        claims |= more
        if fault == "no subject":
            del claims["sub"]
        if fault == "unsigned":
            head, body = (base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() for text in (
                '{"alg":"none","typ":"JWT"}', json.dumps(claims)))
            return f"{head}.{body}."
        key = self.other_key if fault == "wrong key" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


def application(provider: Provider) -> FastAPI:
    """Return the provider's addresses."""
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, Any]:
        at = provider.issuer
        return {"issuer": at, "authorization_endpoint": f"{at}/authorize", "token_endpoint": f"{at}/token",
                "jwks_uri": f"{at}/keys", "end_session_endpoint": f"{at}/sign-out",
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"]}

    @app.get("/favicon.ico", status_code=204)
    def icon() -> None:
        """Answer the browser, which would complain of a missing one."""

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return KeySet([provider.key]).as_dict(private=False)

    @app.get("/authorize")
    def authorize(request: Request) -> HTMLResponse:
        asked = dict(request.query_params)
        provider.challenged += asked.get("code_challenge_method") == "S256" and bool(asked.get("code_challenge"))
        links = "".join(f'<p><a href="/chosen?{urlencode({**asked, "person": name}).replace("&", "&amp;")}">'
                        f"I am {name}</a></p>" for name in PEOPLE)
        return HTMLResponse(f"<!doctype html><html lang=en><title>Provider</title><body>{links}</body></html>")

    @app.get("/chosen")
    def chosen(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        code = uuid4().hex
        provider.codes[code] = asked
        back = urlencode({"code": code, "state": asked.get("state", "")})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 302)

    @app.post("/token")
    def token(request: Request, code: Annotated[str, Form()], code_verifier: Annotated[str, Form()] = "") -> Any:
        given = base64.b64decode(request.headers.get("authorization", "Basic ").split()[-1]).decode()
        asked = provider.codes.pop(code, None)
        digest = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        if asked is None or digest != asked.get("code_challenge") or given.split(":", 1)[0] != CLIENT:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return {"access_token": uuid4().hex, "token_type": "Bearer", "expires_in": 3600,
                "id_token": provider.token(asked["person"], nonce=asked.get("nonce", ""), fault=provider.fault)}

    @app.get("/sign-out")
    def sign_out(post_logout_redirect_uri: str) -> RedirectResponse:
        provider.signed_out += 1
        return RedirectResponse(post_logout_redirect_uri, 302)

    return app


@contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider from a thread until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        provider = Provider(listener.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(application(provider), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started, within=120, what="a listening identity provider")
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join(timeout=120)
