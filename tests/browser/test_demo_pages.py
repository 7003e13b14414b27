"""Every page of the demo in both themes, at a desk and on a phone: it fits, it reads, nothing comes from elsewhere."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from console import navigation
from services import bootstrap
from tests.browser.chromium import PHONE, WIDE
from tests.browser.conftest import serve, stop
from tests.demo_fixtures import DemoHome, demo_home  # noqa: F401 -- a fixture

pytestmark = [pytest.mark.browser, pytest.mark.demo]

PAGES = [name for name in navigation.listed() if name != "search"]


@pytest.fixture(scope="module")
def demo_url(demo_home: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    process, base = serve(demo_home.config, tmp_path_factory.mktemp("log") / "console.log")
    yield base
    stop(process)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_reads(demo_url, visit, scheme):
    """Each page is loaded once per theme and then narrowed: loading is most of a visit."""
    someone = visit(demo_url, persona="on-call", scheme=scheme)
    wrong = {}
    for page in PAGES:
        someone.go(f"/{page}" if page != navigation.HOME else "/")
        found = ["a part cannot be shown"] if "cannot be shown" in someone.words() else []
        found += someone.unnamed()
        for width in (WIDE, PHONE):
            someone.resize(width)
            someone.shot(f"demo-{page}")
            found += [f"{someone.overflow()} px too wide at {width}"] if someone.overflow() > 0 else []
            # The markup is the same in every theme and width; contrast is not, and order is not.
            if (scheme, width) in (("light", WIDE), ("dark", PHONE)):
                found += someone.axe()
        someone.resize(WIDE)
        if found:
            wrong[page] = found
    assert wrong == {}


def test_the_keyboard_walks_through_incidents_and_leaves_alone_what_is_typed(demo_url, visit):
    someone = visit(demo_url, persona="on-call")
    page = someone.go("/incidents")
    hrefs = page.locator('[data-testid="stMain"] a[href*="incident="]').evaluate_all("all => all.map(a => a.href)")
    first, second = list(dict.fromkeys(hrefs))[:2]
    page.goto(first)
    someone.settle()
    page.get_by_label("Find").press_sequentially("jj")
    expect(page).to_have_url(first)
    page.get_by_label("Find").fill("")  # what is left in the field would be looked for
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("j")
    expect(page).to_have_url(second)
    someone.settle()
    page.keyboard.press("k")
    expect(page).to_have_url(first)
    someone.settle()
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Incidents", exact=True)).to_be_visible()


def test_one_press_of_back_undoes_one_click(demo_url, visit):
    """Each of these pages writes its filters to the address by itself, which is no step of the visitor's."""
    someone = visit(demo_url, persona="on-call")
    page = someone.go("/")
    seen = [page.url]
    for title in ("Drift", "Incidents", "Releases"):
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(rf"/{title.lower()}\?"))
        someone.settle()
        seen.append(page.url)
    for url in reversed(seen[:-1]):
        page.go_back()
        # A step too many would stay on the page, with fewer filters.
        expect(page).to_have_url(url)
        someone.settle()
        assert page.url == url


def test_a_release_opened_from_the_list_is_in_the_address_and_stays_open_while_a_reason_is_typed(
    demo_home, demo_url, visit,  # noqa: F811
):
    # By its id: while the list is drawn anew, the first link there may for a moment be that of a release that ended.
    (waiting,) = (release.id for release in bootstrap.build(demo_home.settings).releases.open())
    someone = visit(demo_url, persona="approver-2")
    page = someone.go("/releases")
    page.locator(f'[data-testid="stMain"] a[href*="release={waiting}"]').first.click()
    expect(page.get_by_role("button", name="Approve start")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/releases\?release={waiting}$"))
    reason = page.get_by_label("Reason, kept in the audit log")
    reason.fill("read at leisure")
    reason.blur()
    someone.settle()
    expect(page.get_by_role("button", name="Approve start")).to_be_visible()
    expect(reason).to_have_value("read at leisure")
    someone.resize(PHONE)
    shown = page.locator('[data-testid="stMain"] .stButton button').all()
    heights = {button.inner_text(): round(button.bounding_box()["height"]) for button in shown if button.is_visible()}
    assert "Reject" in heights
    assert {words: height for words, height in heights.items() if height < 44} == {}, "too low for a thumb"
