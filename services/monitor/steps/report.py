"""The report step: once a month is over, freeze its numbers and send them to its readers, once.

What a report says is built in services/quota/report.py; its files are drawn when a letter is sent.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.alerts.notify import Reason
from services.alerts.telling import Letter
from services.core.access import Actor, system_actor
from services.core.audit import digest
from services.quota.report import last_month, month_window
from services.quota.report_words import letter


class Signed(Protocol):
    """One signature under a report."""

    @property
    def label(self) -> str:
        """Who signed."""
        ...


class Issued(Protocol):
    """One issued report."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def body(self) -> dict[str, Any]:
        """Its frozen numbers."""
        ...

    @property
    def signatures(self) -> Sequence[Signed]:
        """Who signed it."""
        ...


class Desk(Protocol):
    """Where reports are kept."""

    def published(self, month: str) -> bool:
        """Tell whether the month's report was sent."""
        ...

    def publish(self, month: str, body: dict[str, Any], *, tell: Callable[[Any], Sequence[Letter]], actor: Actor,
                now: datetime) -> tuple[int, int]:
        """Issue where nobody did and queue the letters, once; return the report's number and how many letters."""
        ...


class ReportStep:
    """The monthly report's part of a pass."""

    name = "report"

    def __init__(
        self, *, desk: Desk, build: Callable[[str, datetime], dict[str, Any]], after: timedelta, urls: Sequence[str],
        link: str,
    ) -> None:
        """Send what `build` makes of a month to `urls`, `after` the month's end; `link` is the console's address."""
        self._desk = desk
        self._build = build
        self._after = after
        self._urls = urls
        self._link = link

    def run(self, *, now: datetime) -> str:
        """Send the last month's report when its time has come; every later pass finds that it was sent."""
        month = last_month(now)
        due = month_window(month).end + self._after
        if now < due:
            return f"the report of {month} is due {due:%Y-%m-%d %H:%M} UTC"
        if self._desk.published(month):
            return f"the report of {month} was sent"
        body = self._build(month, now)
        if not any(pool["chart"]["lines"] for pool in body["pools"]):
            return f"no pool has a sample in {month}: no report is issued"
        number, letters = self._desk.publish(month, body, tell=self._letters, actor=system_actor("monitor"), now=now)
        return f"report {number} of {month} is issued, {letters} letters are queued"

    def _letters(self, report: Issued) -> list[Letter]:
        title, text = letter(report.body, number=report.id, signed=[s.label for s in report.signatures],
                             link=self._link)
        return [
            Letter(key=digest(["report", report.body["month"], url]), incident_id=0, reason=Reason.REPORT, level=0,
                   address=url, person="", title=title, body=text, attachment=f"report:{report.id}")
            for url in dict.fromkeys(self._urls)
        ]
