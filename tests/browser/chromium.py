"""Drive the distribution's Chromium: one visitor, with the checks that every visit makes."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"]
READY = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "screenshots"
WIDE, PHONE = 1440, 390
PATIENCE_MS = 120_000  # for whatever a loaded machine has still to draw
TALLEST = 9_000  # pixels of one picture

# Streamlit asks for its health below the page's own path first, and then at the root.
_PROBES = re.compile(r"/_stcore/(health|host-config)$")


def executable() -> str:
    """Return where Chromium is; a test fails with one line when it is nowhere."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.fail("Chromium is not installed: apt-get install chromium, or run make system as root", pytrace=False)
    return found


class Visitor:
    """A person with a browser: a persona, a width, and a light or dark theme."""

    def __init__(self, browser: Browser, base: str, *, persona: str = "viewer", width: int = WIDE,
                 scheme: str = "light") -> None:
        self.base, self.width, self.scheme = base, width, scheme
        self.context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 500 else 844}, color_scheme=scheme,
            timezone_id="Europe/Berlin", locale="en-GB", reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", self._request)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        if persona:
            self.become(persona)

    def become(self, persona: str) -> None:
        """Sign in as a demo persona, as the picker's link does."""
        self.context.add_cookies([{"name": "interlock_persona", "value": persona, "url": self.base}])

    def go(self, path: str = "/") -> Page:
        """Open a page and wait until it has been drawn."""
        self.page.goto(f"{self.base}{path}")
        return self.settle()

    def settle(self) -> Page:
        """Wait until the script has run, and twice, because a theme or an URL parameter may start it once more."""
        for _ in range(2):
            self.page.wait_for_selector(READY)
            # Before its first run a page is "not running" too.
            self.page.wait_for_selector(".il-end", state="attached")
            # A stale element is drawn pale until its new self arrives; axe would measure the pale one. A skeleton
            # stands where the code of a widget's kind is still being fetched: its links are not there yet.
            self.page.wait_for_function(
                "() => !document.querySelector('[data-stale=\"true\"], [data-testid=\"stSkeleton\"]')")
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.page

    def resize(self, width: int) -> Page:
        """Go on at another width, as turning a phone or narrowing a window does."""
        self.width = width
        self.page.set_viewport_size({"width": width, "height": 900 if width > 500 else 844})
        return self.settle()

    def words(self) -> str:
        """Return what a reader sees on the page."""
        return re.sub(r"\s+", " ", self.page.locator('[data-testid="stMain"]').inner_text())

    def shot(self, name: str) -> Path:
        """Keep a screenshot as an artefact."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        file = ARTEFACTS / f"{name}-{self.scheme}-{self.width}.png"
        self.page.screenshot(path=file, full_page=False)
        return file

    def whole(self, file: Path) -> None:
        """Keep a picture of the page to its end: it scrolls within itself, so a full-page picture shows one screen."""
        height = int(self.page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight"))
        self.page.set_viewport_size({"width": self.width, "height": min(max(height, 844), TALLEST)})
        self.settle()
        self.page.screenshot(path=file)
        self.resize(self.width)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def unnamed(self) -> list[str]:
        """Return what a screen reader or the Tab key would not get through: charts and tables without words, jumps."""
        return list(self.page.evaluate("""() => [
            ...[...document.querySelectorAll('[data-testid="stVegaLiteChart"]')]
                .filter(chart => !chart.getAttribute('aria-label')).map(() => 'a chart without words'),
            ...[...document.querySelectorAll('[data-testid="stMain"] table')]
                .filter(table => !table.caption || !table.caption.textContent).map(() => 'a table without a caption'),
            ...[...document.querySelectorAll('[tabindex]')]
                .filter(each => each.tabIndex > 0).map(() => 'a stop out of the order of reading')]"""))

    def axe(self) -> list[str]:
        """Return axe's serious and critical violations, one line each."""
        # Streamlit nests its section headings in the list of its own navigation; that markup is not ours to mend.
        found = Axe().run(self.page, context={"exclude": [['[data-testid="stSidebarNav"]']]}).response["violations"]
        return [
            f"{v['id']} ({v['impact']}): {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}"
            for v in found if v["impact"] in ("serious", "critical")
        ]

    def close(self) -> None:
        """Close the visitor's windows."""
        self.context.close()

    def _request(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if parts.netloc != urlsplit(self.base).netloc:
            self.foreign.append(request.url)

    def _console(self, message) -> None:
        if message.type != "error" or _PROBES.search(urlsplit(message.location.get("url", "")).path):
            return
        self.complaints.append(message.text[:300])
