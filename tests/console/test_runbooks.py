"""The Runbooks page: the five deployment documents first, with what holds on this installation."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from services.adapters.ops_tables.releases import served
from tests.console.conftest import SETTINGS, Console
from tests.console.test_incidents import fail

FIVE = {
    "deploy-approvals": ("Approvals required", "the proposer and the last editor of the plan never approve"),
    "deploy-into-production": ("How a model is put into production", "wait for the gates"),
    "deploy-where": ("Where it is deployed", "only the observed share is what people get"),
    "deploy-failed": ("What to do when a deployment fails", "roll back at once"),
    "deploy-roll-back": ("How to roll back", "interlock releases rollback"),
}

APART = """
[models.tips]
task = "regression"
log = "home/predictions/tips"

[[approvals]]
model = "air-time"
environment = "production"
start = 1
increase = 0
promote = 1
"""


def test_the_five_documents_stand_first(console):
    page = console.open("runbooks")
    assert page.selectbox(key="pick:runbook").options[:5] == [title for title, _ in FIVE.values()]
    words = console.words(page)
    assert "Every team must have five documents" in words


@pytest.mark.parametrize("name", FIVE)
def test_each_of_the_five_says_what_a_team_must_know(console, name):
    title, content = FIVE[name]
    words = console.words(console.open("runbooks", runbook=name))
    assert f"{title} · shipped" in words
    assert content in words.lower()


def test_the_document_on_approvals_says_how_many_sign_here(console):
    words = console.words(console.open("runbooks", runbook="deploy-approvals"))
    assert "every model production 2 1 2" in words
    assert "flight-delay production" not in words, "one line for all that ask for the same"


def test_models_that_ask_for_other_signatures_stand_before_the_others(tmp_path, monkeypatch):
    console = Console(tmp_path, monkeypatch, settings=SETTINGS + APART)
    words = console.words(console.open("runbooks", runbook="deploy-approvals"))
    assert "air-time production 1 0 1 every other model production 2 1 2" in words
    assert "every model staging" in words


def test_the_document_on_places_says_what_serves_here(console):
    with console.services.db.write() as connection:
        connection.execute(insert(served).values(
            model="flight-delay", environment="production", at=datetime.now(UTC) - timedelta(hours=1),
            weights={"11": 75.0, "12": 25.0}, generation=1, release_id="r-0001"))
    words = console.words(console.open("runbooks", runbook="deploy-where"))
    assert "production gateway as the target says flight-delay: version 11 75%, version 12 25%" in words
    assert "staging gateway as the target says nothing was released here yet" in words


def test_a_runbook_names_its_rules_and_the_incident_that_is_open_under_it(console):
    fail(console)
    words = console.words(console.open("runbooks", runbook="latency"))
    assert "Rules that lead here" in words
    assert "Open now: flight-delay: p95 is 412 ms, limit 250" in words.replace("\\", "")


def test_a_teams_own_file_takes_the_place_of_the_shipped_one_and_stays_text(console, tmp_path, monkeypatch):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "latency.md").write_text("# Ours\n<img src=x onerror=alert(1)> **bold**\n## Steps\n- [ ] Call Ann\n")
    monkeypatch.setenv("INTERLOCK_RUNBOOKS__PATH", str(folder))
    page = console.open("runbooks", runbook="latency")
    words = console.words(page)
    assert "Ours · the team's" in words
    assert "<img src=x onerror=alert(1)>" in words
    assert "Call Ann" in words
    assert all("<img" not in element.proto.body for element in page.get("html"))
