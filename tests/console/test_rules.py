"""The Rules page and `interlock rules`: replay before saving, every version kept, narrowed to a model."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.commands.face import plain_errors
from console.identity import persona
from services.alerts import actions
from services.alerts.rule import Severity
from tests.console.test_incidents import fail

NAME = "latency_p95_ms"


def change(console, **fields):
    """Fill the form in as an admin and save it."""
    page = console.open("rules", persona="admin", rule=NAME)
    for key, value in fields.items():
        found = [w for w in (*page.number_input, *page.selectbox, *page.checkbox, *page.text_input)
                 if w.key == f"rule-{key.replace('_', '-')}:{NAME}"]
        page = found[0].set_value(value).run()
    page.text_area(key=f"reason:rule-{NAME}").set_value("contract says so").run()
    console.button(page, "Save rule").click().run()
    return console.words(page)


def test_the_replay_says_how_often_and_where_before_anything_is_saved(console):
    fail(console)
    page = console.open("rules", persona="admin", rule=NAME)
    assert "would have fired 1 time in 2 measurements, here:" in console.words(page)
    page.number_input(key=f"rule-above:{NAME}").set_value(500.0).run()
    assert "would have fired 0 times in 2 measurements." in console.words(page)
    assert console.services.incidents.rules() == []


def test_every_field_of_the_form_reaches_the_rule(console):
    words = change(console, above=250.0, warn_above=200.0, clear_above=230.0, owner="serving team", keep=20, page=False)
    assert f"{NAME} is in force as version 1 from the next pass on" in words
    (saved,) = console.services.incidents.rules()
    assert (saved.fail_above, saved.warn_above, saved.clear_above, saved.owner) == (250, 200, 230, "serving team")
    assert (saved.keep_firing.total_seconds(), saved.severity) == (1200, Severity.TICKET)


def test_each_version_says_who_changed_what(console):
    change(console, above=250.0)
    words = change(console, above=300.0)
    assert "demo:admin" in words
    assert "fail above none → 250" in words
    assert "fail above 250 → 300" in words
    assert [row.action for row in console.services.audit.newest()] == ["edit rule", "edit rule"]


def test_a_rule_for_one_model_stands_beside_the_one_for_all(console):
    change(console, model="air-time", above=900.0)
    (saved,) = console.services.incidents.rules()
    assert (saved.name, saved.model, saved.fail_above) == (f"{NAME} of air-time", "air-time", 900)
    words = console.words(console.open("rules"))
    assert f"{NAME} of air-time" in words


def test_the_rules_in_force_are_folded_by_whom_they_wake_and_those_changed_here_stand_open(console):
    change(console, above=250.0, page=False)
    page = console.open("rules")
    folds = {fold.label: console.words(fold) for fold in page.expander}
    (waking,), (waiting,) = ([label for label in folds if words in label] for words in ("wake", "wait"))
    assert NAME not in folds[waking] + folds[waiting]
    assert "error_share" in folds[waking]
    assert "log_freshness" in folds[waiting]
    (own,) = [e.proto.body for e in page.get("html") if "Rules in force: edited here or off" in e.proto.body]
    assert NAME in own
    assert "fails above 250" in own


def test_limits_that_contradict_are_refused_in_place(console):
    words = change(console, above=250.0, warn_above=400.0)
    assert "warn above 400 lies beyond fail above 250" in words
    assert console.services.incidents.rules() == []


def test_a_rule_that_is_mostly_noise_is_named_with_what_to_do(console):
    before = datetime.now(UTC) - timedelta(days=20)
    for night in range(5):
        fail(console, at=before + timedelta(days=night))
        (open_,) = console.services.incidents.current(resolved_since=datetime.now(UTC))
        for act, more in ((actions.mark, {"useful": False}), (actions.resolve, {"reason": "nothing was wrong"})):
            act(console.services.incidents, open_.id, actor=persona("on-call"), op_id=f"{act.__name__}{night}",
                now=before + timedelta(days=night, minutes=1), **more)
    words = console.words(console.open("rules"))
    assert f"Noise, below one useful in two: {NAME}, 0 of 5 useful" in words
    (listed,) = [row for row in json.loads(run("list", "--json").stdout)["items"] if row["name"] == NAME]
    assert (listed["useful_of_marked"], listed["noisy"]) == ("0 of 5", True)


def run(*words):
    with plain_errors():
        return CliRunner().invoke(app, ["rules", *words], catch_exceptions=False)


def test_the_command_replays_a_rule_as_it_is_and_as_it_would_be(console):
    fail(console)
    asked = json.loads(run("backtest", NAME, "--json").stdout)
    assert (asked["looks"], asked["fired"]) == (2, 1)
    assert asked["items"][0]["reason"] == "p95 is 412 ms, limit 250"
    assert json.loads(run("backtest", NAME, "--fail-above", "500", "--json").stdout)["fired"] == 0
    assert json.loads(run("backtest", NAME, "--fail-above", "400", "--for", "15m", "--json").stdout)["fired"] == 1
    assert json.loads(run("backtest", NAME, "--model", "air-time", "--json").stdout)["looks"] == 0


def test_a_clear_limit_without_a_limit_is_refused(console, capsys):
    with pytest.raises(SystemExit):
        run("backtest", NAME, "--clear", "3")
    assert "--clear takes a limit to clear from" in capsys.readouterr().err
