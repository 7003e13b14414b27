"""`interlock releases`, `audit` and `serving-at`, as a person types them."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.commands.face import plain_errors
from services.releases.plan import CANARY
from tests.releases_fixtures import FIRST, MODEL, SECOND, House

RUN = CliRunner()


@pytest.fixture
def house(console):
    made = House(console.services.db, now=datetime.now(UTC))
    made.desk, made.terms = console.services.desk, console.services.desk.terms
    made.worker = made.new_worker()
    made.serving("1")
    return made


def run(*words: str, persona: str = "viewer", expect: int = 0) -> str:
    with plain_errors():
        done = RUN.invoke(app, ["--as", persona, *words], catch_exceptions=False)
    assert done.exit_code == expect, done.output
    return done.stdout


def answer(*words: str, persona: str = "viewer") -> dict:
    return json.loads(run(*words, "--json", persona=persona))


def test_the_whole_way_at_the_command_line(house):
    done = answer("releases", "propose", MODEL, "2", "--reason", "better", persona="author")
    house.run()
    for name in ("approver-1", "approver-2"):
        answer("releases", "approve", done["release"], "--reason", "read", persona=name)
    house.run()
    for name in ("approver-1", "approver-2"):
        said = answer("releases", "promote", done["release"], "--reason", "go", persona=name)
    assert (said["promoted"], said["state"]) == (True, "promoting")
    house.run()
    assert house.weights() == {"2": 100.0}
    assert answer("serving-at", house.now.isoformat())["items"][0]["weights"] == {"2": 100.0}

    answer("releases", "rollback", MODEL, "--reason", "errors", persona="on-call")
    house.run()
    shown = answer("releases", "show", done["release"])
    assert shown["state"] == "rolled back"
    assert [row["action"] for row in shown["timeline"]][:2] == ["propose", "record evidence"]
    assert {row["state"] for row in shown["operations"]} == {"done"}
    assert answer("releases", "list")["items"][0]["id"] == done["release"]


def test_what_was_serving_is_told_for_any_time_before_during_and_after_a_canary(house):
    house.serving("7", environment="staging")
    asked = house.now
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.run(60)
    split = house.now
    house.roll_back()
    house.run(60)
    back = house.now

    def then(moment, *words: str) -> list[tuple[str, dict]]:
        return [(row["environment"], row["weights"])
                for row in answer("serving-at", moment.isoformat(), *words)["items"]]

    assert then(asked) == []
    assert ("production", {"1": 90.0, "2": 10.0}) in then(split)
    assert then(split, "--environment", "staging") == []
    assert then(split, "--model", "air-time") == []
    assert then(back, "--model", MODEL, "--environment", "production") == [("production", {"1": 100.0})]
    assert then(split + (back - split) / 2) == then(split)
    assert answer("serving-at", split.replace(tzinfo=None).isoformat())["items"][0]["release"] == release.id


def test_a_repeat_with_the_same_op_id_proposes_once(house):
    words = ("releases", "propose", MODEL, "2", "--reason", "better", "--op-id", "once")
    assert answer(*words, persona="author")["release"] == answer(*words, persona="author")["release"]
    assert len(answer("releases", "list")["items"]) == 1


def test_a_teams_own_plan_is_a_yaml_file(house, tmp_path):
    plan = tmp_path / "careful.yaml"
    plan.write_text("name: careful\nneeds_labels: true\n"
                    "steps:\n- {weight_pct: 5, min_requests: 500}\n- weight_pct: 20\n")
    made = answer("releases", "propose", MODEL, "2", "--reason", "x", "--plan", str(plan), persona="author")
    kept = answer("releases", "show", made["release"])["plan"]
    assert (kept["name"], kept["needs_labels"], [s["weight_pct"] for s in kept["steps"]]) == ("careful", True, [5, 20])


@pytest.mark.parametrize(("text", "said"), [
    ("steps: [}", "neither YAML nor JSON"), ("- 1", "has no keys"), ("stages: 3", "stages is not a known key"),
    ("steps: [{weight_pct: 50}, {weight_pct: 10}]", "must rise")])
def test_a_plan_file_that_means_nothing_is_refused_in_one_line(console, capsys, tmp_path, text, said):
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    with pytest.raises(SystemExit):
        run("releases", "propose", MODEL, "2", "--reason", "x", "--plan", str(plan), persona="author")
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("words", "persona", "said"), [
    (("releases", "propose", MODEL, "2", "--reason", "x"), "viewer", "to propose takes author"),
    (("releases", "propose", MODEL, "2", "--reason", " "), "author", "takes a reason"),
    (("releases", "propose", MODEL, "2", "--reason", "x", "-e", "moon"), "author", "there is no environment moon"),
    (("releases", "propose", MODEL, "2", "--reason", "x", "--plan", "none.json"), "author", "none of direct"),
    (("releases", "show", "r-0404"), "viewer", "there is no release r-0404"),
    (("serving-at", "yesterday"), "viewer", "is not a time"),
    (("releases", "rollback", MODEL, "--reason", "x"), "on-call", "no version was served before"),
    (("releases", "drill", MODEL), "viewer", "to drill takes"),
])
def test_what_cannot_be_done_is_one_line_that_says_why(console, capsys, words, persona, said):
    with pytest.raises(SystemExit) as ended:
        run(*words, persona=persona)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_anchor_finds_a_cut_off_tail(house, tmp_path, monkeypatch):
    from services.adapters.ops_tables.house import audit

    monkeypatch.setenv("INTERLOCK_AUDIT_KEY", "a key of sixteen or more")
    house.propose("2")
    head = tmp_path / "head.json"
    run("audit", "export", "--head", str(head))
    assert answer("audit", "verify", "--anchor", str(head))["verdict"] == "pass"
    with house.db.write() as connection:
        last = max(connection.execute(audit.select().with_only_columns(audit.c.seq)).scalars())
        connection.execute(audit.delete().where(audit.c.seq == last))

    assert "the chain holds" in run("audit", "verify")
    assert "tail was cut off" in run("audit", "verify", "--anchor", str(head), expect=1)


def test_the_chain_is_exported_row_by_row(house, tmp_path):
    house.propose("2")
    run("audit", "export", "--to", str(tmp_path / "chain.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "chain.jsonl").read_text().splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


def test_empty_lists_say_what_to_do(console):
    assert "propose MODEL VERSION" in run("releases", "list")
    assert "nothing had been released" in run("serving-at", "2026-01-01")
    assert "no release that ended had a canary" in run("releases", "backtest")
