"""The whole console in Chromium: every page on four homes, in both themes, at a desk and on a phone, with pictures.

The homes: the full demo (with one incident and one release opened), 50 models under hostile names, an empty one, and
one whose store is no database any more. Every page must fit, read, and pass axe; none may fetch from elsewhere or
complain. Pictures are kept in `artefacts/soak`, to be looked at.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from console import navigation
from services import bootstrap
from services.settings import load
from tests.bench.bench_pages import demo, fifty
from tests.browser.chromium import ARGS, PHONE, WIDE, Visitor, executable
from tests.browser.conftest import serve, stop
from tests.browser.small_home import SETTINGS

FOLDER = Path(__file__).parents[2] / "artefacts" / "soak"


def empty(folder: Path) -> Path:
    """Write a home in which nothing ever happened; return its settings file."""
    file = folder / "interlock.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    bootstrap.build(load(str(file), environ={})).db.migrate()
    return file


def spoil(folder: Path) -> None:
    """Put something that is no database in the place of a home's store."""
    for left in (folder / "home").glob("ops.db*"):
        left.unlink()
    (folder / "home" / "ops.db").write_bytes(b"this is not a database, and long enough to be looked at" * 40)


HOMES: dict[str, Callable[[Path], Path]] = {"demo": demo, "huge": fifty, "empty": empty, "error": empty}


def opened(visitor: Visitor, page: str) -> str:
    """Return the address of the first entry of a list page; nothing where the list is empty."""
    visitor.go(f"/{page}")
    found = visitor.page.locator(f'[data-testid="stMain"] a[href*="{page.removesuffix("s")}="]')
    return (found.first.get_attribute("href") or "") if found.count() else ""


def addresses(visitor: Visitor, home: str) -> dict[str, str]:
    """Return what to visit, by the name of its picture."""
    found = {page: f"/{page}" if page != navigation.HOME else "/" for page in navigation.listed()}
    if home == "demo":
        for page in ("incidents", "releases"):
            if one := opened(visitor, page):
                found[f"{page}-one"] = f"/{one.split('/')[-1]}"
    return found


def walk(home: str, base: str, browser: Browser, scheme: str) -> list[str]:
    """Visit every page of a home in one theme; return what is wrong, one line each."""
    visitor, wrong = Visitor(browser, base, persona="on-call", scheme=scheme), list[str]()
    visitor.go("/")
    for name, path in addresses(visitor, home).items():
        visitor.resize(WIDE)
        visitor.go(path)
        found = visitor.unnamed()
        if home != "error" and "cannot be shown" in visitor.words():
            found.append("a part cannot be shown")
        for width in (WIDE, PHONE):
            visitor.resize(width)
            visitor.whole(FOLDER / f"{home}-{name}-{scheme}-{width}.png")
            found += [f"{visitor.overflow()} px too wide at {width}"] if visitor.overflow() > 0 else []
            found += visitor.axe()
        wrong += [f"{home} {name} {scheme}: {one}" for one in found]
    wrong += [f"{home} {scheme}: fetched {url}" for url in visitor.foreign]
    wrong += [f"{home} {scheme}: complained {line}" for line in visitor.complaints]
    visitor.close()
    return wrong


def main() -> int:
    """Walk every home; print what is wrong, and return how much."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="il-soak-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGS)
        for home, make in HOMES.items():
            place = Path(folder) / home
            place.mkdir()
            process, base = serve(make(place), place / "console.log")
            try:
                if home == "error":  # only now: on such a store the console does not even start
                    spoil(place)
                for scheme in ("light", "dark"):
                    found = walk(home, base, browser, scheme)
                    lines = [f"pages  {home} {scheme}: {len(found)} wrong", *(f"  {line}" for line in found)]
                    sys.stdout.write("\n".join(lines) + "\n")
                    sys.stdout.flush()
                    wrong += found
            finally:
                stop(process)
        browser.close()
    sys.stdout.write(f"pages  {len(list(FOLDER.glob('*.png')))} pictures in artefacts/soak\n")
    return min(len(wrong), 100)


if __name__ == "__main__":
    sys.exit(main())
