"""Keep a part of the monitor going until it is told to end: a turn, a wait, a turn.

What a turn does is the caller's; how parts are started and ended as processes is in adapters/supervisor.py.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from services.errors import OpsError

_log = logging.getLogger(__name__)


class Ended(Protocol):
    """Something that tells when to stop and can be waited on, such as threading.Event."""

    def is_set(self) -> bool:
        """Tell whether the end has come."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait for the end, at most `timeout` seconds."""
        ...


def repeat(turn: Callable[[], object], *, every: timedelta, ended: Ended, clock: Callable[[], datetime]) -> None:
    """Call `turn` every so often, counted from start to start, until ended; a turn in progress is finished.

    A turn that takes longer than the interval is followed at once by the next; missed turns are not made up for.
    """
    while not ended.is_set():
        began = clock()
        try:
            turn()
        except OpsError as error:
            # A source that is away is waited for; a bug ends the part, and the supervisor starts it anew.
            _log.warning("%s", error)
        # A clock set back must not make the wait longer than the interval.
        spent = max(timedelta(0), clock() - began)
        ended.wait(max(0.0, (every - spent).total_seconds()))
