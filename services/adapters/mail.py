"""Send one letter by e-mail, as plain text, under the same Message-ID at every try.

Apprise reads the address; it would mint a new Message-ID each time, and take what is written here for HTML. Encrypted
mail is left to it, with that shortcoming.
"""

import mimetypes
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any, Protocol


class File(Protocol):
    """One file that goes with a letter."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...


def message_id(key: str, sender: str) -> str:
    """Return the Message-ID of the letter with this key, from this address."""
    return f"<{key}@{sender.rpartition('@')[2]}>"


def compose(
    service: Any, *, title: str, body: str, key: str, thread: str, files: Sequence[File] = ()
) -> EmailMessage:
    """Return the message; `service` is a mail address as Apprise read it. Letters of one `thread` stand together."""
    mail = EmailMessage()
    name, sender = service.from_addr
    mail["Message-ID"] = message_id(key, sender)
    if thread:
        mail["References"] = message_id(thread, sender)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["From"] = formataddr((name or "", sender))
    mail["To"] = ", ".join(formataddr((label or "", address)) for label, address in service.targets)
    for header, addresses in (("Cc", service.cc), ("Reply-To", service.reply_to)):
        if addresses:
            mail[header] = ", ".join(sorted(addresses))
    # A header takes one line; a title may hold what a table's column is called.
    mail["Subject"] = " ".join(title.split())
    for header, value in {**service.headers, "Idempotency-Key": key}.items():
        if header not in mail:
            mail[header] = " ".join(value.split())
    mail.set_content(body)
    for file in files:
        kind, _, form = (mimetypes.guess_type(file.name)[0] or "application/octet-stream").partition("/")
        mail.add_attachment(file.content, maintype=kind, subtype=form, filename=file.name)
    return mail


def deliver(service: Any, mail: EmailMessage, *, timeout_s: float) -> str:
    """Hand the message to the mail server; return an empty text, or what it said against it."""
    everybody = [*(address for _, address in service.targets), *service.cc, *service.bcc]
    try:
        with _connected(service, timeout_s) as server:
            refused = server.send_message(mail, service.from_addr[1], everybody)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {_words(error.smtp_error)}"
    except (OSError, smtplib.SMTPException) as error:
        return f"{service.smtp_host}:{service.port}: {error}"
    return "; ".join(f"{address}: {code} {_words(said)}" for address, (code, said) in refused.items())


def _connected(service: Any, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if not service.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if service.secure_mode == "ssl":
        server: smtplib.SMTP = smtplib.SMTP_SSL(service.smtp_host, service.port, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(service.smtp_host, service.port, timeout=timeout_s)
    try:
        if service.secure_mode == "starttls":
            server.starttls(context=context)
        if service.user and service.password:
            server.login(service.user, service.password)
    except (OSError, smtplib.SMTPException):
        server.close()
        raise
    return server


def _words(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
