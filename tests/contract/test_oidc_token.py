"""Tokens at the command line, checked against a real provider's keys."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from console import identity
from services import bootstrap
from services.adapters import oidc_token
from services.core.access import Role
from services.errors import NotAllowed, SettingsError, SignInExpired, SourceMalformed, SourceUnavailable
from services.settings import Settings
from services.settings.people import Oidc
from tests.oidc_provider import CLIENT, FAULTS, Provider, running
from tests.ports import free_port

DAY = timedelta(hours=8)


@pytest.fixture(scope="module")
def provider():
    with running() as found:
        yield found


def verify(token, provider, **changed):
    oidc = Oidc(**{"metadata_url": provider.metadata_url, "client_id": CLIENT, **changed})
    return oidc_token.verify(token, oidc, longest=DAY, now=datetime.now(UTC))


def test_a_right_token_names_its_owner(provider):
    found = verify(provider.token("ada"), provider)
    assert (found.issuer, found.subject, found.groups) == (provider.issuer, "ada", {"approvers"})


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "wrong nonce"])
def test_a_token_that_is_wrong_in_one_way_is_refused(provider, fault):
    with pytest.raises(NotAllowed) as refused:
        verify(provider.token("ada", fault=fault), provider)
    assert provider.token("ada")[:20] not in str(refused.value)


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(provider):
    claims = {"iss": provider.issuer, "sub": "ada", "aud": CLIENT, "iat": 1, "exp": 9_999_999_999}
    head, body = (_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "one"}, claims))
    signed = hmac.digest(provider.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    with pytest.raises(NotAllowed):
        verify(f"{head}.{body}.{_encoded(signed)}", provider)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "....", "\u0000", "é.é.é"])
def test_what_is_no_token_is_refused(provider, text):
    with pytest.raises(NotAllowed):
        verify(text, provider)


def test_a_token_that_still_counts_but_is_older_than_a_sign_in_may_be_is_refused(provider):
    issued = datetime.now(UTC) - DAY - timedelta(minutes=1)
    with pytest.raises(SignInExpired):
        verify(provider.token("ada", iat=int(issued.timestamp())), provider)


def test_an_audience_of_its_own_can_be_set_for_the_command_line(provider):
    token = provider.token("ada", audience="interlock-cli")
    with pytest.raises(NotAllowed):
        verify(token, provider)
    assert verify(token, provider, audience="interlock-cli").subject == "ada"


def test_a_provider_that_is_not_there_is_named(provider):
    gone = f"http://127.0.0.1:{free_port()}/x"
    with pytest.raises(SourceUnavailable, match=r"console\.oidc\.metadata_url"):
        verify(provider.token("ada"), provider, metadata_url=gone)


def test_metadata_that_is_something_else_is_named(provider):
    with pytest.raises(SourceMalformed, match="jwks_uri"):
        verify(provider.token("ada"), provider, metadata_url=f"{provider.issuer}/keys")
    with pytest.raises(SourceMalformed, match="not JSON"):
        verify(provider.token("ada"), provider, metadata_url=f"{provider.issuer}/authorize")


def test_keys_are_never_fetched_over_plain_http_from_elsewhere(provider):
    with pytest.raises(SettingsError, match="not https"):
        verify(provider.token("ada"), provider, metadata_url="http://id.example/.well-known/openid-configuration")


def command_line(tmp_path, provider, **console):
    settings = Settings.model_validate({
        "console": {"sign_in": "oidc", "oidc": {"metadata_url": provider.metadata_url, "client_id": CLIENT}, **console},
        "roles": [{"role": "approver", "issuer": provider.issuer, "group": "approvers"},
                  {"role": "admin", "issuer": "os", "subject": bootstrap.os_claims().subject}],
        "folder": str(tmp_path)})
    services = bootstrap.build(settings)
    services.db.migrate()
    return services


def test_the_command_line_acts_as_the_owner_of_the_token(tmp_path, provider, monkeypatch):
    services = command_line(tmp_path, provider)
    monkeypatch.setenv("INTERLOCK_TOKEN", provider.token("ada"))
    found = identity.command_line_actor(services, None, now=datetime.now(UTC))
    assert (found.identity, found.method) == (f"{provider.issuer}:ada", "oidc")
    assert found.roles() == {Role.APPROVER}


def test_a_bad_token_never_falls_back_to_the_user_of_the_machine(tmp_path, provider, monkeypatch):
    services = command_line(tmp_path, provider)
    monkeypatch.setenv("INTERLOCK_TOKEN", provider.token("ada", fault="wrong key"))
    with pytest.raises(NotAllowed):
        identity.command_line_actor(services, None, now=datetime.now(UTC))


def test_a_token_without_a_provider_in_the_settings_is_refused(tmp_path, provider, monkeypatch):
    services = command_line(tmp_path, provider, oidc={})
    monkeypatch.setenv("INTERLOCK_TOKEN", provider.token("ada"))
    with pytest.raises(SettingsError, match="whose tokens count"):
        identity.command_line_actor(services, None, now=datetime.now(UTC))


def test_the_environment_cannot_name_another_user_of_the_machine(tmp_path, provider, monkeypatch):
    services = command_line(tmp_path, provider)
    before = identity.command_line_actor(services, None, now=datetime.now(UTC))
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert identity.command_line_actor(services, None, now=datetime.now(UTC)) == before
    assert before.roles() == {Role.ADMIN}


def test_the_provider_of_the_tests_keeps_its_private_key(provider: Provider):
    assert "d" not in httpx.get(f"{provider.issuer}/keys").json()["keys"][0]
