"""`interlock checks`, `quality`, `validate` and `accept-value`: tables, one JSON document, exit codes."""

import json

import pytest
from typer.testing import CliRunner

from console.cli import app
from services import bootstrap
from services.checks.schema import ColumnSchema, Schema
from services.core.measurement import Verdict
from services.errors import NotFound, Refused
from services.validation.gate import Gate, Report, not_run
from tests.console.conftest import Console
from tests.console.test_signal_pages import MODEL, NOW, measured


def run(*words: str, persona: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, [*(["--as", persona] if persona else []), *words])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_checks_exit_one_when_one_fails_and_print_one_document(console: Console):
    console.services.measurements.save([
        measured("missing_rate", Verdict.FAIL, "carrier missing: 90 of 900 rows", column="carrier", value=0.1),
        measured("volume", Verdict.PASS, "900 rows")])
    code, said = run("checks", MODEL, "--json")
    document = json.loads(said)
    assert code == 1
    assert (document["verdict"], document["items"][0]["column"]) == ("fail", "carrier")
    assert "90 of 900 rows" in run("checks", MODEL)[1]


def test_nothing_measured_exits_three_and_says_what_to_run(console: Console):
    assert console.home
    code, said = run("checks", MODEL)
    assert code == 3
    assert "interlock monitor --once" in said


def test_quality_is_the_models_and_a_small_slice_does_not_make_it_unsure(console: Console):
    console.services.measurements.save([
        measured("quality", Verdict.PASS, "auc 0.74"),
        measured("quality", Verdict.INCONCLUSIVE, "14 labelled answers", slice="origin=JFK")])
    assert run("quality", MODEL)[0] == 0


def test_an_unknown_model_is_told_with_the_known_ones(console: Console):
    assert console.home
    with pytest.raises(NotFound, match="they have flight-delay, air-time"):
        run("quality", "fares")


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.INCONCLUSIVE, 3)])
def test_validate_exits_by_its_verdict(console: Console, monkeypatch: pytest.MonkeyPatch, verdict: Verdict, code: int):
    assert console.home

    class Stand:
        """Stands in for loading two models, which tests/contract/test_candidate.py does for real."""

        @staticmethod
        def validate(model: str, version: str, *, now: object) -> Report:
            assert now is not None
            gate = (not_run("loads", "no time", required=True) if verdict is Verdict.INCONCLUSIVE
                    else Gate(name="loads", verdict=verdict, reason="loaded", required=True))
            return Report(model=model, version=version, champion="1", artefact="a", gates=(gate,), at=NOW)

    monkeypatch.setattr("console.commands.signals.build_validator", lambda _services: Stand())
    found, said = run("validate", MODEL, "2", "--json")
    assert found == code
    assert json.loads(said)["items"][0]["verdict"] == ("not run" if code == 3 else str(verdict))
    assert bootstrap.build_validator is not None


def test_an_author_accepts_a_value_at_the_command_line(console: Console):
    console.services.schemas.propose(Schema(model=MODEL, version="3", revision=1, columns={
        "carrier": ColumnSchema(name="carrier", kind="categorical", categories=("AA",))}), now=NOW)
    code, said = run("accept-value", MODEL, "3", "carrier", "XX", "--reason", "new carrier", persona="author")
    assert code == 0, said
    assert "schema revision 2" in said


def test_a_schema_is_shown_edited_and_its_history_listed(console: Console):
    console.services.schemas.propose(Schema(model=MODEL, version="3", revision=1, columns={
        "carrier": ColumnSchema(name="carrier", kind="categorical", categories=("AA", "DL")),
        "dep_hour": ColumnSchema(name="dep_hour", kind="numeric", low=0.0, high=23.0)}), now=NOW)
    code, said = run("schema", "edit", MODEL, "3", "dep_hour", "--high", "24", "--missing", "0.1", "--reason", "night",
                     persona="author")
    assert code == 0
    assert said == "flight-delay v3: schema revision 2; dep_hour: range 0 to 23 → 0 to 24, missing 0.00% → 10.00%\n"
    assert run("schema", "edit", MODEL, "3", "--fresh", "2h", "--reason", "night", persona="author")[0] == 0
    code, said = run("schema", "show", MODEL, "3", "--json")
    document = json.loads(said)
    assert (document["revision"], document["fresh_s"]) == (3, 7_200.0)
    assert [i["expects"] for i in document["items"]] == ["AA, DL", "0 to 24"]
    assert "age of the newest row: 2 h" in run("schema", "show", MODEL, "3")[1]
    assert [i["revision"] for i in json.loads(run("schema", "history", MODEL, "3", "--json")[1])["items"]] == [3, 2, 1]


@pytest.mark.parametrize(("words", "told"), [
    (("--fresh", "soon"), "is not a length of time"), (("--judged", "perhaps"), "write yes or no"),
    (("carrier", "--low", "1"), "is a category"), (("nothing",), "has no column nothing"),
])
def test_an_edit_that_cannot_be_is_refused_in_one_line(console: Console, words: tuple[str, ...], told: str):
    console.services.schemas.propose(Schema(model=MODEL, version="3", revision=1, columns={
        "carrier": ColumnSchema(name="carrier", kind="categorical", categories=("AA",))}), now=NOW)
    with pytest.raises(Refused, match=told):
        run("schema", "edit", MODEL, "3", *words, "--reason", "night", persona="author")


def test_a_version_without_a_schema_says_where_one_comes_from(console: Console):
    assert console.home
    with pytest.raises(NotFound, match="interlock monitor --once"):
        run("schema", "show", MODEL, "9")
