"""A complete seed is gone on with; an unfinished one is moved aside; a stranger's settings file is left alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.alerts.from_settings import rotation_of
from services.demo import home
from services.demo.configuration import configuration
from services.demo.shift import data_ends, weeks_to
from services.errors import Refused
from services.settings import load

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
WEEKS = weeks_to(NOW)


def complete(folder: Path, *, fast: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    home.complete(folder, fast=fast, weeks=WEEKS, now=NOW)
    return folder


def test_a_complete_seed_is_gone_on_with(tmp_path: Path) -> None:
    assert home.reusable(complete(tmp_path / "h"), fast=True, now=NOW + timedelta(days=3))


def test_a_seed_without_its_marker_is_not(tmp_path: Path) -> None:
    (tmp_path / "ops.db").write_bytes(b"half")
    assert not home.reusable(tmp_path, fast=True, now=NOW)


def test_a_fast_seed_is_too_small_for_the_full_demo(tmp_path: Path) -> None:
    folder = complete(tmp_path / "h", fast=True)
    assert not home.reusable(folder, fast=False, now=NOW)
    assert home.reusable(complete(tmp_path / "full", fast=False), fast=True, now=NOW)


def test_a_seed_whose_flights_are_all_flown_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = complete(tmp_path / "h")
    assert not home.reusable(folder, fast=True, now=data_ends(weeks=WEEKS))


def test_a_seed_of_an_older_version_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = complete(tmp_path / "h")
    monkeypatch.setattr(home, "SEED_VERSION", home.SEED_VERSION + 1)
    assert not home.reusable(folder, fast=True, now=NOW)


def test_an_unfinished_home_is_moved_and_not_deleted(tmp_path: Path) -> None:
    (tmp_path / ".interlock").mkdir()
    (tmp_path / ".interlock" / "ops.db").write_bytes(b"somebody's audit chain")
    aside = home.move_aside(tmp_path / ".interlock", now=NOW)
    assert aside is not None
    assert (aside / "ops.db").read_bytes() == b"somebody's audit chain"
    assert not (tmp_path / ".interlock").exists()


def test_nothing_is_moved_where_nothing_is(tmp_path: Path) -> None:
    assert home.move_aside(tmp_path / ".interlock", now=NOW) is None


def test_a_settings_file_of_somebody_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "interlock.toml"
    file.write_text("[home]\n", encoding="utf-8")
    with pytest.raises(Refused, match="empty folder"):
        home.write_configuration(file, "other")
    assert file.read_text(encoding="utf-8") == "[home]\n"


def test_the_demos_settings_are_valid_and_its_own_to_write_again(tmp_path: Path) -> None:
    file = tmp_path / "interlock.toml"
    for port in (8501, 9000):
        home.write_configuration(file, configuration(port=port, gateway_port=8601, today=NOW.date()))
        settings = load(str(file), environ={})
        assert settings.console.port == port
    assert settings.console.sign_in == "demo"
    assert settings.console.host == "127.0.0.1"
    assert set(settings.models) == {"flight-delay", "air-time"}
    assert {pool.name for pool in settings.pools} == {"cores", "memory"}
    assert {p.pool for p in settings.pipelines} == {"cores"}
    assert settings.home_path == tmp_path / ".interlock"
    duty = rotation_of(settings).duty(NOW)
    assert (duty.person.name, duty.next.name) == ("On-call engineer", "Relief engineer"), "who looks at it is on call"


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with home.only_one(tmp_path), pytest.raises(Refused, match="already runs"), home.only_one(tmp_path):
        pass
    with home.only_one(tmp_path):
        pass
