"""Run a command with a limit on time and on memory, and say how it ended. Nothing it does can take us with it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Final

_TAIL: Final = 4_000  # bytes of what it printed that are kept
OUT_OF_MEMORY: Final = 77  # exit status by which a child says that it met its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: done, hang (killed after its time), memory, or crash; with its last words."""

    how: str
    words: str
    status: int

    def problem(self, *, seconds: float, memory_gib: float) -> str:
        """Return one sentence about what went wrong; empty where nothing did."""
        last = self.words.strip().splitlines()[-1].strip() if self.words.strip() else ""
        if self.how == "hang":
            return f"no answer within {seconds:g} s: it was killed"
        if self.how == "memory":
            return f"it needs more than {memory_gib:g} GiB of memory"
        if self.how == "crash":
            name = signal.Signals(-self.status).name if self.status < 0 else f"exit status {self.status}"
            return f"it crashed ({name})" + (f": {last}" if last else "")
        return ""


def run_limited(
    command: Sequence[str], *, seconds: float, memory_gib: float, environ: Mapping[str, str] | None = None
) -> Ended:
    """Run a command to its end, or kill it and everything it started after `seconds`.

    `memory_gib` bounds the address space of each of its processes.
    """
    limit = int(memory_gib * 2**30)
    with TemporaryFile() as said:
        child: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 -- our own interpreter, fixed arguments
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environ or {})},
        )
        # Set on the child from outside: code between fork and exec could deadlock in a process with threads.
        _limit(child.pid, limit)
        try:
            status, how = child.wait(timeout=seconds), ""
        except subprocess.TimeoutExpired:
            status, how = -signal.SIGKILL, "hang"
        finally:
            _kill_group(child)
        said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
        words = said.read().decode(errors="replace")
    return Ended(how=how or _how(status, words), words=words, status=status)


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours in this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _how(status: int, words: str) -> str:
    if status == 0:
        return "done"
    # An allocation that fails ends in a MemoryError, or in whatever a library makes of it.
    starved = ("MemoryError", "bad_alloc", "Cannot allocate memory", "failed to allocate", "Unable to allocate")
    return "memory" if status == OUT_OF_MEMORY or any(word in words for word in starved) else "crash"


def _limit(pid: int, limit: int) -> None:
    prlimit: Any = getattr(resource, "prlimit", None)
    if prlimit is None:
        return  # not on Linux: the time limit alone holds
    try:
        prlimit(pid, resource.RLIMIT_AS, (limit, limit))
        prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    except ProcessLookupError:
        return  # it has ended already


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
