"""A hundred people have the console open and turn pages: how long a page takes, what a session costs, what fails.

Each visitor is a websocket of its own that asks for pages as a browser does; the console is the real one, in a process
of its own, over the small home of the browser tests or over `--config FILE`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.bench.recording import section
from tests.browser.conftest import serve, stop
from tests.browser.small_home import seed
from tests.console_socket import Visitor, visiting

PAGES = ("", "incidents", "serving", "drift", "data", "quality", "training", "releases", "audit", "quota", "rules",
         "system")
THINK_S = 20.0  # how long a person looks at a page before turning to the next


async def person(base: str, number: int, turns: int, took: list[float], failed: list[str]) -> None:
    """Open a tab and turn pages."""
    choice = random.Random(number)
    await asyncio.sleep(choice.uniform(0, THINK_S))
    try:
        async with visiting(base, headers=[("Cookie", "interlock_persona=viewer")]) as socket:
            visitor = Visitor(socket)
            for _ in range(turns):
                page = choice.choice(PAGES)
                seen = await visitor.open(page)
                took.append(seen.took_s)
                if not seen.ended_well or "Something in this page broke" in seen.words:
                    failed.append(f"{page or 'now'}: broke")
                await asyncio.sleep(choice.uniform(0.5, 1.5) * THINK_S)
    except (OSError, TimeoutError, AssertionError) as error:
        failed.append(f"{type(error).__name__}: {error}")


async def crowd(base: str, people: int, turns: int) -> tuple[list[float], list[str]]:
    """Let so many people turn so many pages each; return how long each page took, and what failed."""
    took: list[float] = []
    failed: list[str] = []
    await asyncio.gather(*(person(base, number, turns, took, failed) for number in range(people)))
    return took, failed


def main() -> int:
    """Print the figures; 1 when a page failed."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=100)
    ask.add_argument("--turns", type=int, default=6)
    ask.add_argument("--config", type=Path, help="settings of a home that is there already, such as a demo's")
    ask.add_argument("--record", type=Path)
    chosen, _ = ask.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        file = chosen.config or seed(Path(folder))
        process, base = serve(file, Path(folder) / "console.log")
        try:
            memory = psutil.Process(process.pid)
            warm = asyncio.run(each_page(base))
            before, began, cpu = memory.memory_info().rss, time.perf_counter(), sum(memory.cpu_times()[:2])
            took, failed = asyncio.run(crowd(base, chosen.people, chosen.turns))
            after, spent = memory.memory_info().rss, time.perf_counter() - began
            cpu = sum(memory.cpu_times()[:2]) - cpu
        finally:
            stop(process)
    figures = Figures(chosen.people, took, failed, spent, cpu, before, after, warm)
    sys.stdout.write(figures.text())
    if chosen.record:
        figures.record(chosen.record, chosen)
    return 1 if failed else 0


@dataclass(frozen=True)
class Figures:
    """What a crowd saw; times in seconds, memory in bytes."""

    people: int
    took: list[float]
    failed: list[str]
    spent: float
    cpu: float
    before: int
    after: int
    alone: list[float]

    def rows(self) -> list[tuple[str, str]]:
        """Return what is told, as words and figures."""
        p50, p95, p99 = (f"{np.percentile(self.took or [0.0], q) * 1000:.0f} ms" for q in (50, 95, 99))
        pages, mb = len(self.took), 2**20
        return [
            ("people at once", str(self.people)), ("pages", f"{pages} in {self.spent:.0f} s"),
            ("page p50, p95, p99", f"{p50}, {p95}, {p99}"),
            ("page p50 of one person alone", f"{np.median(self.alone) * 1000:.0f} ms"),
            ("CPU a page", f"{self.cpu / max(pages, 1) * 1000:.0f} ms"),
            ("memory, with everybody", f"{self.before / mb:.0f} MB, {self.after / mb:.0f} MB"),
            ("memory a session", f"{(self.after - self.before) / self.people / 1024:.0f} KB"),
            ("failed", str(len(self.failed)) + "".join(f"; {line}" for line in sorted(set(self.failed))[:3])),
        ]

    def text(self) -> str:
        """Return the figures as lines."""
        return "".join(f"{name}: {value}\n" for name, value in self.rows())

    def record(self, file: Path, chosen: argparse.Namespace) -> None:
        """Write them into the document of benchmarks."""
        command = f"python -m tests.bench.bench_load --people {chosen.people} --turns {chosen.turns}"
        busy = psutil.cpu_percent(interval=1.0)
        note = (f"A page every {THINK_S:.0f} s from each person; the machine was {busy:.0f}% busy with other work when "
                "the bench ended.")
        section(file, "A hundred open consoles", command=command, note=note, head=("what", "figure"), rows=self.rows())


async def each_page(base: str) -> list[float]:
    """Open every page twice, so that imports and first queries are paid, and time the second."""
    took = []
    async with visiting(base, headers=[("Cookie", "interlock_persona=viewer")]) as socket:
        visitor = Visitor(socket)
        for round_ in range(2):
            for page in PAGES:
                seen = await visitor.open(page)
                if round_:
                    took.append(seen.took_s)
    return took


if __name__ == "__main__":
    sys.exit(main())
