"""Wait for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, within: float = 240.0, what: str = "the condition") -> T:
    """Return the first true answer of `condition`; fail naming `what` when none came in time."""
    end = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {within:g} s")
        time.sleep(0.02)
