"""Try the console as someone would who never saw it, with real clicks and a stop-watch.

On a copy of the full demo: until it is known what is broken, until a release is approved with its evidence shown, until
a quota report lies on disk; and, in another folder, from `interlock init` to the first true page. The times are those
of the machine: reading is left out, because a program does not read.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from services.settings import load
from tests.bench.bench_pages import demo
from tests.browser.chromium import ARGS, Visitor, executable
from tests.browser.conftest import serve, stop

PATIENCE = 120_000


def broken(browser: Browser, base: str, _folder: Path) -> str:
    """Open the demo and see the worst thing that is open."""
    visitor = Visitor(browser, base, persona="on-call")
    visitor.page.goto(base)
    worst = visitor.page.locator(".il-line").first
    expect(worst).to_be_in_viewport(timeout=PATIENCE)
    said = " ".join(worst.inner_text().split())
    visitor.close()
    return said


def approved(browser: Browser, base: str, _folder: Path) -> str:
    """Find the release that waits, from the first page on; go down its evidence, sign it, see that it is signed."""
    visitor = Visitor(browser, base, persona="approver-2")
    page = visitor.go("/")
    page.get_by_role("link", name="Releases", exact=True).click()
    expect(page.get_by_role("heading", name="Releases", exact=True)).to_be_visible(timeout=PATIENCE)
    visitor.settle()  # the first page's own links stand there until the new page is drawn
    page.get_by_role("link", name="Open", exact=True).first.click(timeout=PATIENCE)
    expect(page.get_by_text("How sure")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Approve start").scroll_into_view_if_needed(timeout=PATIENCE)
    page.get_by_label("Reason, kept in the audit log").fill("the evidence was read")
    page.get_by_label("Reason, kept in the audit log").blur()
    visitor.settle()
    page.get_by_role("button", name="Approve start").click(timeout=PATIENCE)
    signed = page.get_by_text("r-0002: ").first
    expect(signed).to_be_visible(timeout=PATIENCE)
    said = " ".join(signed.inner_text().split())[:120]
    visitor.close()
    return said


def reported(browser: Browser, base: str, folder: Path) -> str:
    """Open the report and put it on disk."""
    visitor = Visitor(browser, base, persona="manager")
    page = visitor.go("/")
    page.get_by_role("link", name="Report", exact=True).click()
    with page.expect_download(timeout=PATIENCE) as made:
        page.get_by_role("button", name="PDF").click(timeout=PATIENCE)
    file = folder / made.value.suggested_filename
    made.value.save_as(file)
    visitor.close()
    return f"{file.name}, {file.stat().st_size:,} bytes"


def connected(browser: Browser, seeded: Path, folder: Path) -> str:
    """Connect the demo's MLflow and log as if they were a team's own: init, one pass, the first true page."""
    settings = load(str(seeded), environ={})
    home = folder / "own"
    home.mkdir()
    for words in (["init", "--tracking", settings.tracking_uri, "--model", "flight-delay", "--yes",
                   "--log", str(settings.home_path / "predictions" / "flight-delay"),
                   "--labels", str(settings.home_path / "labels" / "flight-delay")], ["monitor", "--once"]):
        subprocess.run([sys.executable, "-m", "console.cli", *words], cwd=home, check=words[0] == "init",
                       stdout=subprocess.DEVNULL)
    process, base = serve(home / "interlock.toml", folder / "own.log")
    try:
        visitor = Visitor(browser, base, persona="")
        page = visitor.go("/model?model=flight-delay")
        expect(page.locator(".il-line").first).to_be_visible(timeout=PATIENCE)
        said = " ".join(page.locator(".il-counts").first.inner_text().split())
        visitor.close()
    finally:
        stop(process)
    return said


def timed(what: str, limit_s: float, trial: Callable[[], str]) -> bool:
    """Do a trial, print how long it took and what came of it; tell whether it was quick enough."""
    began = time.perf_counter()
    said = trial()
    took = time.perf_counter() - began
    sys.stdout.write(f"trial  {what}: {took:.1f} s, at most {limit_s:.0f} s: {said}\n")
    sys.stdout.flush()
    return took <= limit_s


def main() -> int:
    """Return how many trials took too long."""
    with tempfile.TemporaryDirectory(prefix="il-trial-") as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "seeded").mkdir()
        home = demo(folder / "seeded").parent
        shutil.copytree(home, folder / "copy")
        settings = folder / "copy" / "interlock.toml"
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGS)
        process, base = serve(settings, folder / "console.log")
        try:
            met = [timed("what is broken is known", 10, lambda: broken(browser, base, folder)),
                   timed("a release is approved", 120, lambda: approved(browser, base, folder)),
                   timed("a quota report is on disk", 60, lambda: reported(browser, base, folder))]
        finally:
            stop(process)
        met.append(timed("one's own model is shown", 600, lambda: connected(browser, settings, folder)))
        browser.close()
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
