"""`interlock backup`, `restore` and `prune`, as an admin types them."""

import json

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.commands.face import plain_errors
from services import bootstrap
from services.settings import load

RUN = CliRunner()


def run(*words, persona="admin", expect=0):
    with plain_errors():
        done = RUN.invoke(app, ["--as", persona, *words], catch_exceptions=False)
    assert done.exit_code == expect, done.output
    return done.stdout


def refused(capsys, *words, persona="admin"):
    with pytest.raises(SystemExit, match="2"):
        run(*words, persona=persona)
    return capsys.readouterr().err


def test_a_store_is_backed_up_proved_and_restored_elsewhere(console, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_AUDIT_KEY", "a key of the tests, long enough")
    run("roles", "grant", "viewer", "ada")
    assert "the audit chain of 1 rows holds, its end is signed" in run("backup", str(tmp_path / "b.zip"))
    assert "the audit chain holds" in run("restore", str(tmp_path / "b.zip"), "--check")
    elsewhere = tmp_path / "other" / "interlock.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(console.file.read_text())
    assert "restored; the audit chain holds" in run("--config", str(elsewhere), "restore", str(tmp_path / "b.zip"))
    again = bootstrap.build(load(str(elsewhere)))
    assert [g.holding.subject for g in again.roles.all()] == ["ada"]
    assert [r.action for r in again.audit.newest()] == ["restore", "grant a role"]
    assert [r.action for r in console.services.audit.newest()] == ["back up", "grant a role"]


def test_a_dry_run_names_every_kind_and_decides_nothing(console):
    told = json.loads(run("prune", "--dry-run", "--json", persona="viewer"))
    assert told["dry_run"] is True
    assert {item["kind"] for item in told["items"]} >= {"profiles", "samples", "notifications"}
    assert console.services.audit.newest() == []
    assert "the audit log is never pruned" in run("prune", "--reason", "yearly")
    assert [r.reason for r in console.services.audit.newest()] == ["yearly"]


@pytest.mark.parametrize("words", [("backup", "x.zip"), ("prune",)])
def test_only_an_admin_keeps_the_house(console, capsys, words):
    assert "takes admin" in refused(capsys, *words, persona="on-call")


def test_what_cannot_be_written_or_read_is_one_clear_line(console, capsys, tmp_path):
    assert "cannot be written: No such file or directory" in refused(capsys, "backup", "/nowhere/b.zip")
    assert "is no complete backup" in refused(capsys, "restore", str(console.file), "--check")
    assert "cannot be read" in refused(capsys, "restore", str(tmp_path / "absent"), "--check")
    run("backup", str(tmp_path / "b.zip"))
    assert "holds rows already" in refused(capsys, "restore", str(tmp_path / "b.zip"))


def test_too_short_a_retention_is_refused(console, capsys):
    with console.file.open("a") as out:
        out.write('\n[retention]\nlogs = "1d"\n')
    assert "retention.logs is shorter than 7 days" in refused(capsys, "prune", "--dry-run")
