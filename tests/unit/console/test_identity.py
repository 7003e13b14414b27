"""Who is asking, from what a proxy or an identity provider sent."""

from datetime import UTC, datetime, timedelta

import pytest

from console import identity
from services import bootstrap
from services.core.access import Role
from services.errors import NotAllowed, Refused, SignInExpired, SourceUnavailable
from services.settings import Settings

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
SETTINGS = Settings.model_validate({"console": {"session": "1h"}})


def header(email="ada@example.org", groups="", *, age=timedelta()):
    return identity.header_claims({"email": email, "groups": groups}, SETTINGS, since=NOW - age, now=NOW)


def test_a_proxy_names_a_person_and_their_groups():
    found = header(groups="approvers, staff,,")
    assert (found.issuer, found.subject, found.groups) == ("header", "ada@example.org", {"approvers", "staff"})


@pytest.mark.parametrize("email", [None, "", "  ", "ada\u202e@example.org"])
def test_a_proxy_that_names_nobody_lets_nobody_in(email):
    assert header(email) is None


def test_a_page_open_for_longer_than_a_sign_in_counts_must_be_loaded_anew():
    header(age=timedelta(minutes=59))
    with pytest.raises(SignInExpired):
        header(age=timedelta(hours=1))


def test_nobody_who_is_not_logged_in_is_anybody():
    assert identity.oidc_claims({"is_logged_in": False, "sub": "ada", "iss": "x"}, SETTINGS, now=NOW) is None
    assert identity.oidc_claims({}, SETTINGS, now=NOW) is None


def test_claims_of_the_provider_are_checked_for_age():
    user = {"is_logged_in": True, "iss": "https://id.example", "sub": "ada", "iat": NOW.timestamp() - 3599}
    assert identity.oidc_claims(user, SETTINGS, now=NOW).subject == "ada"
    with pytest.raises(SignInExpired):
        identity.oidc_claims(user, SETTINGS, now=NOW + timedelta(seconds=2))


def test_without_sign_in_everybody_may_look_and_nobody_decide():
    assert identity.anybody().roles() == {Role.VIEWER}


def test_a_persona_that_is_not_there_is_refused():
    with pytest.raises(Refused, match="choose one of"):
        identity.persona("root")


def build(tmp_path, **more):
    return bootstrap.build(Settings.model_validate({"folder": str(tmp_path), **more}))


def test_a_persona_is_for_the_demo_only(tmp_path):
    with pytest.raises(NotAllowed, match="for the demo only"):
        identity.command_line_actor(build(tmp_path), "admin", now=NOW)


def test_a_broken_store_takes_roles_away_and_never_gives_one(tmp_path):
    (tmp_path / ".interlock").mkdir()
    (tmp_path / ".interlock" / "ops.db").write_bytes(b"no database" * 500)
    row = {"role": "viewer", "issuer": "header", "subject": "ada@example.org"}
    assert bootstrap.enroll(build(tmp_path, roles=[row]), header()).roles() == {Role.VIEWER}
    with pytest.raises(SourceUnavailable):
        bootstrap.enroll(build(tmp_path), header())
