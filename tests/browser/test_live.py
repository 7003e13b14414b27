"""An open page shows news by itself, and leaves alone what a person is writing."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from services import bootstrap
from services.adapters.house_tables import SourceState
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import TimeWindow
from services.settings import load

pytestmark = pytest.mark.browser


def test_news_appear_on_an_open_page_and_a_half_written_search_stays(small_home, small_url, visit):
    someone = visit(small_url, persona="on-call")
    page = someone.go("/")
    page.get_by_label("Find").press_sequentially("half wri")
    now = datetime.now(UTC)
    services = bootstrap.build(load(str(small_home), environ={}))
    services.measurements.save([Measurement(
        name="outage", pipeline=Pipeline.SERVING, subject="just-now", environment="production", at=now,
        window=TimeWindow(now - timedelta(minutes=5), now), verdict=Verdict.FAIL, reason="stopped answering just now")])
    services.sources.save(SourceState(name="step:serving", as_of=now, tried_at=now, ok=True, took_s=0.1,
                                      message="1 model read"))
    expect(page.get_by_text("stopped answering just now")).to_be_visible()
    expect(page.get_by_label("Find")).to_have_value("half wri")


def test_a_search_leads_to_its_page_and_the_address_says_it(small_url, visit):
    someone = visit(small_url, persona="viewer")
    page = someone.go("/")
    page.get_by_label("Find").fill("machine-cpu")
    page.get_by_label("Find").press("Enter")
    expect(page.get_by_role("heading", name="Search: machine-cpu")).to_be_visible()
    expect(page).to_have_url(f"{small_url}/search?q=machine-cpu")
    expect(page.get_by_text("90% of 2 cores used")).to_be_visible()
