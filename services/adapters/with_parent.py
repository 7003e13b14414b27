"""Let a child process end with the one that started it, also by a SIGKILL, which runs no clean-up."""

import contextlib
import ctypes
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # Linux, prctl(2): not inherited by a fork, so each child asks for itself


def end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends; nothing where the kernel cannot."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
