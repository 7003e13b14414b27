"""Serve the demo: start monitor, gateway, replay and console as children, watch them, and end them together."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.adapters.process_usage import announce
from services.demo.faults import Brake, current
from services.errors import SourceUnavailable
from services.settings import Settings

START_S: Final = 180.0
STOP_S: Final = 15.0
TURN_S: Final = 0.3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One child: its command, and the address that answers once it is up (empty: being alive is enough).

    `pipeline` is whose use of this machine its own use is; a child that says so itself has none here. `mortal` is one
    that a person may stop, to see what the console says of it: `again` is what starts it again.
    """

    name: str
    command: Sequence[str]
    health: str = ""
    pipeline: str = ""
    mortal: bool = False
    again: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running part and its log."""

    part: Part
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def was_stopped(self) -> bool:
        """Whether it ended because somebody told it to, by a signal; one that failed by itself ended with an error."""
        return self.part.mortal and self.process.poll() is not None and (self.process.returncode or 0) <= 0

    def last_line(self) -> str:
        """Return the last thing it said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def ended(self) -> SourceUnavailable:
        """Return the error that says which part died, how, and what its log says."""
        return SourceUnavailable(f"{self.part.name} ended with {self.process.returncode}: {self.last_line()}. "
                                 f"Everything was stopped; its log is {self.log}", retryable=False)


def parts_of(settings: Settings, file: Path) -> list[Part]:
    """Return the parts of a demo, in the order in which they are started."""
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "console.cli", "--config", str(file), *words]

    gateway = f"http://{settings.gateway.host}:{settings.gateway.port}"
    pages = f"http://{settings.console.host}:{settings.console.port}"
    replay = [sys.executable, "-m", "services.demo.replay", str(file)]
    return [
        Part(name="gateway", command=command("gateway"), health=f"{gateway}/health", pipeline="gateway", mortal=True,
             again="interlock gateway"),
        Part(name="monitor", command=command("monitor"), pipeline="interlock"),
        Part(name="console", command=command("console"), health=f"{pages}/_stcore/health",
             pipeline="interlock"),
        Part(name="replay", command=replay, pipeline="interlock"),
        Part(name="long training run", command=[sys.executable, "-m", "services.demo.longrun", str(file)]),
    ]


def serve(settings: Settings, file: Path, *, say: Say, parts: Sequence[Part] | None = None) -> None:
    """Start every part, wait until each answers, say the address, and stay until told to stop or until one ends.

    Raises:
        SourceUnavailable: a part ended by itself, or did not answer in time; all others are stopped then. The gateway
            may be stopped by a person: that is an outage to look at.
    """
    told: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: told.append(n)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    children: list[Child] = []
    brakes: list[Brake] = []
    try:
        wanted = parts if parts is not None else parts_of(settings, file)
        # The replay comes once there is a gateway to answer it.
        for wave in ([p for p in wanted if p.health], [p for p in wanted if not p.health]):
            for part in wave:
                say(f"starting {part.name}")
                children.append(_start(part, settings.home_path))
            for child in children:
                _wait_healthy(child, children, told)
        if not told:
            say(f"Interlock is at http://{settings.console.host}:{settings.console.port} - press Ctrl-C to stop")
        brakes = [Brake(pid=child.process.pid) for child in children if child.part.name == "gateway"]
        while not told:
            children = _without_the_stopped(children, say)
            _check(children, stoppable=True)
            fault = current(settings.home_path, now=datetime.now(UTC))
            for brake in brakes:
                brake.turn(fault)
            time.sleep(TURN_S)
        say("stopping")
    finally:
        for brake in brakes:
            brake.release()
        _stop(children)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(part: Part, home: Path) -> Child:
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{part.name.replace(' ', '-')}.log"
    with log.open("wb") as out:
        # A session of its own: Ctrl-C reaches this process only, which then ends its children in order.
        process = subprocess.Popen(part.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,  # noqa: S603
                                   start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
                                   preexec_fn=_end_with_parent if sys.platform == "linux" else None)  # noqa: PLW1509
    if part.pipeline:
        announce(home, pipeline=part.pipeline, kind="serving", team="platform", environment="production",
                 pid=process.pid)
    return Child(part=part, process=process, log=log)


def _end_with_parent() -> None:
    """Ask Linux to end this child when the demo itself is killed and cannot."""
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _wait_healthy(child: Child, children: Sequence[Child], told: Sequence[int]) -> None:
    until = time.monotonic() + START_S
    while child.part.health and not told and not _answers(child.part.health):
        _check(children)
        if time.monotonic() > until:
            raise SourceUnavailable(f"{child.part.name} did not answer at {child.part.health} within {START_S:.0f} s: "
                                    f"{child.last_line()}. Its log is {child.log}")
        time.sleep(TURN_S)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 -- our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _without_the_stopped(children: list[Child], say: Say) -> list[Child]:
    """Return the children that should be running; one that a person stopped is left to that person."""
    running = []
    for child in children:
        if child.was_stopped:
            say(f"{child.part.name} was stopped: Now shows the outage within two passes of the monitor; start it again "
                f"in this folder with {child.part.again}")
        else:
            running.append(child)
    return running


def _check(children: Sequence[Child], *, stoppable: bool = False) -> None:
    for child in children:
        # Whoever is stopped between two looks is told of at the next.
        if child.process.poll() is not None and not (stoppable and child.was_stopped):
            raise child.ended()


def _stop(children: Sequence[Child]) -> None:
    """End every child that this process started: ask, then insist."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + STOP_S
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
