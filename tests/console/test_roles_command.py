"""`interlock roles`, as a person types it."""

import json

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.commands.face import plain_errors
from services import bootstrap

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


def test_a_role_is_granted_listed_and_revoked(console):
    said = run("roles", "grant", "approver", "ada@example.org", "--issuer", "header", "--model", "flight-delay",
               "--reason", "joined")
    assert said == ("granted approver on model flight-delay in environment * to header:ada@example.org\n")
    listed = json.loads(run("roles", "list", "--json", persona="viewer"))["items"]
    assert [(i["who"], i["role"], i["model"], i["granted_by"]) for i in listed] == [
        ("ada@example.org", "approver", "flight-delay", "demo:admin")]
    run("roles", "revoke", "approver", "ada@example.org", "--issuer", "header", "--model", "flight-delay")
    assert json.loads(run("roles", "list", "--json"))["items"] == []
    assert [r.action for r in console.services.audit.newest()] == ["revoke a role", "grant a role"]


def test_roles_of_the_settings_are_listed_with_where_they_stand(console):
    with console.file.open("a") as out:
        out.write('\n[[roles]]\nrole = "manager"\nissuer = "https://id.example"\ngroup = "leads"\n')
    item = json.loads(run("roles", "list", "--json"))["items"][0]
    assert (item["who"], item["role"], item["granted_by"]) == ("group leads", "manager", "interlock.toml")


def test_the_same_operation_twice_is_done_once(console):
    words = ("roles", "grant", "viewer", "bob", "--op-id", "op-1")
    run(*words)
    assert "already done" in run(*words)
    assert len(console.services.roles.all()) == 1


def test_what_cannot_be_is_one_clear_line(console, capsys):
    assert "choose one of viewer, author" in refused(capsys, "roles", "grant", "owner", "bob")
    assert "takes admin" in refused(capsys, "roles", "grant", "viewer", "bob", persona="manager")
    assert "their own roles" in refused(capsys, "roles", "grant", "approver", "admin", "--issuer", "demo")
    assert "interlock roles list" in refused(capsys, "roles", "revoke", "viewer", "bob")
    assert console.services.roles.all() == []


def test_whoami_names_the_user_of_the_machine_and_how_to_get_a_role(console):
    done = RUN.invoke(app, ["roles", "whoami"], catch_exceptions=False)
    assert f"known by os as os:{bootstrap.os_claims().subject}" in done.stdout
    assert "interlock roles grant" in done.stdout


def test_a_role_in_the_store_counts_at_the_next_command(console):
    user = bootstrap.os_claims().subject
    run("roles", "grant", "on-call", user, "--environment", "staging")
    done = RUN.invoke(app, ["roles", "whoami", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["items"] == [{"role": "on-call", "model": "*", "environment": "staging"}]
