import logging
import tomllib
from pathlib import Path

import pytest
import streamlit as st

from console import launch
from services.errors import SettingsError
from services.settings import Settings

ROOT = Path(launch.__file__).parents[1]


def settings(**console):
    return Settings.model_validate({"console": console})


@pytest.mark.parametrize("mode", ["demo", "none"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "console.example"])
def test_personas_are_refused_on_an_address_others_can_reach(mode, host):
    with pytest.raises(SettingsError, match=r"Set console\.host"):
        launch.require_safe(settings(sign_in=mode, host=host), {})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_personas_are_allowed_on_loopback(host):
    launch.require_safe(settings(sign_in="demo", host=host), {})


def test_a_real_sign_in_may_listen_anywhere():
    launch.require_safe(settings(sign_in="oidc", host="0.0.0.0"), {})


def test_every_option_is_one_that_the_server_knows():
    from streamlit import config

    config.get_config_options()
    assert launch.options(settings(sign_in="header")).keys() <= config._config_options_template.keys()


def test_the_dangerous_defaults_are_off():
    found = launch.options(settings())
    assert found["client.showErrorDetails"] == "none"
    assert found["runner.fastReruns"] is False
    assert found["server.enableXsrfProtection"] is True
    assert found["server.enableAgentApi"] is False
    assert found["client.disableDataExport"] is True
    assert found["browser.gatherUsageStats"] is False
    assert found["server.fileWatcherType"] == "none"


def test_the_theme_of_the_launcher_equals_the_one_for_streamlit_run():
    beside = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert beside["theme"] == tomllib.loads(launch.THEME.read_text())["theme"]


def test_the_options_beside_the_code_agree_with_the_launcher():
    beside = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    for section in ("server", "client", "browser", "runner"):
        for name, value in beside[section].items():
            assert launch.OPTIONS[f"{section}.{name}"] == value, f"{section}.{name}"


def test_the_script_and_theme_have_absolute_paths():
    assert launch.SCRIPT.is_absolute()
    assert launch.SCRIPT.is_file()
    assert launch.THEME.is_absolute()


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "",
                                    "/a\r\nSet-Cookie: x=1", "\\\\evil.example"])
def test_going_back_after_sign_in_stays_here(target):
    assert launch.local_path(target) == "/"


@pytest.mark.parametrize("target", ["/", "/drift?model=flight-delay&window=24h"])
def test_going_back_after_sign_in_keeps_the_page(target):
    assert launch.local_path(target) == target


def test_an_error_in_a_page_shows_an_incident_and_logs_the_cause(caplog, monkeypatch):
    shown = []
    monkeypatch.setattr(st, "error", lambda words, **_: shown.append(words))
    with caplog.at_level(logging.ERROR):
        assert launch._say_incident(ValueError("secret detail")) is True
    incident = caplog.messages[0].split()[-1]
    assert incident in shown[0]
    assert "secret detail" not in shown[0]
    assert "secret detail" in caplog.text


GIVEN = {"INTERLOCK_OIDC_SECRET": "s", "INTERLOCK_COOKIE_SECRET": "c" * 32}
PROVIDER = {"metadata_url": "https://id.example/.well-known/openid-configuration", "client_id": "interlock"}


def test_the_identity_provider_is_named_by_the_settings_and_its_secrets_by_the_environment():
    found = launch.secrets(settings(sign_in="oidc", port=8501, oidc=PROVIDER), GIVEN)["auth"]
    assert found["redirect_uri"] == "http://localhost:8501/oauth2callback"
    assert (found["client_secret"], found["cookie_secret"]) == ("s", "c" * 32)


@pytest.mark.parametrize(("oidc", "environ", "says"), [
    ({}, GIVEN, r"console\.oidc\.metadata_url, console\.oidc\.client_id"),
    (PROVIDER, {}, "INTERLOCK_OIDC_SECRET, INTERLOCK_COOKIE_SECRET"),
    (PROVIDER, {**GIVEN, "INTERLOCK_COOKIE_SECRET": "short"}, "too short"),
    ({**PROVIDER, "redirect_uri": "https://console.example/other"}, GIVEN, "/oauth2callback"),
])
def test_half_a_provider_is_refused_at_start(oidc, environ, says):
    with pytest.raises(SettingsError, match=says):
        launch.secrets(settings(sign_in="oidc", oidc=oidc), environ)


def test_a_console_for_others_must_say_where_the_provider_sends_people_back():
    with pytest.raises(SettingsError, match=r"console\.oidc\.redirect_uri"):
        launch.secrets(settings(sign_in="oidc", host="0.0.0.0", oidc=PROVIDER), GIVEN)


def test_other_ways_of_signing_in_need_no_secret():
    assert launch.secrets(settings(sign_in="demo"), {}) == {}


@pytest.mark.parametrize(("console", "expected"), [
    ({"sign_in": "demo"}, {"localhost", "127.0.0.1", "::1"}),
    ({"sign_in": "none"}, {"localhost", "127.0.0.1", "::1"}),
    ({"sign_in": "oidc", "oidc": {"redirect_uri": "https://console.example/oauth2callback"}}, {"console.example"}),
    ({"sign_in": "header"}, set()),
    ({"sign_in": "header", "hosts": ["console.example"]}, {"console.example"}),
])
def test_the_names_it_answers_to_follow_from_the_way_of_signing_in(console, expected):
    assert set(launch.hosts(settings(**console))) == expected


def test_headers_of_the_proxy_become_who_is_asking_and_their_groups():
    found = launch.options(settings(sign_in="header", groups_header="X-Auth-Request-Groups"))
    assert found["server.trustedUserHeaders"] == {"X-Auth-Request-Email": "email", "X-Auth-Request-Groups": "groups"}


def test_headers_are_believed_from_elsewhere_only_with_the_proxys_secret():
    launch.require_safe(settings(sign_in="header"), {})
    with pytest.raises(SettingsError, match="anybody who reaches it could send the header"):
        launch.require_safe(settings(sign_in="header", host="0.0.0.0"), {})
    with pytest.raises(SettingsError, match="too short"):
        launch.require_safe(settings(sign_in="header", host="0.0.0.0"), {"INTERLOCK_PROXY_SECRET": "x"})
    launch.require_safe(settings(sign_in="header", host="0.0.0.0"), {"INTERLOCK_PROXY_SECRET": "x" * 32})
