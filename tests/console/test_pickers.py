"""Filters live in the URL: what is chosen is written there, what is written there is chosen."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from console.widgets import text

SCRIPT = """
from contextlib import suppress
from datetime import UTC, datetime
import streamlit as st
from console import session
from console.widgets import pickers

now = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
with suppress(session.Ended):  # as the entrypoint does
    with pickers.bar():
        model = pickers.model()
        environment = pickers.environment()
        window = pickers.window(now)
    st.text(f"{model}|{environment}|{window.start.isoformat()}|{window.end.isoformat()}")
"""


def run(**params):
    page = AppTest.from_string(SCRIPT, default_timeout=120)
    page.query_params.update(params)
    return page.run()


def shown(page):
    return page.text[0].value.split("|")


def in_url(page, name):
    found = page.query_params[name]
    return found[0] if isinstance(found, list) else found


def test_without_a_choice_the_defaults_hold_and_stand_in_the_url(console):
    page = run()
    assert shown(page) == ["flight-delay", "production", "2026-03-03T15:00:00+00:00", "2026-03-04T15:00:00+00:00"]
    assert in_url(page, "model") == "flight-delay"
    assert in_url(page, "window") == "24h"


def test_the_url_chooses(console):
    assert shown(run(model="air-time", environment="staging", window="7d"))[:3] == [
        "air-time", "staging", "2026-02-25T15:00:00+00:00"]


def test_a_value_that_is_not_there_counts_as_absent_and_leaves_the_url(console):
    page = run(model="<script>", window="999y")
    assert shown(page)[0] == "flight-delay"
    assert in_url(page, "model") == "flight-delay"


def test_a_choice_is_written_to_the_url(console):
    page = run()
    page.selectbox(key="pick:model").select("air-time").run()
    assert shown(page)[0] == "air-time"
    assert in_url(page, "model") == "air-time"


def test_what_was_chosen_is_carried_to_a_page_opened_without_it(console):
    page = run(model="air-time")
    page.query_params.clear()
    assert shown(page.run())[0] == "air-time"


def test_a_frozen_range_does_not_move_and_can_be_released(console):
    page = run(**{"from": "2026-03-01T00:00:00+00:00", "to": "2026-03-02T00:00:00+00:00"})
    assert shown(page)[2:] == ["2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00"]
    next(b for b in page.button if b.label == "Back to live").click().run()
    assert shown(page)[3] == "2026-03-04T15:00:00+00:00"
    assert "from" not in page.query_params


@pytest.mark.parametrize(("zone", "days", "asked"), [
    ("UTC", (date(2026, 3, 1), date(2026, 3, 2)), ["2026-03-01T00:00:00+00:00", "2026-03-03T00:00:00+00:00"]),
    ("America/New_York", (date(2026, 3, 1), date(2026, 3, 1)), [
        "2026-03-01T05:00:00+00:00", "2026-03-02T05:00:00+00:00"]),
    ("UTC", (date(2026, 3, 4), date(2026, 3, 4)), ["2026-03-04T00:00:00+00:00", "2026-03-04T15:00:00+00:00"]),
])
def test_whole_days_of_the_viewers_zone_are_chosen_and_a_day_that_is_not_over_ends_now(
    console, monkeypatch, zone, days, asked,
):
    monkeypatch.setattr(text, "zone", lambda: ZoneInfo(zone))
    page = run()
    show = next(b for b in page.button if b.label == "Show these days")
    assert show.disabled
    page.date_input(key="pick:days").set_value(days).run()
    page = next(b for b in page.button if b.label == "Show these days").click().run()
    assert shown(page)[2:] == asked
    assert [in_url(page, "from"), in_url(page, "to")] == asked


def test_a_range_that_ends_before_it_begins_is_ignored(console):
    page = run(**{"from": "2026-03-02T00:00:00", "to": "2026-03-01T00:00:00"})
    assert shown(page)[3] == "2026-03-04T15:00:00+00:00"


def test_a_home_without_models_says_what_to_do(console):
    text = console.file.read_text().split("[models.flight-delay]")[0]
    console.file.write_text(text)
    page = AppTest.from_string(SCRIPT, default_timeout=120).run()
    assert "No model is declared" in console.words(page)
    assert not page.text, "nothing is drawn of a model that is not there"
    assert not page.exception
