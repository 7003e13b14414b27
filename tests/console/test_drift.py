import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from typer.testing import CliRunner

from console.charts import heatmap, histograms
from console.charts.theme import DARK, LIGHT, finish
from console.cli import app
from console.identity import persona
from console.reports.drift import page
from services import bootstrap
from services.adapters.registry_table import RegisteredVersion
from services.core.window import HOUR, TimeWindow, floor_to
from services.drift.gather import chosen
from services.drift.grid import grid
from services.drift.measure import Against, Subject, compare_column
from services.drift.multivariate import Apart, How, measured, windows
from services.profiles.bins import ABOVE, BELOW, MISSING
from tests.drift_home import MODEL, fill


def test_without_profiles_the_page_says_what_to_run(console):
    page = console.open("drift")
    assert not page.exception
    assert "flight-delay cannot be compared yet" in console.words(page)
    assert "interlock monitor --once" in console.words(page)


def test_what_moved_is_said_first_with_since_when_and_how_sure(console):
    fill(console.services, datetime.now(UTC))
    page = console.open("drift", model=MODEL, window="24h")
    words = console.words(page)
    assert not page.exception
    assert "wind_speed moved: " in words
    assert words.index("wind_speed moved: ") < words.index("Every column over time")
    assert "wind_speed moved most, since" in words
    assert "against 20,000 of the training baseline (outline)" in words
    assert "power" in words
    assert "What goes with the predictions" in words
    assert "wind_speed" in words[words.index("What goes with the predictions"):words.index("One column")]
    assert len(page.get("vega_lite_chart")) == 2


def test_a_release_is_marked_where_the_columns_moved(console):
    now = datetime.now(UTC)
    fill(console.services, now)
    registered = RegisteredVersion(model=MODEL, version="8", run_id="r", created_at=now - timedelta(days=2),
                                   status="READY", source="")
    console.services.registry.replace([registered], {}, now=now)
    page = console.open("drift", model=MODEL, window="7d")
    assert not page.exception
    words = console.words(page)
    assert "version 8 of flight-delay was registered" in words[words.index("Dashed lines: "):]


def test_a_feature_in_the_address_is_the_one_close_up(console):
    fill(console.services, datetime.now(UTC))
    words = console.words(console.open("drift", model=MODEL, window="7d", feature="origin"))
    assert "origin keeps to its training baseline" in words


def test_a_slice_is_compared_with_its_own_baseline(console):
    fill(console.services, datetime.now(UTC), per_hour=150)
    page = console.open("drift", model=MODEL, window="7d", slice="origin=JFK")
    assert not page.exception
    assert "against 6,666 of the training baseline" in console.words(page)


@pytest.mark.parametrize("against", ["previous", "seasonal"])
def test_other_baselines_are_a_choice(console, against):
    fill(console.services, datetime.now(UTC), days=4)
    page = console.open("drift", model=MODEL, window="24h", against=against)
    assert not page.exception
    assert "Every column over time" in console.words(page)


def test_too_few_rows_are_unsure_and_not_fine(console):
    fill(console.services, datetime.now(UTC), per_hour=4, wind=0.0)
    words = console.words(console.open("drift", model=MODEL))
    assert "nobody can say" in words
    assert "are too few" in words
    assert "No feature and no prediction moved" not in words


def test_all_features_together_can_be_asked_for_once(console):
    fill(console.services, datetime.now(UTC))
    page = console.open("drift", persona="on-call", model=MODEL, window="24h")
    assert "whether they did was not looked at yet" in console.words(page)
    next(b for b in page.button if b.label == "Look at all features together").click().run()
    assert not page.exception
    [job] = console.services.jobs.recent(kind="together")
    assert job.args == {"model": MODEL, "environment": "production"}
    assert f"job {job.id}" in console.words(page)


def test_a_look_under_way_says_what_it_does_how_far_it_is_and_that_nobody_must_wait(console):
    now = datetime.now(UTC)
    fill(console.services, now)
    jobs = console.services.jobs
    job = jobs.enqueue("together", {"model": MODEL, "environment": "production"}, actor=persona("on-call"),
                       op_id="op-1", now=now - timedelta(minutes=2))
    words = console.words(console.open("drift", model=MODEL))
    assert "waiting for the monitor, 0% done, asked for 2 min ago It goes on when this page is closed." in words
    jobs.claim(now=now)
    jobs.finish(job, error="the log cannot be read", now=now)
    st.cache_data.clear()
    words = console.words(console.open("drift", model=MODEL))
    assert "The last look at all features together the log cannot be read" in words
    assert "when this page is closed" not in words


def test_what_was_found_of_all_features_together_is_said(console):
    now = datetime.now(UTC)
    fill(console.services, now)
    subject = Subject(model=MODEL, environment="production", version="7")
    apart = Apart(auc=0.8, n=1_500, m=4_500, usual=(0.5, 0.52, 0.51), columns=(("wind_speed", 1.0),))
    console.services.measurements.save([
        measured(subject, windows(now=now)[0], How.CLASSIFIER, apart, at=now),
        measured(subject, windows(now=now)[0], How.AUTOENCODER, None, at=now)])
    words = console.words(console.open("drift", model=MODEL, window="24h"))
    assert "domain classifier tells this week from the four before, most by wind_speed (100%)" in words
    assert "autoencoder: no rows are too few" in words
    assert "was not looked at yet" not in words


def test_an_environment_without_traffic_says_where_there_is_some(console):
    fill(console.services, datetime.now(UTC))
    words = console.words(console.open("drift", model=MODEL, environment="staging"))
    assert "served nothing in staging lately: it served in production" in words


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_charts_are_drawn_in_both_themes(console, colours):
    now = datetime.now(UTC)
    fill(console.services, now)
    of = chosen(console.services.baselines, console.services.profiles, MODEL, now=now)
    end = floor_to(now, HOUR)
    window = TimeWindow(end - timedelta(days=1), end)
    found = grid(of, window, Against.TRAINING)
    spec = finish(heatmap.overview(found, colours, marks=[{"at": now, "what": "v8 promoted"}]), colours).to_dict()
    cells, changes = spec["layer"]
    assert len(cells["layer"]) == 3, "shades, outlines and dots share the rows of the cells"
    assert changes["data"]["values"][0]["what"] == "v8 promoted"
    one = compare_column("wind_speed", of.pair(window, Against.TRAINING), of.baseline, Against.TRAINING)
    bars = finish(histograms.distribution(one, colours), colours).to_dict()
    # One chart that narrows with its page: in a row of two each would keep its width, and be cut off on a phone.
    places = bars["layer"][0]["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert sorted(p for p in places if p != " ") == sorted(shift.label for shift in one.shifts)
    assert places.index(" ") < min(places.index(name) for name in (BELOW, ABOVE, MISSING) if name in places)
    assert places.index(" ") > 1, "the bins stand left of what is in none of them"


@pytest.fixture
def command(console):
    def run(*words: str):
        return CliRunner().invoke(app, ["--config", str(console.file), "drift", *words])

    return run


def test_the_command_prints_one_document_and_exits_one_when_something_moved(console, command):
    fill(console.services, datetime.now(UTC), measure=False)
    done = command(MODEL, "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (answer["verdict"], answer["version"], answer["environment"]) == ("fail", "7", "production")
    assert answer["items"][0]["column"] == "wind_speed"
    assert {"psi", "js", "ks", "wasserstein", "power", "needed"} <= set(answer["items"][0]["detail"])


def test_the_command_exits_zero_when_all_is_fine_and_three_when_unsure(console, command):
    fill(console.services, datetime.now(UTC), wind=0.0, measure=False)
    assert command(MODEL).exit_code == 0
    assert command(MODEL, "--window", "1h").exit_code == 3
    assert command(MODEL, "--baseline", "previous", "--window", "48h").exit_code == 0


def test_the_command_says_on_how_many_past_days_each_column_moved(console, command):
    fill(console.services, datetime.now(UTC), days=8, moved_for=timedelta(days=3), measure=False)
    done = command(MODEL, "--over", "6d", "--json")
    answer = json.loads(done.stdout)
    by_column = {item["column"]: item for item in answer["items"]}
    assert done.exit_code == 0
    assert by_column["origin"]["moved"] == 0
    assert by_column["wind_speed"]["days"] == 6
    assert 2 <= by_column["wind_speed"]["moved"] == len(by_column["wind_speed"]["on"]) <= 4
    assert (answer["failed"], answer["days"]) == (sum(i["moved"] for i in answer["items"]), 18)
    assert f"{answer['failed']} of 18 days of columns that can fail did" in command(MODEL, "--over", "6d").stdout


def test_the_command_looks_at_all_features_together_and_is_unsure_without_a_log(console, command):
    fill(console.services, datetime.now(UTC), measure=False)
    done = command(MODEL, "--together", "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["verdict"]) == (3, "inconclusive")
    assert [item["way"] for item in answer["items"]] == list(How)
    assert all("too few" in item["reason"] for item in answer["items"])
    assert len(console.services.measurements.newest(name="multivariate_drift")) == 2


@pytest.mark.parametrize(("auc", "verdict", "code"), [(0.8, "fail", 1), (0.53, "pass", 0)])
def test_the_command_exits_by_what_was_told_apart(console, command, monkeypatch, auc, verdict, code):
    now = datetime.now(UTC)
    fill(console.services, now, measure=False)
    subject = Subject(model=MODEL, environment="production", version="7")
    apart = Apart(auc=auc, n=1_500, m=4_500, usual=(0.5, 0.52, 0.51), columns=(("wind_speed", 1.0),))
    found = [measured(subject, windows(now=now)[0], how, apart, at=now) for how in How]
    monkeypatch.setattr(bootstrap, "measure_together", lambda *_, **__: found)
    done = command(MODEL, "--together", "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["verdict"]) == (code, verdict)
    assert answer["items"][0]["detail"]["columns"] == [{"column": "wind_speed", "share": 1.0}]
    assert (answer["items"][0]["effect"], answer["items"][0]["alarm_from"]) == (auc, 0.6)
    assert "domain classifier" in command(MODEL, "--together").stdout


def test_the_report_is_one_page_without_anything_from_outside(console, command, tmp_path):
    fill(console.services, datetime.now(UTC), measure=False)
    file = tmp_path / "drift.html"
    command(MODEL, "--slice", "origin=JFK", "--html", str(file))
    page = file.read_text()
    assert "slice origin=JFK" in page
    assert "wind_speed" in page
    assert all(word not in page for word in ("<script", "http:", "https:", "src="))


@pytest.mark.parametrize(("words", "said"), [
    (("nothing",), "nothing is not a model of the settings: they have flight-delay, air-time"),
    ((MODEL, "--window", "soon"), "--window: 'soon' is not a length of time"),
    ((MODEL, "--window", "90m"), "a window of profiles is a whole number of hours"),
    ((MODEL, "--over", "12h"), "--over: past days are counted, and 12:00:00 is less than one"),
    ((MODEL, "--over", "ever"), "--over: 'ever' is not a length of time"),
    ((MODEL, "--slice", "origin=OSL"), "has no slice origin=OSL: it has origin=EWR"),
    ((MODEL, "--environment", "staging"), "served nothing in staging lately"),
    (("air-time",), "air-time has no profiles yet"),
    ((MODEL, "--html", "/nowhere/at/all.html"), "/nowhere/at/all.html cannot be written"),
])
def test_what_cannot_be_answered_is_one_line(console, command, words, said):
    fill(console.services, datetime.now(UTC), measure=False)
    done = command(*words)
    assert said in str(done.exception)


def test_text_from_outside_is_escaped_in_the_report(console):
    evil = "<img src=x>"
    now = datetime.now(UTC)
    fill(console.services, now)
    of = chosen(console.services.baselines, console.services.profiles, MODEL, now=now)
    found = [replace(m, reason=evil, column=evil, unit="") for m in
             of.measured(timedelta(days=1), Against.TRAINING, now=now)]
    assert evil not in page(of, found, Against.TRAINING)
    assert "&lt;img" in page(of, found, Against.TRAINING)
