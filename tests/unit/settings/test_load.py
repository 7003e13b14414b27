"""Settings are read once, and what cannot work is refused in one line: file, key, value, what would be right."""

import pytest

from services.errors import SettingsError
from services.settings import load


def refusal(tmp_path, text, environ=None):
    file = tmp_path / "interlock.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(str(file), environ=environ or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_set_gives_the_embedded_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load(environ={})
    assert settings.store_url == f"sqlite:///{tmp_path}/.interlock/ops.db"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/.interlock/mlflow.db"


def test_relative_paths_are_read_from_the_folder_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "interlock.toml").write_text('[store]\nurl = "sqlite:///x/ops.db"\n')
    monkeypatch.chdir(tmp_path)
    assert load("team/interlock.toml", environ={}).store_url == f"sqlite:///{tmp_path}/team/x/ops.db"


def test_the_environment_overrides_the_file_and_reaches_names_with_hyphens(tmp_path):
    file = tmp_path / "interlock.toml"
    file.write_text('[models.flight-delay]\ntask = "binary"\nlog = "p"\n[gateway]\nport = 1\n')
    environ = {"INTERLOCK_GATEWAY__PORT": "0", "INTERLOCK_MODELS__FLIGHT_DELAY__OWNER": "growth"}
    settings = load(str(file), environ=environ)
    assert settings.gateway.port == 0
    assert settings.models["flight-delay"].owner == "growth"


def test_a_named_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nope\.toml does not exist"):
        load(str(tmp_path / "nope.toml"), environ={})


def test_broken_toml_names_the_line(tmp_path):
    assert "line 2" in refusal(tmp_path, "[store]\nurl = = 3\n")


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path):
    assert "gateway.prot is not a known setting; did you mean port?" in refusal(tmp_path, "[gateway]\nprot = 1\n")
    assert "did you mean task?" in refusal(tmp_path, '[models.m]\ntaks = "binary"\nlog = "x"\ntask = "binary"\n')


def test_a_missing_key_is_named(tmp_path):
    assert "models.m.task is missing" in refusal(tmp_path, '[models.m]\nlog = "x"\n')


@pytest.mark.parametrize(("text", "said"), [
    ("[gateway]\nport = 99999\n", "gateway.port = 99999"),
    ('[retention]\nlogs = "soon"\n', "retention.logs = 'soon'"),
    ('[[pools]]\nname = "a"\nresource = "cpu"\nlimit = -1\n', "pools.0.limit = -1"),
    ('[[pools]]\nname = "a"\nresource = "cpu"\nlimit = 1\n' * 2, "a is named twice"),
])
def test_an_impossible_value_is_refused_with_its_key(tmp_path, text, said):
    assert said in refusal(tmp_path, text)


def test_an_environment_name_without_a_key_is_refused(tmp_path):
    assert "INTERLOCK_STORE__URL" in refusal(tmp_path, "", {"INTERLOCK_STORE": "x"})
