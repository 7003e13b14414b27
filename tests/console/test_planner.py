"""The Planner page: does it fit, and what would a change do; empty, and with impossible input."""

from datetime import UTC, datetime, timedelta

from services.adapters.run_mirror import RunMirror
from tests.console.test_quota import with_pool
from tests.quota_fixtures import busy
from tests.training_fixtures import a_raw


def test_the_page_says_whether_everything_fits_and_compares_a_change(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    console.services.quota.write(busy(datetime.now(UTC), days=9, growth=0.1))  # fits at any hour of any day
    page = console.open("planner", pool="gpu-a100")
    assert not page.exception
    assert "pipelines fit gpu-a100 for 14 days" in console.words(page)
    lose = next(n for n in page.number_input if n.label.startswith("Lose"))
    lose.set_value(50.0)
    console.button(page, "Compare").click().run()
    words = console.words(page)
    assert not page.exception
    assert "after" in words
    assert "breaks first on" in words


def test_the_serving_calculator_and_the_estimator_answer(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    page = console.open("planner", pool="gpu-a100")
    console.button(page, "Calculate").click().run()
    assert "replicas" in console.words(page)
    console.button(page, "Estimate").click().run()
    assert "Not enough similar projects" in console.words(page)
    assert not page.exception


def test_an_estimate_can_name_what_the_runs_have_and_lists_it_beside_its_neighbours(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    now = datetime.now(UTC)
    RunMirror(console.services.db).mirror([
        a_raw(f"r{i}", start=now - timedelta(days=1 + i), params={"model_type": "boosting", "library": library},
              tags={"ops.pipeline": "churn", "ops.pipeline_kind": "training", "ops.req.gpu": "2"})
        for i, library in enumerate(["scikit-learn"] * 3 + ["keras"] * 3)], now=now)
    page = console.open("planner", pool="gpu-a100")
    boxes = {box.label: box for box in page.selectbox}
    assert (boxes["Model type"].options, boxes["Framework"].options) == (["boosting"], ["keras", "sklearn"])
    boxes["Framework"].set_value("keras")
    console.button(page, "Estimate").click().run()
    words = console.words(page)
    assert not page.exception
    assert "a run takes" in words
    assert words.index("boosting · keras") < words.index("boosting · sklearn"), "the nearest stand first"


def test_a_schedule_that_cannot_be_read_is_said_in_place(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    page = console.open("planner", pool="gpu-a100")
    page.number_input[3].set_value(8.0)
    page.text_input[0].set_value("whenever")
    console.button(page, "Compare").click().run()
    assert "has 1 fields" in console.words(page)
    assert not page.exception
