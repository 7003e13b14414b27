"""Faults that a person may inject into a running demo: what each does, and until when it holds.

A fault is asked for by a file in the home. Faults of the feed are applied where rows are sent (replay.py), faults of
the gateway by really stopping and continuing its processes, which only the demo that started them does (serve.py).
"""

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import pandas as pd
import psutil

from services.errors import Refused

FILE: Final = "inject.json"
BAD_CANDIDATE: Final = "bad-candidate"  # no fault that ends by itself: bad_candidate.py registers a version


class Fault(StrEnum):
    """What can be injected."""

    NULL_FEED = "null-feed"
    CELSIUS_FEED = "celsius-feed"
    LATENCY = "latency"
    OUTAGE = "outage"


MEANING: Final = {
    Fault.NULL_FEED: "temperature, dew point and humidity arrive empty",
    Fault.CELSIUS_FEED: "temperature and dew point arrive in degrees Celsius",
    Fault.LATENCY: "the gateway's processes are stopped for 0.3 s, again and again",
    Fault.OUTAGE: "the gateway's processes are stopped",
}
OF_THE_FEED: Final = frozenset({Fault.NULL_FEED, Fault.CELSIUS_FEED})


def inject(home: Path, fault: str, *, span: timedelta, now: datetime) -> datetime:
    """Ask for a fault from now on, instead of any other; return when it ends.

    Raises:
        Refused: there is no such fault.
    """
    if fault not in set(Fault):
        raise Refused(f"there is no fault {fault}: choose one of {', '.join(Fault)}, {BAD_CANDIDATE}")
    until = now + span
    hidden = home / f".{FILE}.tmp"
    hidden.write_text(json.dumps({"fault": fault, "until": until.isoformat()}), encoding="utf-8")
    hidden.rename(home / FILE)
    return until


def current(home: Path, *, now: datetime) -> Fault | None:
    """Return the fault that holds now."""
    try:
        asked = json.loads((home / FILE).read_text(encoding="utf-8"))
        return Fault(asked["fault"]) if now < datetime.fromisoformat(asked["until"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spoil(rows: pd.DataFrame, fault: Fault | None) -> pd.DataFrame:
    """Return rows as a broken feed would deliver them."""
    match fault:
        case Fault.NULL_FEED:
            return rows.assign(temp=float("nan"), dewp=float("nan"), humid=float("nan"))
        case Fault.CELSIUS_FEED:
            return rows.assign(temp=(rows["temp"] - 32) * 5 / 9, dewp=(rows["dewp"] - 32) * 5 / 9)
        case _:
            return rows


@dataclass(kw_only=True)
class Brake:
    """Stops and continues a process with its descendants; `send` is how a signal is sent."""

    pid: int
    send: Callable[[Sequence[int], int], None] = field(default_factory=lambda: send_signal)
    stopped: tuple[int, ...] = ()

    def turn(self, fault: Fault | None) -> None:
        """Make it so for this turn: an outage stays stopped, latency stops every other turn."""
        wanted = fault is Fault.OUTAGE or (fault is Fault.LATENCY and not self.stopped)
        if wanted and not self.stopped:
            self.stopped = tree(self.pid)
            self.send(self.stopped, signal.SIGSTOP)
        elif self.stopped and not wanted:
            self.release()

    def release(self) -> None:
        """Let everything run again; a stopped process could not even be told to end."""
        self.send(self.stopped, signal.SIGCONT)
        self.stopped = ()


def tree(pid: int) -> tuple[int, ...]:
    """Return a process and its descendants."""
    try:
        process = psutil.Process(pid)
        return (pid, *(child.pid for child in process.children(recursive=True)))
    except psutil.Error:
        return ()


def send_signal(pids: Sequence[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            psutil.Process(pid).send_signal(number)
        except psutil.Error:
            continue
