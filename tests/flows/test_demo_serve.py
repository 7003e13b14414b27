"""The demo's processes are started together, watched, and ended together; none is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.demo.serve import Part, serve
from services.errors import SourceUnavailable
from services.settings import Settings
from tests.ports import free_port

SLEEPER = [sys.executable, "-c", "import time; time.sleep(120)"]


def settings_in(folder: Path) -> Settings:
    return Settings(folder=str(folder))


def sleepers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "time.sleep(120)" in " ".join(child.cmdline())]


def stop_when_up(text: str) -> None:
    if "Interlock is at" in text:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_every_child_and_puts_the_old_handlers_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    serve(settings_in(tmp_path), tmp_path / "interlock.toml", say=stop_when_up,
          parts=[Part(name="one", command=SLEEPER), Part(name="two", command=SLEEPER)])
    assert sleepers() == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_child_that_dies_is_named_with_its_last_words_and_the_others_end(tmp_path: Path) -> None:
    dying = Part(name="gateway", command=[sys.executable, "-c", "print('port 8601 is taken'); raise SystemExit(3)"])
    with pytest.raises(SourceUnavailable, match=r"gateway ended with 3: port 8601 is taken.*gateway\.log"):
        serve(settings_in(tmp_path), tmp_path / "interlock.toml", say=lambda _: None,
              parts=[Part(name="one", command=SLEEPER), dying])
    assert sleepers() == []


def test_a_gateway_that_a_person_stops_leaves_the_others_running(tmp_path: Path) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "Interlock is at" in text:
            next(p for p in sleepers() if "gateway" in p.cmdline()).kill()
        if "was stopped" in text:
            assert len(sleepers()) == 1
            os.kill(os.getpid(), signal.SIGTERM)

    serve(settings_in(tmp_path), tmp_path / "interlock.toml", say=say,
          parts=[Part(name="one", command=SLEEPER),
                 Part(name="gateway", command=[*SLEEPER, "gateway"], mortal=True, again="interlock gateway")])
    assert any(line.endswith("start it again in this folder with interlock gateway") for line in said)
    assert sleepers() == []


def test_the_address_is_said_only_once_health_answers(tmp_path: Path) -> None:
    port = free_port()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        stop_when_up(text)

    web = Part(name="web", command=[sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
               health=f"http://127.0.0.1:{port}/")
    late = Part(name="late", command=SLEEPER)
    serve(settings_in(tmp_path), tmp_path / "interlock.toml", say=say, parts=[late, web])
    # What has no health of its own is started after what has.
    assert said[:3] == ["starting web", "starting late", "Interlock is at http://127.0.0.1:8501 - press Ctrl-C to stop"]


def test_children_end_even_when_the_demo_itself_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from services.demo.serve import Part, serve\n"
        "from services.settings import Settings\n"
        f"serve(Settings(folder={str(tmp_path)!r}), Path('x'), say=lambda t: print(t, flush=True),\n"
        f"      parts=[Part(name='one', command={SLEEPER!r})])\n", encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert any("Interlock is at" in line for line in parent.stdout)
    [child] = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs([child], timeout=60)
    assert (len(gone), alive) == (1, [])
