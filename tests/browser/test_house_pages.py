"""The console's own pages in a real browser: every state, both themes, a desk and a phone."""

import httpx
import pytest
from playwright.sync_api import expect

from console.shell import SCRIPT
from tests.browser.chromium import PHONE, WIDE
from tests.browser.small_home import HOSTILE

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_now_and_system_are_readable_everywhere(small_url, visit, scheme, width):
    someone = visit(small_url, persona="on-call", scheme=scheme, width=width)
    for path, title in (("/", "Now"), ("/system", "System")):
        page = someone.go(path)
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        someone.shot(f"small-{title.lower()}")
        assert someone.overflow() <= 0
        assert someone.axe() == []


def test_now_shows_what_is_broken_without_scrolling(small_url, visit):
    for width in (WIDE, PHONE):
        someone = visit(small_url, persona="on-call", width=width)
        someone.go("/")
        failing = someone.page.get_by_text("latency p95 412 ms, limit 250")
        expect(failing).to_be_in_viewport()


def test_hostile_names_stay_text_and_fetch_nothing(small_url, visit):
    someone = visit(small_url, persona="viewer")
    page = someone.go("/")
    for text in HOSTILE[:4]:
        expect(page.get_by_text(f"category {text} is new").first).to_be_visible()
    page.goto(f"{small_url}/system")
    someone.settle()
    expect(page.get_by_text("cannot be read: not Parquet")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator('[data-testid="stMain"] img').count() == 0
    hrefs = page.locator('[data-testid="stMain"] a').evaluate_all("all => all.map(a => a.href)")
    assert not [h for h in hrefs if "evil" in h or h.startswith("javascript")]


def test_a_deep_link_survives_signing_in(small_url, visit):
    someone = visit(small_url, persona="")
    page = someone.go("/system")
    expect(page.get_by_text("Who are you?")).to_be_visible()
    page.get_by_role("link", name="On-call engineer").click()
    someone.settle()
    expect(page.get_by_role("heading", name="System", exact=True)).to_be_visible()
    expect(page.get_by_text("On-call engineer").first).to_be_visible()
    page.reload()
    someone.settle()
    expect(page.get_by_role("heading", name="System", exact=True)).to_be_visible()


def test_the_first_page_answers_to_its_name_and_keeps_what_was_asked(small_url, visit):
    someone = visit(small_url, persona="viewer")
    page = someone.go("/now?window=7d")
    expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    assert page.url == f"{small_url}/?window=7d"


def test_signing_in_never_leads_to_another_site(small_url):
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = httpx.get(f"{small_url}/sign-in/viewer", params={"to": target}, follow_redirects=False, timeout=60)
        assert answer.headers["location"] == "/"
        assert "httponly" in answer.headers["set-cookie"].lower()


def test_every_answer_carries_the_security_headers(small_url):
    for path in ("/", "/_stcore/health", "/system"):
        headers = httpx.get(f"{small_url}{path}", timeout=60).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_our_page_cannot_be_framed(small_url, visit):
    someone = visit(small_url, persona="approver-1")
    page = someone.page
    page.goto(f"{small_url}/_stcore/health")
    page.set_content(f'<iframe src="{small_url}/system"></iframe>')
    page.wait_for_function("() => document.querySelector('iframe') !== null")
    page.wait_for_load_state("networkidle")
    framed = [f for f in page.frames if f != page.main_frame]
    assert all("stApp" not in f.content() for f in framed)
    someone.complaints.clear()  # the refusal itself is logged by the browser


STAGE = f"""<!doctype html><script>WebSocket = class {{ send() {{}} }};</script><script>{SCRIPT.read_text()}</script>
<p id="app" data-test-script-state="notRunning"></p><script>
const click = () => document.body.click(), send = () => new WebSocket().send(""),
  script = state => app.setAttribute("data-test-script-state", state), write = () => history.pushState(null, "", "?a");
</script>"""


def test_only_what_a_click_asked_for_is_a_step_of_the_history(chromium):
    page = chromium.new_page()
    page.clock.install(time=0)
    page.route("**/*", lambda route: route.fulfill(body=STAGE, content_type="text/html"))
    page.goto("http://console.test/")
    page.clock.pause_at(60_000)

    def steps(acts: str) -> int:
        before = page.evaluate("history.length")
        for act in acts.split():
            if act == "later":
                page.clock.fast_forward(5_000)
            else:
                page.evaluate(f"script('{act}')" if "unning" in act else f"{act}()")
        return page.evaluate("history.length") - before

    assert steps("click write write") == 1
    assert steps("write") == 0
    assert steps("click later write") == 0, "it asked for nothing"
    assert steps("click send later running later write notRunning") == 1, "the server is slow"
    assert steps("click send running notRunning later write") == 0, "what it asked for was no address"
    assert steps("click send running notRunning running later write notRunning") == 1, "a script may start over"
    assert steps("running click send notRunning later running write notRunning") == 1, "that script was another's"
    assert steps("click send click later running write notRunning") == 1, "somebody is impatient"
    page.close()
