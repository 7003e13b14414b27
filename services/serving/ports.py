"""What serving needs from outside: the log's hours, a store that keeps them, and a health address that is asked."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from services.core.window import TimeWindow
from services.serving.outage import Probe
from services.serving.traffic import Traffic


class TrafficLog(Protocol):
    """One model's prediction log, counted by the hour."""

    def traffic(self, hours: Sequence[TimeWindow], *, now: datetime) -> list[Traffic]:
        """Return what was asked in these hours, per environment, version and variant.

        An answer dated later than `now` counts, and is not the last that was delivered.
        """
        ...


class TrafficStore(Protocol):
    """Where hours are kept."""

    def replace_hours(self, model: str, hours: Sequence[TimeWindow], found: Iterable[Traffic]) -> None:
        """Make these hours hold exactly this; doing it twice changes nothing."""
        ...

    def hours(self, model: str, window: TimeWindow, *, environment: str = "") -> list[Traffic]:
        """Return the hours that users got inside the window, oldest first."""
        ...


class FailedRows(Protocol):
    """One model's prediction log, asked about the requests that failed."""

    def failed(self, window: TimeWindow, *, environment: str, sensitive: Sequence[str]) -> list[dict[str, Any]]:
        """Return the newest failed requests, a few of each class of error; nothing of a sensitive column."""
        ...


class Prober(Protocol):
    """Asks health addresses."""

    def ask(self, model: str, environment: str, *, now: datetime) -> Probe | None:
        """Return what the address of a model answered, or None where no address is known."""
        ...
