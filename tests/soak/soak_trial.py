"""Try the console as someone would who never saw it, with real clicks and a stop-watch.

On a copy of the full demo: until it is known what is broken, until a release is approved with its evidence read, until
a quota report lies on disk; and, in another folder, from `interlock init` to the first true page. A program does not
read, so what a person has to read and type is counted and added to the machine's own time: the words that stand on the
screen in the named places at 240 a minute, the words typed at 40. Finding one's way is no more than that; doubting is
not counted, nor is installing.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from playwright.sync_api import Browser, Page, expect, sync_playwright

from services import bootstrap
from services.core.window import HOUR, floor_to
from services.settings import load
from tests.bench.bench_pages import demo
from tests.browser.chromium import ARGS, Visitor, executable
from tests.browser.conftest import serve, stop
from tests.demo_fixtures import clean_environment
from tests.waiting import until

PATIENCE = 120_000
READ, TYPED = 240, 40  # words a minute
REASON = "the evidence was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a trial, the words that had to be read for it and where they stood, and the words typed."""

    said: str
    read: int
    where: str
    typed: int = 0


def words(page: Page, *places: str) -> int:
    """Return how many words stand in places of a page, as far as they are shown."""
    shown = [each.inner_text() for place in places for each in page.locator(place).all() if each.is_visible()]
    return sum(any(c.isalnum() for c in word) for word in " ".join(shown).split())


def broken(browser: Browser, base: str, _folder: Path) -> Done:
    """Open the demo and read the worst thing that is open."""
    visitor = Visitor(browser, base, persona="on-call")
    page = visitor.page
    page.goto(base)
    worst = page.locator(".il-line").first
    expect(worst).to_be_in_viewport(timeout=PATIENCE)
    worst_parts = [f".il-line >> nth=0 >> {part}" for part in (".il-status", ".il-subject", ".il-reason", ".il-since")]
    read = words(page, ".il-counts", *worst_parts) - words(page, ".il-line >> nth=0 >> .il-hint")
    said = " ".join(worst.inner_text().split())
    visitor.close()
    return Done(said=said, read=read, where="counts by state; of the first line its state, subject, reason and age")


def approved(browser: Browser, base: str, _folder: Path) -> Done:
    """Find the release that waits, from the first page on; read its evidence, sign it, see that it is signed."""
    visitor = Visitor(browser, base, persona="approver-2")
    page = visitor.go("/")
    page.get_by_role("link", name="Releases", exact=True).click()
    expect(page.get_by_role("heading", name="Releases", exact=True)).to_be_visible(timeout=PATIENCE)
    waiting = page.locator('[data-testid="stMain"]').get_by_role("link", name="Open", exact=True).first
    waiting.click(timeout=PATIENCE)
    expect(page.get_by_text("How sure")).to_be_visible(timeout=PATIENCE)
    visitor.settle()
    read = words(page, ".il-head", ".il-sentence", ".il-docket",
                 'table:has(caption:text("Gates of the candidate"))', 'table:has(caption:text("What differs"))')
    page.get_by_role("button", name="Approve start").scroll_into_view_if_needed(timeout=PATIENCE)
    page.get_by_label("Reason, kept in the audit log").fill(REASON)
    page.get_by_label("Reason, kept in the audit log").blur()
    visitor.settle()
    page.get_by_role("button", name="Approve start").click(timeout=PATIENCE)
    signed = page.get_by_text(re.compile(r"^r-\d+: signed for")).first
    expect(signed).to_be_visible(timeout=PATIENCE)
    said = " ".join(signed.inner_text().split())[:120]
    visitor.close()
    return Done(said=said, read=read, typed=len(REASON.split()),
                where="where it stands, what changes, how sure, what if, the gates that did not pass, all differences")


def reported(browser: Browser, base: str, folder: Path) -> Done:
    """Open the report, read what it answers, and put it on disk."""
    visitor = Visitor(browser, base, persona="manager")
    page = visitor.go("/")
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("^Quota report"))).to_be_visible(timeout=PATIENCE)
    visitor.settle()
    read = words(page, ".il-head", ".il-facts", 'table:has(caption:text("What to decide"))',
                 'table:has(caption:text("Every pool"))')
    with page.expect_download(timeout=PATIENCE) as made:
        page.get_by_role("button", name="PDF").click(timeout=PATIENCE)
    file = folder / made.value.suggested_filename
    made.value.save_as(file)
    if not file.read_bytes().startswith(b"%PDF-"):
        raise AssertionError(f"{file} is no PDF")
    visitor.close()
    return Done(said=f"{file.name}, {file.stat().st_size:,} bytes", read=read,
                where="its five answers, what to decide, every pool")


def connected(browser: Browser, seeded: Path, folder: Path) -> Done:
    """Connect the demo's MLflow and log as if they were a team's own: init, one pass, and a page that says the truth.

    True is the number of predictions of the last week: the same as counted in the files by DuckDB.
    """
    settings = load(str(seeded), environ={})
    home = folder / "own"
    home.mkdir()
    log = settings.home_path / "predictions" / "flight-delay"
    commands = [["init", "--tracking", settings.tracking_uri, "--model", "flight-delay", "--log", str(log),
                 "--labels", str(settings.home_path / "labels" / "flight-delay")], ["monitor", "--once"], ["doctor"]]
    read = typed = 0
    for command in commands:
        began = time.perf_counter()
        ran = subprocess.run([sys.executable, "-m", "console.cli", *command], cwd=home, check=False, text=True,
                             input="\n", capture_output=True, env=clean_environment())
        sys.stdout.write(f"trial    interlock {command[0]}: {time.perf_counter() - began:.1f} s, "
                         f"ended with {ran.returncode}\n")
        read += len(f"{ran.stdout} {ran.stderr}".split())
        typed += 1 + len(command)
        if ran.returncode not in (0, 1):  # 1: something is failing there, which is an answer
            raise AssertionError(f"interlock {command[0]}: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    process, base = serve(home / "interlock.toml", folder / "own.log")
    try:
        visitor = Visitor(browser, base, persona="")
        page = visitor.go("/model?model=flight-delay")
        expect(page.locator(".il-line").first).to_be_visible(timeout=PATIENCE)
        read += words(page, ".il-head", ".il-facts", ".il-counts", ".il-line")
        counts = " ".join(page.locator(".il-counts").first.inner_text().split())
        page = visitor.go("/serving?model=flight-delay&window=7d")
        told = page.locator('.il-fact:has(dt:text-is("predictions")) .il-value').inner_text()
        visitor.close()
    finally:
        stop(process)
    since = floor_to(datetime.now(UTC) - timedelta(days=7), HOUR)
    really = counted(log, since)
    if int(told.replace(",", "")) != really:
        raise AssertionError(f"the page says {told} predictions, the files hold {really:,}")
    return Done(said=f"{counts}; {told} predictions in a week, as the files say", read=read, typed=typed + 2,
                where="all that the three commands say, and the page of the model")


def counted(log: Path, since: datetime) -> int:
    """Return how many answers production gave since a time, as the files of a log say."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM read_parquet(?, union_by_name = true) "
            "WHERE environment = 'production' AND variant <> 'shadow' AND ts >= ?::TIMESTAMPTZ",
            [f"{log}/**/*.parquet", since.isoformat()]).fetchall()
    return int(found[0][0])


@contextmanager
def watched(settings: Path, folder: Path) -> Iterator[None]:
    """Have the monitor at work on a home, from the end of its first pass on, as in a demo that is served."""
    sources = bootstrap.build(load(str(settings), environ={})).sources
    began = datetime.now(UTC)
    with (folder / "monitor.log").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "console.cli", "monitor"], cwd=settings.parent, stdout=out,
                                   stderr=subprocess.STDOUT, env=clean_environment())
    try:
        until(lambda: (step := sources.get("step:alerts")) is not None and step.tried_at > began, within=900,
              what="a first pass of the monitor")
        yield
    finally:
        stop(process)


def timed(what: str, limit_s: float, trial: Callable[[], Done]) -> bool:
    """Do a trial, print how long it took and what came of it; tell whether it was quick enough."""
    began = time.perf_counter()
    done = trial()
    machine = time.perf_counter() - began
    reading, typing = 60 * done.read / READ, 60 * done.typed / TYPED
    took = machine + reading + typing
    sys.stdout.write(
        f"trial  {what}: {took:.1f} s, at most {limit_s:.0f} s{'' if took <= limit_s else ', TOO LONG'}\n"
        f"trial    machine {machine:.1f} s, reading {done.read} words {reading:.1f} s ({done.where}), "
        f"typing {done.typed} words {typing:.1f} s\ntrial    {done.said}\n")
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
            with watched(settings, folder):
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
