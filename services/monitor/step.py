"""What a step of the monitor's pass is. Which steps exist and in what order is decided in services/bootstrap.py."""

from datetime import datetime
from typing import Protocol


class Step(Protocol):
    """One part of a pass, such as syncing runs or measuring drift.

    A step is idempotent, may be killed at any point, and keeps its own watermarks. It raises OpsError when its
    source is down; the pass records that and goes on with the next step.
    """

    @property
    def name(self) -> str:
        """The name under which its as-of time is kept, such as `runs` or `drift`."""
        ...

    def run(self, *, now: datetime) -> str:
        """Do the step and return one short line about what it did."""
        ...
