"""Signing in at a real identity provider, in a real browser: who gets in, who does not, and for how long."""

import os
import subprocess
import sys

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serve, stop
from tests.browser.small_home import seed
from tests.oidc_provider import CLIENT, SECRET, running
from tests.ports import free_port

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider():
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def console(provider, tmp_path_factory):
    """A console that signs in at the provider; a sign-in counts for an hour."""
    folder = tmp_path_factory.mktemp("oidc")
    file = seed(folder)
    port = free_port()
    text = file.read_text().replace('sign_in = "demo"', f'sign_in = "oidc"\nsession = "1h"\nport = {port}')
    file.write_text(f"""{text}
[console.oidc]
metadata_url = "{provider.metadata_url}"
client_id = "{CLIENT}"

[[roles]]
role = "on-call"
issuer = "{provider.issuer}"
group = "approvers"
""")
    process, base = serve(file, folder / "console.log", port=port, secrets={
        "INTERLOCK_OIDC_SECRET": SECRET, "INTERLOCK_COOKIE_SECRET": "a secret of forty characters, made up now"})
    yield base.replace("127.0.0.1", "localhost"), folder
    stop(process)


@pytest.fixture(autouse=True)
def _well(provider):
    provider.fault, provider.issued_ago_s = "", 0.0
    yield
    provider.fault, provider.issued_ago_s = "", 0.0


def sign_in(visit, base, person, path="/"):
    """Visit as nobody, follow the sign-in button to the provider, and choose a person there."""
    someone = visit(base, persona="")
    page = someone.go(path)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=f"I am {person}").click()
    someone.settle()
    someone.foreign.clear()  # the provider is another host, and meant
    return someone


def test_a_person_with_a_role_signs_in_acts_and_signs_out(console, provider, visit):
    base, _ = console
    someone = sign_in(visit, base, "ada")
    expect(someone.page.get_by_text("Signed in as ada@example.org")).to_be_visible()
    expect(someone.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
    assert provider.challenged, "the code was not bound to this browser by PKCE"
    before = provider.signed_out
    someone.page.get_by_role("button", name="Sign out").click()
    expect(someone.page.get_by_text("Sign in to see this page.")).to_be_visible()
    assert provider.signed_out == before + 1
    someone.foreign.clear()
    someone.go("/system")
    expect(someone.page.get_by_text("Sign in to see this page.")).to_be_visible()


def test_a_person_without_a_role_sees_no_page_and_what_to_ask_for(console, visit):
    base, _ = console
    someone = sign_in(visit, base, "bob")
    expect(someone.page.get_by_text("bob@example.org holds no role here")).to_be_visible()
    someone.go("/system")
    expect(someone.page.get_by_text("holds no role here")).to_be_visible()
    expect(someone.page.get_by_text("Sources and steps")).to_have_count(0)


def test_a_hostile_name_or_group_of_the_provider_stays_text(console, visit):
    base, _ = console
    someone = sign_in(visit, base, "eve")  # her group is almost the right one
    expect(someone.page.get_by_text('<img src="http://evil.example/x.png"> holds no role here')).to_be_visible()
    assert someone.page.locator('[data-testid="stMain"] img').count() == 0


@pytest.mark.parametrize("fault", ["expired", "wrong audience", "wrong key", "wrong nonce", "unsigned"])
def test_a_token_that_is_wrong_signs_nobody_in(console, provider, visit, fault):
    base, _ = console
    provider.fault = fault
    someone = sign_in(visit, base, "ada")
    expect(someone.page.get_by_text("Sign in to see this page.")).to_be_visible()
    assert "Traceback" not in someone.page.content()


def test_a_sign_in_that_is_too_old_must_be_made_anew(console, provider, visit):
    base, _ = console
    provider.issued_ago_s = 3_700  # the token itself is good for a day
    someone = sign_in(visit, base, "ada")
    expect(someone.page.get_by_text("the sign-in of ada ended at")).to_be_visible()
    expect(someone.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_cookie_made_with_another_secret_is_nobody(console, visit):
    base, _ = console
    someone = visit(base, persona="")
    someone.context.add_cookies([{"name": "_streamlit_user", "value": "eyJzdWIiOiJhZGEifQ.forged.forged", "url": base},
                                 {"name": "interlock_persona", "value": "admin", "url": base}])
    expect(someone.go("/").get_by_text("Sign in to see this page.")).to_be_visible()


def test_neither_log_nor_page_carries_a_secret(console, visit):
    base, folder = console
    sign_in(visit, base, "ada")
    log = (folder / "console.log").read_text()
    assert SECRET not in log
    assert "made up now" not in log
    assert "persona" not in httpx.get(f"{base}/sign-in/admin").headers.get("set-cookie", "")


def test_a_console_that_lacks_a_secret_does_not_start(console):
    _, folder = console
    done = subprocess.run(
        [sys.executable, "-c", "from console.cli import main; main()", "--config",
         str(folder / "interlock.toml"), "console"], capture_output=True, text=True, timeout=400, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")})
    assert done.returncode == 2
    assert "INTERLOCK_OIDC_SECRET, INTERLOCK_COOKIE_SECRET" in done.stderr
    assert "Traceback" not in done.stderr
