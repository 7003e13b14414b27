"""Pages for people whom an identity provider named: without a role, with one, and after the sign-in has ended."""

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from console import navigation, session
from services.adapters.house_tables import SourceState
from services.core.access import Actor, Grant, Role
from services.core.identity import Holding
from tests.console.conftest import APP, SETTINGS, Console

ISSUER = "https://id.example"
PAGES = sorted(navigation.listed())
ADMIN = Actor(subject="root", issuer="os", method="os", grants=(Grant(role=Role.ADMIN),))


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """A console that signs in at a provider; a sign-in counts for an hour."""
    text = SETTINGS.replace('sign_in = "demo"', 'sign_in = "oidc"\nsession = "1h"')
    assert text != SETTINGS
    return Console(tmp_path, monkeypatch, settings=text)


def person(page="now", subject="ada", **claims):
    at = AppTest.from_file(str(APP), default_timeout=120)
    right = {"is_logged_in": True, "iss": ISSUER, "sub": subject, "email": "", "iat": datetime.now(UTC).timestamp()}
    for name, value in {**right, **claims}.items():
        at.user[name] = value
    at.run()
    return at if page == "now" else at.switch_page(f"app_pages/{page}.py").run()


def give(console, role, subject="ada"):
    console.services.roles.grant(Holding(role=role, issuer=ISSUER, subject=subject), actor=ADMIN, reason="joined",
                                 op_id=f"{role}-{subject}", now=datetime.now(UTC))


def never(*_, **__):
    raise AssertionError("a query was asked for somebody without a role")


def test_no_page_runs_and_no_query_is_asked_for_who_holds_no_role(signed, monkeypatch):
    for store in ("measurements", "incidents", "releases", "runs", "audit", "sources", "quota", "reports"):
        kind = type(getattr(signed.services, store))
        for method in {"newest", "all", "get", "find", "current", "open", "count"} & set(dir(kind)):
            monkeypatch.setattr(kind, method, never)
    at = person()
    for page in PAGES:
        if page != "now":
            at.switch_page(f"app_pages/{page}.py").run()
        assert not at.exception
        assert "ada holds no role here" in signed.words(at)
        assert "interlock roles grant ROLE ada --issuer https://id.example" in signed.words(at)
        assert [b.label for b in at.button] == ["Sign out"]
    give(signed, Role.VIEWER)
    with pytest.raises(AssertionError, match="without a role"):
        session.services().measurements.newest()  # the trap would have been seen


def test_nobody_sees_a_page_without_signing_in(signed):
    at = person(is_logged_in=False)
    for page in PAGES:
        if page != "now":
            at.switch_page(f"app_pages/{page}.py").run()
        assert "Sign in to see this page." in signed.words(at)
        assert [b.label for b in at.button] == ["Sign in"]


@pytest.mark.parametrize("claims", [{"iss": None}, {"sub": ""}, {"iat": None}, {"iat": "now"}])
def test_claims_that_cannot_be_used_let_nobody_in(signed, claims):
    give(signed, Role.ADMIN)
    words = signed.words(person(**claims))
    assert "carries no usable" in words
    assert "Nothing" not in words


def test_a_role_counts_at_the_next_click_and_is_gone_at_the_one_after_it_was_revoked(signed):
    give(signed, Role.VIEWER)
    at = person("system")
    assert "System" in signed.words(at)
    signed.services.roles.revoke(Holding(role=Role.VIEWER, issuer=ISSUER, subject="ada"), actor=ADMIN, reason="left",
                                 op_id="gone", now=datetime.now(UTC))
    assert "ada holds no role here" in signed.words(at.run())


def test_a_sign_in_that_ends_under_an_open_page_decides_nothing(signed, monkeypatch):
    give(signed, Role.ADMIN)
    at = person("rules")
    at = at.checkbox[0].uncheck().run()
    at.text_area[0].set_value("too noisy")
    save = next(b for b in at.button if b.label == "Save rule")
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(session, "now", lambda: later)
    at = save.click().run()
    assert "the sign-in of ada ended at" in signed.words(at)
    assert [r for r in signed.services.audit.newest() if r.actor != ADMIN.identity] == []


def test_a_broken_source_is_shown_to_who_holds_a_role(signed):
    give(signed, Role.VIEWER)
    at = datetime.now(UTC)
    signed.services.sources.save(SourceState(name="step:runs", as_of=at, tried_at=at, ok=False, took_s=0.1,
                                             message="MLflow did not answer"))
    assert "MLflow did not answer" in signed.words(person("system"))
