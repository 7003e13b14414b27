"""What stands around every page: who is asking, search, the link to copy, the tour, acknowledging from Now."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from console.identity import PERSONAS
from console.widgets import tour
from console.widgets.chrome import frozen_link
from services.adapters.house_tables import SourceState
from services.alerts.defaults import SHIPPED
from services.alerts.on_call import Rotation
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow
from services.monitor.steps.alerts import AlertsStep

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


def test_a_copied_link_freezes_the_time_range_and_keeps_the_rest():
    link = frozen_link("http://127.0.0.1:8501/drift?window=24h", {"model": "flight-delay", "window": "24h"}, now=NOW)
    assert urlsplit(link).path == "/drift"
    assert parse_qs(urlsplit(link).query) == {
        "model": ["flight-delay"], "from": ["2026-03-03T15:00:00+00:00"], "to": ["2026-03-04T15:00:00+00:00"]}


def test_a_range_that_is_frozen_already_stays():
    shown = {"from": "2026-03-01T00:00:00+00:00", "to": "2026-03-02T00:00:00+00:00", "window": "24h"}
    assert parse_qs(urlsplit(frozen_link("/drift", shown, now=NOW)).query) == {
        "from": ["2026-03-01T00:00:00+00:00"], "to": ["2026-03-02T00:00:00+00:00"]}


def test_a_copied_link_does_not_carry_the_tour_or_a_range_that_is_none():
    assert frozen_link("http://h/", {"tour": "2", "window": "soon"}, now=NOW) == "http://h/"


@pytest.mark.parametrize("persona", ["viewer", "on-call", "admin"])
def test_the_banner_says_that_this_is_the_demo_and_who_is_asking(console, persona):
    words = console.words(console.open("system", persona=persona))
    assert "Demo" in words
    assert "decisions are recorded as made in the demo" in words
    assert f"acting as {PERSONAS[persona][0]}" in words


def test_outside_the_demo_everybody_may_look_and_nobody_decides(console):
    console.file.write_text(console.file.read_text().replace('sign_in = "demo"', 'sign_in = "none"'))
    page = console.open("system", persona="")
    words = console.words(page)
    assert not page.exception
    assert "acting as" not in words
    assert "Ops store" in words


def test_who_was_given_no_role_sees_no_page(console):
    # Streamlit's own test user stands for anybody whom the proxy lets through.
    console.file.write_text(console.file.read_text().replace('sign_in = "demo"', 'sign_in = "header"'))
    words = console.words(console.open("now", persona=""))
    assert "test@example.com holds no role here" in words
    assert "interlock roles grant ROLE test@example.com --issuer header" in words
    assert "Nothing was measured" not in words


def test_a_role_in_the_settings_opens_the_pages(console):
    text = console.file.read_text().replace('sign_in = "demo"', 'sign_in = "header"')
    console.file.write_text(f'{text}\n[[roles]]\nrole = "viewer"\nissuer = "header"\nsubject = "test@example.com"\n')
    assert "Nothing was measured" in console.words(console.open("now", persona=""))


def test_the_tour_is_offered_once_and_leads_from_page_to_page(console):
    assert "First time here?" in console.words(console.open("now"))
    words = console.words(console.open("now", tour="1"))
    assert f"1 of {len(tour.stops())}" in words
    assert "First time here?" not in words
    assert "First time here?" not in console.words(console.open("system"))


def test_a_stop_that_does_not_exist_is_ignored(console):
    page = console.open("now", tour="99")
    assert not page.exception
    assert "99 of" not in console.words(page)


def failing(console):
    now = datetime.now(UTC)
    console.services.measurements.save([Measurement(
        name="outage", pipeline=Pipeline.SERVING, subject="flight-delay", environment="production", at=now,
        window=TimeWindow(now - timedelta(minutes=5), now), verdict=Verdict.FAIL, reason="no answer for 6 min",
        value=6.0, n=10)])
    AlertsStep(measured=console.services.measurements, incidents=console.services.incidents,
               outbox=console.services.notifications, rules=SHIPPED,
               rotation=lambda _now: Rotation(people=(), first=now, shift_days=7, zone=ZoneInfo("UTC")), urls=[],
               link="", repeat=4 * HOUR, escalate=HOUR).run(now=now)


def test_an_engineer_on_call_takes_an_incident_from_now_with_one_click(console):
    failing(console)
    page = console.open("now", persona="on-call")
    console.button(page, "Acknowledge").click().run()
    words = console.words(page)
    assert "You are on incident 1" in words
    assert "On-call engineer is on it" in words
    assert not [b for b in page.button if b.label == "Acknowledge"]


def test_a_viewer_is_offered_nothing_to_decide_on_now(console):
    failing(console)
    page = console.open("now", persona="viewer")
    assert "no answer for 6 min" in console.words(page)
    assert not [b for b in page.button if b.label == "Acknowledge"]


def test_the_page_knows_when_there_is_news(console):
    from console.queries.now import watermark

    before = watermark()
    watermark.clear()
    assert watermark() == before
    now = datetime.now(UTC)
    console.services.sources.save(SourceState(name="step:runs", as_of=now, tried_at=now, ok=True, took_s=0.1,
                                              message="1 run read"))
    watermark.clear()
    assert watermark() != before


def test_the_search_page_has_a_field_of_its_own_because_a_phone_hides_the_one_at_the_left(console):
    page = console.open("search")
    page.text_input(key="look-for").input(" drift ").run()
    assert page.query_params["q"] in ("drift", ["drift"])
    words = console.words(page)
    assert "Search: drift" in words
    assert "Drift" in words
    assert page.text_input(key="look-for").value.strip() == "drift"
