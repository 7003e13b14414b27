"""Every page over the seeded demo: it has something to show, whoever looks."""

import html
import json
from collections import Counter

import altair as alt
import pytest
from sqlalchemy import event

from console import navigation, session
from console.identity import PERSONAS

pytestmark = pytest.mark.demo


def check_charts(opened):
    """Hold every chart against the schema; the console itself does not, and a browser would draw nothing."""
    for chart in opened.get("vega_lite_chart"):
        spec = json.loads(chart.proto.spec)
        if chart.proto.data.data:  # Streamlit sends the rows of a single view beside it
            spec["data"] = {"values": []}
        alt.Chart.from_dict(spec, validate=True)


@pytest.mark.parametrize("page", sorted(navigation.listed()))
def test_every_page_has_something_to_show_to_every_role(demo_console, page):
    opened = None
    for persona in PERSONAS:
        demo_console.persona = persona
        opened = opened.run() if opened else demo_console.open(page, persona=persona)
        if persona == next(iter(PERSONAS)):
            check_charts(opened)
        words = demo_console.words(opened)
        assert not opened.exception, f"as {persona}: {[e.value for e in opened.exception]}"
        assert "cannot be shown" not in words, persona
        assert "Nothing was measured yet" not in words, persona


def test_now_names_both_models_and_never_calls_unsure_fine(demo_console):
    opened = demo_console.open("now", persona="on-call")
    words = demo_console.words(opened)
    assert "flight-delay" in words
    assert "air-time" in words
    assert "unsure" in words


def test_a_search_finds_a_version_a_feature_and_a_page(demo_console):
    assert "flight-delay v1" in demo_console.words(demo_console.open("search", q="flight-delay v1"))
    assert "wind_gust of flight-delay" in demo_console.words(demo_console.open("search", q="wind_gust"))
    assert "Drift" in demo_console.words(demo_console.open("search", q="drift"))
    assert "Nothing here is called" in demo_console.words(demo_console.open("search", q="no such thing at all"))


def test_system_says_what_is_real_and_what_is_not(demo_console):
    words = demo_console.words(demo_console.open("system"))
    for truth in ("real", "replayed", "simulated", "injected"):
        assert truth in words


@pytest.mark.parametrize(("page", "said"), [("quality", "dotted: a week before"), ("drift", "A week before,"),
                                            ("training", "a week before")])
def test_one_click_shows_the_week_before_beside_this_one(demo_console, page, said):
    opened = demo_console.open(page, compare="week")
    assert not opened.exception
    assert said in demo_console.words(opened)


def told_by(opened):
    """Return what a page says its numbers are."""
    return next(e.proto.body for e in opened.get("html") if "il-meanings" in e.proto.body)


def test_a_page_says_what_its_numbers_are_and_leads_to_their_runbook(demo_console):
    told = told_by(demo_console.open("data"))
    assert "share of values that are missing" in told.lower()
    assert 'href="/runbooks?runbook=missing-values"' in told


@pytest.mark.parametrize(("page", "name", "formula"), [
    ("now", "training failures", "runs that ended badly / runs that ended"),
    ("rules", "latency p95 ms", "95th percentile of 40 log-spaced bins"),
    ("releases", "change failure rate", "rolled back / (completed + rolled back)"),
    ("report", "how much", "sum of used / sum of limit"),
    ("planner", "the fullest hour", "limit - P95 of what always runs at that hour"),
    ("system", "monitor step", "seconds of the step, and its error"),
])
def test_every_page_with_numbers_says_what_they_are_by_which_formula_and_from_where(demo_console, page, name, formula):
    told = told_by(demo_console.open(page))
    assert f"<dt>{name}</dt>" in told
    assert html.escape(formula) in told.split(f"<dt>{name}</dt>")[1].split("</dd>")[0]


def test_a_release_says_what_its_gates_and_the_judge_go_by(demo_console):
    release = demo_console.services.releases.newest()[0].id
    told = told_by(demo_console.open("releases", release=release))
    for name in ("gate", "errors", "sample ratio", "rollback drill"):
        assert f"<dt>{name}</dt>" in told


@pytest.mark.parametrize("page", ["model", "serving", "data", "quality", "report"])
def test_a_page_asks_the_store_no_question_twice(demo_console, monkeypatch, page):
    now, asked = session.now(), []
    monkeypatch.setattr(session, "now", lambda: now)  # time ranges move with the clock, and with them the questions
    demo_console.open("search")  # what stands around every page is known by now
    event.listen(session.services().db.engine, "before_cursor_execute",
                 lambda *said: asked.append((said[2], str(said[3]))))
    assert not demo_console.open(page, environment="production").exception
    assert asked
    assert [question for question, times in Counter(asked).items() if times > 1] == []
