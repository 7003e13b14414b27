"""Make the README's pictures from a demo that serves: `python -m tests.browser.screenshots http://127.0.0.1:8501`.

Each is a WebP without loss: a reduced palette would turn the green of what is fine into another state's colour.
"""

import io
import sys
from pathlib import Path
from urllib.parse import urljoin

from PIL import Image
from playwright.sync_api import sync_playwright

from console import navigation
from tests.browser.chromium import ARGS, PHONE, Visitor, executable

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
MAIN = ("now", "incident", "model", "serving", "drift", "quality", "training", "release", "quota", "report")
OPENED = {"incident": "incidents", "release": "releases"}  # the first of its list is opened
SIZE = {"width": 1280, "height": 800}


def keep(picture: bytes, name: str) -> Path:
    """Write a picture, small and with every colour as it was."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.webp"
    Image.open(io.BytesIO(picture)).convert("RGB").save(file, lossless=True, method=6)
    return file


def take(base: str) -> list[Path]:
    """Visit the main pages in both themes, and Now on a phone; return the files."""
    made = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGS)
        for scheme in ("light", "dark"):
            for width in (SIZE["width"], PHONE):
                visitor = Visitor(browser, base, persona="on-call", scheme=scheme, width=width)
                visitor.context.add_cookies([{"name": "interlock_tour", "value": "seen", "url": base}])
                if width != PHONE:
                    visitor.page.set_viewport_size(SIZE)
                tail = f"{scheme}{'-phone' if width == PHONE else ''}"
                pages = MAIN if width != PHONE else MAIN[:1]
                made += [keep(_picture(visitor, page), f"{page}-{tail}") for page in pages]
                visitor.close()
        browser.close()
    return made


def _picture(visitor: Visitor, page: str) -> bytes:
    """Open a page, or the first entry of a list, and return what the window shows once it is drawn."""
    listed = OPENED.get(page, page)
    visitor.go(f"/{listed}" if listed != navigation.HOME else "/")
    if page in OPENED:
        address = visitor.page.get_by_role("link", name="Open", exact=True).first.get_attribute("href")
        visitor.page.goto(urljoin(visitor.page.url, address or ""))
        visitor.settle()
    visitor.page.wait_for_load_state("networkidle")
    return visitor.page.screenshot()


if __name__ == "__main__":
    for file in take(sys.argv[1].rstrip("/")):
        sys.stdout.write(f"{file} {file.stat().st_size // 1024} KiB\n")
