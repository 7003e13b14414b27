"""`interlock incidents`, as a person types it: the same decisions as on the page."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from console.cli import app
from console.commands.face import plain_errors
from services.adapters.house_tables import SourceState
from services.adapters.ops_tables.releases import served
from tests.console.test_incidents import fail


def run(*words, persona="on-call"):
    with plain_errors():
        done = CliRunner().invoke(app, ["--as", persona, "incidents", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def shown(number="1"):
    return json.loads(run("show", number, "--json"))


@pytest.fixture
def open_incident(console):
    with console.services.db.write() as connection:
        connection.execute(insert(served).values(
            model="flight-delay", environment="production", at=datetime.now(UTC) - timedelta(minutes=36),
            weights={"12": 25.0}, generation=1, release_id="r-0001"))
    fail(console)
    return console


def test_with_none_open_it_says_so(console):
    assert run("list") == "no open incident\n"
    assert json.loads(run("list", "--json"))["items"] == []


def test_a_monitor_that_stopped_is_told_first_by_every_command_that_says_what_is_wrong(open_incident):
    at = datetime.now(UTC) - timedelta(minutes=20)
    open_incident.services.sources.save(SourceState(name="step:alerts", as_of=at, tried_at=at, ok=True, message="",
                                                    took_s=0.1))
    stopped, other = json.loads(run("list", "--json"))["items"]
    assert (stopped["id"], stopped["severity"], stopped["runbook"], other["id"]) == (None, "page", "monitor", 1)
    assert stopped["title"].startswith("the monitor made its last pass 20 min ago")
    told = json.loads(CliRunner().invoke(app, ["--as", "on-call", "status", "--json"]).stdout)
    assert (told["verdict"], told["items"][0]["subject"]) == ("fail", "monitor")


def test_an_incident_is_listed_and_shown_with_cause_steps_and_who_was_told(open_incident):
    (row,) = json.loads(run("list", "--json"))["items"]
    assert (row["id"], row["severity"], row["state"]) == (1, "page", "open")
    found = shown()
    assert found["members"][0]["reason"] == "p95 is 412 ms, limit 250"
    assert found["suspects"][0]["text"].endswith("after version 12 took 25% of production")
    assert found["steps"][0] == {"step": found["steps"][0]["step"], "done": False}
    assert [(x["whom"], x["state"], x["attempts"]) for x in found["told"]] == [("ann", "waiting", [])]
    words = run("show", "1")
    for part in ("members", "suspects", "steps", "history", "told", "version 12 took 25%"):
        assert part in words


def test_it_is_acknowledged_silenced_marked_and_resolved(open_incident):
    assert run("ack", "1", "--for", "2h", "--reason", "on it") == "incident 1 acknowledged for 2 h: on it\n"
    assert "for 4 h: known" in run("silence", "1", "--reason", "known")
    run("mark", "1", "useful")
    assert run("resolve", "1", "--reason", "feed is back") == "incident 1 resolved feed is back\n"
    assert [e["what"] for e in shown()["history"]] == ["opened", "acknowledged", "silenced", "marked", "resolved"]
    assert run("list") == "no open incident\n"
    assert len(json.loads(run("list", "--all", "--json"))["items"]) == 1


def test_a_repeat_under_the_same_op_id_is_the_same_decision(open_incident):
    run("ack", "1", "--op-id", "x1")
    assert run("ack", "1", "--op-id", "x1").endswith("(already)\n")
    assert [e["what"] for e in shown()["history"]] == ["opened", "acknowledged"]


def test_a_step_is_checked_off_by_its_number_or_its_words_and_once(open_incident):
    run("step", "1", "1")
    words = shown()["steps"][1]["step"]
    run("step", "1", words)
    assert run("step", "1", words).endswith("(already)\n")
    assert [s["done"] for s in shown()["steps"]][:3] == [True, True, False]


@pytest.mark.parametrize(("words", "said"), [
    (("show", "7"), "there is no incident 7"),
    (("step", "1", "dance"), "has no step 'dance'"),
    (("ack", "1", "--for", "soon"), "soon"),
    (("silence", "1", "--reason", " "), "takes a reason"),
    (("mark", "1", "perhaps"), "neither useful nor noise"),
])
def test_what_cannot_be_done_is_one_line(open_incident, capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_who_is_on_call_is_one_line(console):
    done = CliRunner().invoke(app, ["on-call"], catch_exceptions=False)
    assert done.stdout.startswith("on-call until ")
