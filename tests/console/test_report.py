"""The Report page: one screen of answers, files, and a sign-off that only a manager can give."""

from datetime import UTC, datetime, timedelta

from services.quota.report import last_month
from services.quota.report_words import month_name
from tests.console.test_quota import with_pool
from tests.quota_fixtures import busy


def test_the_manager_issues_and_signs_and_the_page_says_so(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    now = datetime.now(UTC)
    console.services.quota.write(busy(now, days=70, every=timedelta(hours=12)))
    month = last_month(now)
    page = console.open("report", persona="manager", month=month)
    words = console.words(page)
    assert not page.exception
    assert "ranking" in words
    assert "GPU-hours" in words
    assert "A preview" in words
    for question in ("who", "how much", "until", "wasted", "cost"):
        assert question in words.split("Decide")[0].split("DECIDE")[0], "all four questions stand above the decisions"
    console.button(page, "Issue").click().run()
    assert f"Report 1 of {month_name(month)} is issued" in console.words(page)
    page = console.open("report", persona="manager", month=month)
    page.text_area[0].set_value("Agreed").run()
    console.button(page, "Sign off").click().run()
    assert console.services.reports.get(1).signatures[0].comment == "Agreed"
    page = console.open("report", persona="viewer", month=month)
    assert "signed by Manager" in console.words(page)
    assert ": Agreed" in console.words(page)
    assert console.button(page, "Sign off").disabled


def test_a_month_without_samples_says_so(console):
    page = console.open("report", persona="manager")
    assert "No pool has a sample in" in console.words(page)
