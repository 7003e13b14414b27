"""The console is restarted while people have it open: pages come back by themselves, and a decision is made once."""

import pytest
from playwright.sync_api import expect

from services import bootstrap
from services.settings import load
from tests.browser.conftest import serve, stop
from tests.browser.small_home import seed
from tests.ports import free_port

pytestmark = pytest.mark.browser


def test_open_tabs_come_back_after_a_restart_and_a_decision_is_made_once(tmp_path, visit):
    file = seed(tmp_path)
    port = free_port()
    process, base = serve(file, tmp_path / "first.log", port=port)
    try:
        deciding, looking = visit(base, persona="admin"), visit(base, persona="viewer")
        page = deciding.go("/rules")
        looking.go("/system?window=7d")
        page.get_by_text("Enabled", exact=True).click()
        deciding.settle()
        page.get_by_label("Reason, kept in the audit log").fill("too noisy by night")
        page.get_by_role("button", name="Save rule").click()
        expect(page.get_by_text("is in force as version")).to_be_visible()
    finally:
        stop(process)
    expect(page.locator('[data-test-connection-state="CONNECTED"]')).to_have_count(0)
    process, _ = serve(file, tmp_path / "second.log", port=port)
    try:
        for someone, heading in ((deciding, "Rules"), (looking, "System")):
            someone.settle()  # nobody pressed reload
            expect(someone.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            expect(someone.page.get_by_text("Who are you?")).to_have_count(0)
        assert "window=7d" in looking.page.url
        audit = bootstrap.build(load(str(file), environ={})).audit
        assert [(r.actor, r.reason) for r in audit.newest(people_only=True)] == [("demo:admin", "too noisy by night")]
        page.get_by_label("Reason, kept in the audit log").fill("and again")
        page.get_by_text("Enabled", exact=True).click()
        deciding.settle()
        assert "Traceback" not in page.content()
    finally:
        stop(process)
    for someone in (deciding, looking):
        # A browser complains of every attempt to reach a server that is down.
        expected = ("ERR_", "WebSocket", "server")
        assert [line for line in someone.complaints if not any(part in line for part in expected)] == []
        someone.complaints.clear()
