"""Sample what our own processes on this machine use of its cores and memory.

A process says which pipeline it works for by a file in the home (`announce`); its children count with it unless they
announce themselves. Nothing is guessed from names of programs: what nobody announced is *unattributed*.
"""

import atexit
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil

from services.quota.pool import Limit, Sample

FOLDER: Final = "processes"
_FIRST_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Who a process works for. `started` is its start as the system counts it: a reused pid has another."""

    pid: int
    started: float
    pipeline: str
    kind: str = ""
    team: str = ""
    environment: str = ""


def announce(
    home: Path, *, pipeline: str, kind: str = "", team: str = "", environment: str = "", pid: int | None = None,
) -> Path:
    """Say that this process (or `pid`) and its children work for a pipeline; return the file that says so.

    The file is removed when this process ends; one left behind by a kill is ignored and removed by the next sample.
    """
    process = psutil.Process(pid)
    file = home / FOLDER / f"{process.pid}.json"
    if pid is None and process.pid in _announced(home):
        # Whoever started us has said already what we are for, and knows better.
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    found = Announcement(pid=process.pid, started=process.create_time(), pipeline=pipeline, kind=kind, team=team,
                         environment=environment)
    hidden = file.with_suffix(f".{time.monotonic_ns()}.tmp")
    hidden.write_text(json.dumps(asdict(found)), encoding="utf-8")
    hidden.replace(file)
    if pid is None:
        atexit.register(file.unlink, missing_ok=True)
    return file


class ProcessUsage:
    """Cores and GiB in use per announced pipeline, and by this machine as a whole."""

    def __init__(self, home: Path, pools: Mapping[str, str], *, wait: Callable[[float], None] = time.sleep) -> None:
        """Look for announcements below `home`; `pools` names the pool of `cpu` and of `ram`."""
        self._home = home
        self._pools = pools
        self._wait = wait
        self._before: _Reading | None = None

    @property
    def name(self) -> str:
        """The name under which this source's as-of time is kept."""
        return "usage:processes"

    @property
    def pools(self) -> frozenset[str]:
        """The pools of this machine's cores and memory."""
        return frozenset(self._pools.values())

    @property
    def limits(self) -> Sequence[Limit]:
        """None: what the machine has is declared in the settings."""
        return ()

    @property
    def faults(self) -> Sequence[str]:
        """None: a meter of the system is either read or not."""
        return ()

    def sample(self, *, now: datetime) -> list[Sample]:
        """Return one sample per pipeline and pool, and one of the machine itself.

        Cores are processor seconds per second since the sample before; the first sample looks twice, 0.25 s apart.
        """
        if self._before is None:
            self._before = _read(self._home)
            self._wait(_FIRST_LOOK_S)
        before, reading = self._before, _read(self._home)
        self._before = reading
        samples: list[Sample] = []
        if pool := self._pools.get("cpu"):
            span = max(reading.at - before.at, 1e-3)
            cores: dict[Announcement, float] = defaultdict(float)
            for key, (owner, seconds) in reading.seconds.items():
                # A process that began since the sample before has used all its seconds since then.
                cores[owner] += max(0.0, seconds - before.seconds.get(key, (owner, 0.0))[1]) / span
            whole = max(0.0, reading.machine_seconds - before.machine_seconds) / span
            samples += _samples(pool, _by_pipeline(cores), whole, now)
        if pool := self._pools.get("ram"):
            samples += _samples(pool, _by_pipeline(reading.gib), reading.machine_gib, now)
        return samples


_Name = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    at: float
    seconds: Mapping[tuple[int, float], tuple[Announcement, float]]
    gib: Mapping[Announcement, float]
    machine_seconds: float
    machine_gib: float


def _read(home: Path) -> _Reading:
    known = _announced(home)
    children: dict[int, list[int]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process.pid)
    seconds: dict[tuple[int, float], tuple[Announcement, float]] = {}
    gib: dict[Announcement, float] = defaultdict(float)
    for owner in known.values():
        for process in _tree(owner, known, children):
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                # Resident memory counts pages shared with a sibling once for each.
                gib[owner] += process.memory_info().rss / 2**30
                seconds[process.pid, process.create_time()] = (owner, times.user + times.system)
    times = psutil.cpu_times()
    memory = psutil.virtual_memory()
    return _Reading(
        at=time.monotonic(), seconds=seconds, gib=gib, machine_gib=(memory.total - memory.available) / 2**30,
        machine_seconds=sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0),
    )


def _announced(home: Path) -> dict[int, Announcement]:
    """Return the announcements whose process is the one that made them, by pid; others are removed."""
    found = {}
    for file in (home / FOLDER).glob("*.json"):
        try:
            said = Announcement(**json.loads(file.read_text(encoding="utf-8")))
            # One clock tick of slack: the system rounds start times.
            alive = abs(psutil.Process(said.pid).create_time() - said.started) < 0.02
        except (OSError, ValueError, TypeError, psutil.Error):
            alive = False
        if alive:
            found[said.pid] = said
        else:
            file.unlink(missing_ok=True)
    return found


def _tree(
    owner: Announcement, known: Mapping[int, Announcement], children: Mapping[int, list[int]],
) -> list[psutil.Process]:
    """Return a process and its descendants, leaving out branches that announced themselves."""
    found, waiting = [], [owner.pid]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(pid))
        waiting += [child for child in children.get(pid, ()) if child not in known]
    return found


def _by_pipeline(used: Mapping[Announcement, float]) -> dict[_Name, float]:
    total: dict[_Name, float] = defaultdict(float)
    for owner, amount in used.items():
        total[owner.pipeline, owner.kind, owner.team, owner.environment] += amount
    return total


def _samples(pool: str, used: Mapping[_Name, float], whole: float, now: datetime) -> list[Sample]:
    own = [Sample(ts=now, pool=pool, pipeline=pipeline, kind=kind, team=team, environment=environment,
                  used=round(amount, 4)) for (pipeline, kind, team, environment), amount in used.items()]
    # The two meters are read a moment apart; the machine never used less than what ran on it.
    return [Sample(ts=now, pool=pool, pipeline="", used=round(max(whole, sum(s.used for s in own)), 4)), *own]
