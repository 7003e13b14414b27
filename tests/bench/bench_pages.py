"""Every page in Chromium, on the full demo and on a home of 50 models: script, bytes, first page, memory.

The console is the real process; its processor time is read around each visit, so that the load of the machine leaves it
alone. It includes what the server does besides the script, so it is an upper bound of the script's own. Bytes are those
of the page's web socket: tables, charts and words; the program itself is kept by the browser.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from console import navigation
from services import bootstrap
from services.settings import load
from tests import huge_home
from tests.bench.recording import section
from tests.browser.chromium import ARGS, Visitor, executable
from tests.browser.conftest import serve, stop
from tests.browser.small_home import SETTINGS

SCRIPT_MS, SENT_MB, FIRST_S, MEMORY_MB = 150, 2.0, 5.0, 400
VISITS = 3


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What one page cost: processor milliseconds of the server and megabytes over the web socket."""

    page: str
    cold_ms: float
    warm_ms: float
    sent_mb: float


@dataclass(frozen=True, kw_only=True)
class Home:
    """What a home's pages cost, from the start of the process on."""

    name: str
    first_s: float
    memory_mb: float
    visits: list[Visit]

    @property
    def missed(self) -> int:
        """How many budgets were missed."""
        return sum((v.warm_ms > SCRIPT_MS) + (v.sent_mb > SENT_MB) for v in self.visits) + (
            self.first_s > FIRST_S) + (self.memory_mb > MEMORY_MB)


def demo(folder: Path) -> Path:
    """Seed the full demo, or take the folder that INTERLOCK_BENCH_HOME names; return its settings file."""
    if given := os.environ.get("INTERLOCK_BENCH_HOME"):
        return Path(given) / "interlock.toml"
    subprocess.run([sys.executable, "-m", "console.cli", "demo", "--no-serve"], cwd=folder, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "interlock.toml"


def fifty(folder: Path) -> Path:
    """Write a home of 50 models; return its settings file."""
    file = folder / "interlock.toml"
    file.write_text(SETTINGS + huge_home.models(), encoding="utf-8")
    services = bootstrap.build(load(str(file), environ={}))
    services.db.migrate()
    huge_home.fill(services)
    return file


@contextmanager
def counted(visitor: Visitor) -> Iterator[list[int]]:
    """Collect the sizes of the web socket's frames while the block runs."""
    sizes: list[int] = []
    visitor.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))))
    yield sizes


def measure(name: str, file: Path, browser: Browser, log: Path) -> Home:
    """Start the console on a home, open the first page, then every page several times."""
    started = time.perf_counter()
    process, base = serve(file, log)
    try:
        server = psutil.Process(process.pid)
        visitor = Visitor(browser, base, persona="on-call")
        with counted(visitor) as sizes:
            visitor.go("/")
            first = time.perf_counter() - started
            visits = [_visit(visitor, page, server, sizes) for page in navigation.listed()]
        memory = server.memory_info().rss / 1e6
        visitor.close()
    finally:
        stop(process)
    return Home(name=name, first_s=first, memory_mb=memory, visits=visits)


def _visit(visitor: Visitor, page: str, server: psutil.Process, sizes: list[int]) -> Visit:
    took = []
    for _ in range(1 + VISITS):
        sizes.clear()
        before = sum(server.cpu_times()[:2])
        visitor.go(f"/{page}" if page != navigation.HOME else "/")
        took.append(1_000 * (sum(server.cpu_times()[:2]) - before))
    cold, *warm = took
    return Visit(page=page, cold_ms=cold, warm_ms=sorted(warm)[len(warm) // 2], sent_mb=sum(sizes) / 1e6)


def main() -> int:
    """Print what every page costs, record it where asked, and return how many budgets are missed."""
    homes = []
    with tempfile.TemporaryDirectory(prefix="il-pages-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGS)
        for name, make in (("full demo", demo), ("50 models", fifty)):
            place = Path(folder) / name.replace(" ", "-")
            place.mkdir()
            homes.append(measure(name, make(place), browser, place / "console.log"))
        browser.close()
    rows = []
    for home in homes:
        rows.append([home.name, "first page from a cold start", f"{home.first_s:.1f} s", f"≤ {FIRST_S:.0f} s", "",
                     "", "met" if home.first_s <= FIRST_S else "missed"])
        rows.append([home.name, "memory after every page", f"{home.memory_mb:.0f} MB", f"≤ {MEMORY_MB} MB", "", "",
                     "met" if home.memory_mb <= MEMORY_MB else "missed"])
        rows += [[home.name, v.page, f"{v.warm_ms:.0f} ms", f"≤ {SCRIPT_MS} ms", f"{v.cold_ms:.0f} ms",
                  f"{v.sent_mb:.2f} MB", "met" if v.warm_ms <= SCRIPT_MS and v.sent_mb <= SENT_MB else "missed"]
                 for v in sorted(home.visits, key=lambda v: -v.warm_ms)]
    for row in rows:
        sys.stdout.write("pages  " + "  ".join(f"{cell:<12}" for cell in row) + "\n")
    if "--record" in sys.argv:
        section(Path(sys.argv[sys.argv.index("--record") + 1]), "Pages", command="make bench", head=[
            "home", "what", "measured", "target", "first visit", "sent", ""], rows=rows,
            note=f"Processor time of the server for a whole visit, median of {VISITS} after the first, on-call, 1440 "
                 f"pixels; sent is the web socket's bytes, target {SENT_MB:.0f} MB.")
    return sum(home.missed for home in homes)


if __name__ == "__main__":
    sys.exit(main())
