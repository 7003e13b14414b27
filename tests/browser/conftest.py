"""The base of the browser tests: Chromium, a seeded home, and the real `interlock console` serving it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import ARGS, PATIENCE_MS, Visitor, executable
from tests.browser.small_home import seed
from tests.ports import free_port
from tests.waiting import until

expect.set_options(timeout=PATIENCE_MS)


def serve(
    settings: Path, log: Path, *, port: int = 0, secrets: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], str]:
    """Start the real console, on a free port unless one is given; return it with its address once it is healthy."""
    port = port or free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("INTERLOCK_", "STREAMLIT_"))} | (secrets or {})
    command = [sys.executable, "-c", "from console.cli import main; main()", "--config", str(settings), "console"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=settings.parent, env=env, stdout=out,
                                   stderr=subprocess.STDOUT)
    base = f"http://127.0.0.1:{port}"

    def healthy() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"interlock console ended with {process.returncode}: {log.read_text()}")
        try:
            return httpx.get(f"{base}/_stcore/health", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(healthy, within=400, what="a healthy console")
    except AssertionError:
        stop(process)
        raise
    return process, base


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that a test started."""
    process.terminate()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=60)


# Not for the session: Playwright keeps an event loop running in the thread, in which asyncio.run() then fails.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a few measurements in every state, hostile names among them; returns its settings file."""
    return seed(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_url(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, base = serve(small_home, tmp_path_factory.mktemp("log") / "console.log")
    yield base
    stop(process)


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a visitor on an address; afterwards none of them fetched from elsewhere or saw an error."""
    visitors: list[Visitor] = []

    def open_(base: str, **kind) -> Visitor:
        visitors.append(Visitor(chromium, base, **kind))
        return visitors[-1]

    yield open_
    foreign = [url for v in visitors for url in v.foreign]
    complaints = [line for v in visitors for line in v.complaints]
    for visitor in visitors:
        visitor.close()
    assert not foreign, f"the page fetched from elsewhere: {foreign}"
    assert not complaints, f"the browser complained: {complaints}"
