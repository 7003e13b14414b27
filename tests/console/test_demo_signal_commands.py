"""`interlock checks`, `quality` and `validate` on the seeded demo: a table for people, one document for programs."""

import json
from typing import Any

import pytest

from console.commands.face import EXIT
from services.core.measurement import Verdict
from services.validation.gate import Report
from tests.console.conftest import Console
from tests.console.test_signal_commands import run
from tests.demo_fixtures import DemoHome

pytestmark = pytest.mark.demo


def both(*words: str) -> tuple[dict[str, Any], str]:
    """Return the document and the table of a command, both ended as the verdict says."""
    code, said = run(*words, "--json")
    again, table = run(*words)
    document: dict[str, Any] = json.loads(said)
    assert (code, again) == (EXIT[Verdict(document["verdict"])],) * 2
    assert document["as_of"]
    assert table.rstrip().splitlines()[-1].startswith("as of ")
    return document, table


def test_checks_answer_for_every_column_of_the_model(demo_console: Console):
    assert demo_console.home
    document, table = both("checks", "flight-delay")
    asked = {(item["check"], item["column"]) for item in document["items"] if item["environment"] == "production"}
    assert {("missing_rate", "temp"), ("wrong_type_rate", "temp"), ("out_of_range_rate", "temp"),
            ("unseen_rate", "carrier"), ("duplicate_keys", ""), ("volume", ""), ("schema", "")} <= asked
    assert "carrier missing: " in table


@pytest.mark.parametrize(("model", "metric"), [("flight-delay", "auc"), ("air-time", "mae")])
def test_quality_is_realised_and_estimated_with_its_error_and_names_labels_that_never_come(
    demo_console: Console, model: str, metric: str
):
    assert demo_console.home
    document, table = both("quality", model)
    whole = {item["check"]: item for item in document["items"]
             if item["environment"] == "production" and not item["slice"]}
    assert set(whole) == {"quality", "estimated_quality", "label_coverage"}
    assert whole["quality"]["unit"] == metric
    assert whole["estimated_quality"]["detail"]["error"] > 0
    assert sum(whole["label_coverage"]["detail"]["absent"].values()) > 0
    assert "will never come" in table


def test_validate_says_what_each_gate_found(demo_copy: DemoHome, monkeypatch: pytest.MonkeyPatch):
    console = Console(demo_copy.folder, monkeypatch)  # a copy: the report is kept in the store
    champion = console.services.registry.champion("air-time")
    assert champion is not None
    code, said = run("validate", "air-time", champion.version, "--json")
    document = json.loads(said)
    gates = {item["gate"]: item["verdict"] for item in document["items"]}
    assert {"artefact digest", "loads", "schema and signature", "scores the test set"} <= set(gates)
    assert (gates["loads"], gates["scores the test set"]) == ("pass", "pass")
    assert code == EXIT[Verdict(document["verdict"])]

    class Again:
        """Gives the report that was just made: loading two models once is enough."""

        @staticmethod
        def validate(model: str, version: str, *, now: object) -> Report:
            assert now is not None
            return next(r for r in console.services.gates.recent(model) if r.version == version)

    monkeypatch.setattr("console.commands.signals.build_validator", lambda _services: Again())
    again, table = run("validate", "air-time", champion.version)
    assert again == code
    for gate in gates:
        assert gate in table
