"""Send waiting letters through Apprise, e-mail by mail.py; both carry a key, so a repeat is recognisable.

Which letters exist is decided in services/alerts, and of reports in services/quota. What a letter carries is drawn
when it is sent. One call of `run_due` is one turn of the notifier part.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from services.adapters import mail
from services.adapters.notification_table import NotificationTable
from services.alerts.notify import OVER, Reason
from services.errors import OpsError

_log = logging.getLogger(__name__)
_CALLS: Final = re.compile(r"@(?=(?:everyone|here|channel|all)\b)", re.IGNORECASE)
_SEND_S: Final = 10  # a sink that does not answer holds up the others for so long at most


class Sender(Protocol):
    """Sends one message to one address; returns an empty text, or what went wrong."""

    def __call__(
        self, address: str, *, title: str, body: str, key: str, reason: Reason, thread: str,
        files: "Sequence[File]" = (),
    ) -> str:
        """Send; `thread` is the same for every letter about one incident, and empty where it is about none."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """One file that goes with a letter."""

    name: str
    content: bytes


Draw = Callable[[str], Sequence[File]]


def draws_nothing(_attachment: str) -> Sequence[File]:
    """Return no file: where nobody draws, letters go out without their files."""
    return ()


@dataclass(kw_only=True)
class Notifier:
    """The outbox's other end. `draw` makes the files of an attachment such as `report:3`."""

    table: NotificationTable
    send: Sender
    draw: Draw = draws_nothing

    def run_due(self, *, now: datetime) -> int:
        """Send what is due; return how many went out.

        A letter is marked after it was sent: a crash in between sends it once more, under the same key. A sink that
        fails is left alone for the rest of the turn, so that one that is down holds up the others by one letter only.
        """
        done = 0
        down: set[str] = set()
        for row in self.table.due(now=now):
            if row.address in down:
                continue
            body, files = self._drawn(row.body, row.attachment)
            thread = f"interlock-incident-{row.incident_id}" if row.incident_id else ""
            fault = self.send(row.address, title=row.title, body=body, key=row.key, reason=Reason(row.reason),
                              thread=thread, files=files)
            if fault:
                _log.warning("notification %s: %s", row.key[:12], fault)
                permanent = fault.startswith("address")
                again = self.table.failed(row.key, row.attempts, fault, permanent=permanent, now=now)
                if not permanent:
                    down.add(row.address)
                    self.table.defer(row.address, until=again, now=now)
            else:
                self.table.sent(row.key, now=now)
                done += 1
        return done

    def _drawn(self, body: str, attachment: str) -> tuple[str, Sequence[File]]:
        if not attachment:
            return body, ()
        try:
            return body, self.draw(attachment)
        except OpsError as error:
            # The words are worth more than the pictures: they go out, and say what is lacking.
            return f"{body}\n\nIts files could not be made: {error}", ()


def send_by_apprise(
    address: str, *, title: str, body: str, key: str, reason: Reason, thread: str, files: Sequence[File] = ()
) -> str:
    """Send through Apprise; return an empty text, or what went wrong without the address's secrets."""
    import apprise

    service: Any = apprise.Apprise.instantiate(_with_identity(address, key, thread))
    if service is None:
        return "address cannot be read by Apprise: mend it in notifications.urls"
    name = service.service_name or "sink"
    if _plain_mail(address, service):
        message = mail.compose(service, title=title, body=body, key=key, thread=thread, files=files)
        said = mail.deliver(service, message, timeout_s=_SEND_S)
        return f"{name} refused: {said[:300]}" if said else ""
    service.socket_connect_timeout = service.socket_read_timeout = _SEND_S
    sending = apprise.Apprise()
    sending.add(service)
    with apprise.LogCapture(level=logging.WARNING) as captured, TemporaryDirectory() as folder:
        # A service that takes no files gets the words, which name the page where the files are.
        paths = [_written(Path(folder), file) for file in files] if service.attachment_support else []
        kind = apprise.NotifyType.FAILURE if thread else apprise.NotifyType.INFO
        if reason in OVER:
            kind = apprise.NotifyType.SUCCESS
        # Said to be text, so that a sink which shows HTML or Markdown gets names escaped and lines kept: no markup in a
        # mail, no link in a chat.
        if sending.notify(body=_quiet(body), title=_quiet(title), notify_type=kind, attach=paths or None,
                          body_format=apprise.NotifyFormat.TEXT):
            return ""
        said = " ".join(captured.getvalue().split()) or "no reason given"
    return f"{name} refused: {said[-300:]}"


def _plain_mail(address: str, service: Any) -> bool:
    return address.partition("://")[0] in ("mailto", "mailtos") and service.pgp_mode == "no"


def _quiet(text: str) -> str:
    """Return a text that calls nobody: a chat reads `@everyone` out of any text, so a mark nobody sees parts it."""
    return _CALLS.sub("@\u2060", text)


def _written(folder: Path, file: File) -> str:
    path = folder / file.name
    path.write_bytes(file.content)
    return str(path)


def _with_identity(address: str, key: str, thread: str) -> str:
    """Add what lets a receiver recognise a repeat of the same letter, or of the same incident."""
    scheme, _, rest = address.partition("://")
    join = "&" if "?" in address else "?"
    if thread and scheme == "pagerduty" and "dedup=" not in rest:
        # One incident there for one here: a repeat joins it, and its end closes it (`map` reads the type).
        return f"{address}{join}dedup={thread}" + ("" if "action=" in rest else "&action=map")
    takes_headers = {"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"}
    return f"{address}{join}+Idempotency-Key={key}" if scheme in takes_headers else address
