"""Draw what a letter carries: an issued quota report as files. Handed to the monitor by the command that starts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.adapters.notifier import File
from services.adapters.report_table import Report
from services.errors import NotFound


class Reports(Protocol):
    """Where issued reports are kept."""

    def get(self, number: int) -> Report:
        """Return an issued report; NotFound where there is none of that number."""
        ...


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Makes the files of `report:NUMBER`, as it stands when the letter is sent: signatures included."""

    reports: Reports
    forms: Sequence[str]

    def __call__(self, attachment: str) -> list[File]:
        """Return the files, named by month.

        Raises:
            NotFound: the attachment names no issued report.
        """
        kind, _, number = attachment.partition(":")
        if kind != "report" or not number.isdigit():
            raise NotFound(f"{attachment} is nothing that can be drawn: report:NUMBER is")
        # Altair and the PDF library are loaded by the first report that is sent, not by a part that sends words.
        from console.reports.files import write

        found = self.reports.get(int(number))
        signed = tuple((s.label, s.at, s.comment) for s in found.signatures)
        return [File(f"quota-{found.month}.{form}", write(found.body, form, signed)) for form in self.forms]
