"""What came from MLflow, from logs and from people stays text in a real browser, on every page that shows it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from services import bootstrap
from services.adapters.run_mirror import RunMirror
from services.core.access import Actor, Grant, Role
from services.core.identity import Holding
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import TimeWindow
from services.settings import load
from services.training.classify import explain
from tests.browser.conftest import serve, stop
from tests.browser.small_home import HOSTILE, seed
from tests.console.test_incidents import fail
from tests.training_fixtures import a_raw

pytestmark = pytest.mark.browser
ADMIN = Actor(subject="root", issuer="os", method="os", grants=(Grant(role=Role.ADMIN),))
SHOWN = HOSTILE[:4]  # the others lose characters that nobody sees


@pytest.fixture(scope="module")
def hostile_url(tmp_path_factory):
    """A home whose runs, tags, log lines, reasons, people and files all try to be markup."""
    folder = tmp_path_factory.mktemp("hostile")
    file = seed(folder)
    services = bootstrap.build(load(str(file), environ={}))
    now = datetime.now(UTC)
    mirror = RunMirror(services.db)
    mirror.mirror([a_raw(f"run{i}", start=now - timedelta(hours=3 + i), status="FAILED", name=text,
                         tags={"ops.pipeline": text, "ops.fail.type": "MemoryError", "ops.fail.message": text,
                               "note": text}) for i, text in enumerate(HOSTILE)], now=now)
    for run in mirror.unexplained(limit=10):
        mirror.save_artifacts(run.run_id, {"ops/log_tail.txt": "\n".join(HOSTILE), HOSTILE[0][:60]: "x"}, now=now)
        mirror.set_failures({run.run_id: explain(run, {})})
    for number, text in enumerate(SHOWN):
        services.roles.grant(Holding(role=Role.VIEWER, issuer="header", subject=text), actor=ADMIN, reason=text,
                             op_id=f"op-{number}", now=now)
    fail(SimpleNamespace(services=services), reason=HOSTILE[0])
    services.measurements.save([Measurement(
        name=name, pipeline=pipeline, subject="flight-delay", environment="production", at=now, value=0.4, n=500,
        window=TimeWindow(now - timedelta(hours=1), now), verdict=Verdict.WARN, reason=f"{text} moved", column=text)
        for text in HOSTILE for name, pipeline in (("drift", Pipeline.SERVING), ("missing_rate", Pipeline.DATA))])
    process, base = serve(file, folder / "console.log")
    yield base
    stop(process)


PAGES = ["/", "/training", "/training?run=run0", "/training?run=run2", "/audit", "/system", "/search?q=%3Cimg",
         "/incidents", "/incidents?incident=1", "/drift?model=flight-delay", "/data?model=flight-delay",
         "/serving?model=flight-delay", "/model?model=flight-delay", "/releases", "/rules"]


def test_no_page_runs_fetches_or_links_what_a_name_says(hostile_url, visit):
    someone = visit(hostile_url, persona="admin")
    seen = ""
    for path in PAGES:
        page = someone.go(path)
        seen += someone.words()
        assert page.evaluate("window.hacked") is None, path
        assert page.title() != "1", path
        main = page.locator('[data-testid="stMain"]')
        assert main.locator("img, script, iframe, object, embed").count() == 0, path
        hrefs = main.locator("a").evaluate_all("all => all.map(a => a.href)")
        assert [h for h in hrefs if "evil" in h.split("?")[0] or h.startswith(("javascript", "data"))] == [], path
    for text in SHOWN:
        assert " ".join(text.split()) in seen, f"{text} was not shown as it is"
    # The fixture fails the test where any request left for another host.


def test_what_a_person_writes_comes_back_as_text(hostile_url, visit):
    someone = visit(hostile_url, persona="admin")
    page = someone.go("/system")
    page.get_by_text("Grant or revoke a role").first.click()
    page.get_by_label("Person", exact=True).fill(HOSTILE[3])
    page.get_by_label("Person", exact=True).press("Tab")
    someone.settle()
    page.get_by_label("Reason, kept in the audit log").fill(HOSTILE[1])
    page.get_by_role("button", name="Grant", exact=True).click()
    expect(page.get_by_text(f"to os:{HOSTILE[3]}").first).to_be_visible()
    someone.go("/audit")
    assert HOSTILE[1] in someone.words()
    assert page.evaluate("window.hacked") is None
