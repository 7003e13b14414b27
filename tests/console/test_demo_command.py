"""`interlock demo` goes on with a home that an earlier version of the program seeded."""

from typer.testing import CliRunner

from console.cli import app
from services.adapters.ops_db import OpsDb
from services.demo import home
from services.settings import load


def test_a_home_of_an_earlier_schema_is_brought_up_before_anything_is_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(home, "reusable", lambda *_, **__: True)
    url = f"sqlite:///{tmp_path}/.interlock/ops.db"
    (tmp_path / ".interlock").mkdir()
    old = OpsDb(url)
    old.migrate("0015")
    old.engine.dispose()

    answer = CliRunner().invoke(app, ["demo", "--fast", "--no-serve"])

    assert answer.exit_code == 0, answer.output
    assert "going on with" in answer.output
    found = load(str(tmp_path / "interlock.toml"))
    assert found.store.url.endswith("/.interlock/ops.db")
    store = OpsDb(url)
    assert store.version() > "0015"
    store.engine.dispose()
