"""Verify an OIDC token given to the command line against the provider's own keys.

Signature, issuer, audience and expiry are checked here; whose roles these are, in services/core/identity.py.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.core.identity import SKEW, Claims, read_claims
from services.errors import NotAllowed, SettingsError, SourceMalformed, SourceUnavailable
from services.settings.people import Oidc

# Public keys only: with a symmetric algorithm anybody who knows the public key could sign.
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_PATIENCE_S: Final = 10.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def verify(token: str, oidc: Oidc, *, longest: timedelta, now: datetime) -> Claims:
    """Return the person that a token names.

    Raises:
        SettingsError: `console.oidc` does not say whose tokens count.
        SourceUnavailable: the provider does not answer.
        SourceMalformed: its metadata or keys cannot be read.
        NotAllowed: the token is forged, expired, of another issuer, or for another audience.
    """
    audience = oidc.audience or oidc.client_id
    if not oidc.metadata_url or not audience:
        raise SettingsError("INTERLOCK_TOKEN is set, and console.oidc.metadata_url or client_id is not: set both, so "
                            "that it is known whose tokens count")
    found = _json(oidc.metadata_url)
    issuer, keys_at = found.get("issuer"), found.get("jwks_uri")
    if not isinstance(issuer, str) or not isinstance(keys_at, str):
        raise SourceMalformed(f"{oidc.metadata_url} names no issuer or jwks_uri: it is no OIDC provider's metadata")
    keys = _json(keys_at)
    registry = jwt.JWTClaimsRegistry(
        now=lambda: int(now.timestamp()), leeway=int(SKEW.total_seconds()), iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience}, exp={"essential": True}, sub={"essential": True})
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
        registry.validate(decoded.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        # The library's words name a claim or a fault; the token itself is in none of them.
        raise NotAllowed(f"INTERLOCK_TOKEN is not accepted ({error}): ask {issuer} for a new one") from error
    return read_claims(decoded.claims, now=now, longest=longest, groups_claim=oidc.groups, label_claim=oidc.label)


def _json(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise SettingsError(f"{url} is not https: whoever sits between could hand out keys of their own")
    try:
        value = httpx.get(url, timeout=_PATIENCE_S).raise_for_status().json()
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"the identity provider at {url} does not answer ({type(error).__name__}): check "
                                "console.oidc.metadata_url and the network") from error
    except ValueError as error:
        raise SourceMalformed(f"the identity provider at {url} answers something that is not JSON") from error
    if not isinstance(value, dict):
        raise SourceMalformed(f"the identity provider at {url} answers something that is not an object")
    return value
