"""What the gateway's core needs from the world: models that answer, a log that takes rows, a file for its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.gateway.journal import Entry


@dataclass(frozen=True, slots=True)
class Answer:
    """A version's answer: the response body as it goes out, and the JSON that the log needs beside it."""

    body: bytes
    record: bytes


class Fleet(Protocol):
    """Versions in worker processes."""

    async def load(self, model: str, version: str) -> None:
        """Start a version, or wait for it; return when it can answer.

        Raises:
            Refused: it cannot be loaded; the message says why.
        """
        ...

    async def keep(self, model: str, version: str) -> None:
        """Start a version without waiting, and try again until it is up: what a restart does."""
        ...

    async def unload(self, model: str, version: str) -> None:
        """Let a version finish what it has and end it."""
        ...

    def healthy(self, model: str, version: str) -> bool:
        """Tell whether a version can answer now."""
        ...

    async def call(self, model: str, version: str, *, media: str, body: bytes) -> Answer:
        """Return a version's answer to a request body.

        Raises:
            InvocationFault: 4xx blames the request or says that the queue is full, 5xx blames the version.
        """
        ...

    def describe(self) -> list[dict[str, Any]]:
        """Return process ids, restarts and queue lengths, one item per version."""
        ...


class Log(Protocol):
    """Where predictions are written, off the request path."""

    def append(self, entry: Entry) -> None:
        """Take one request's rows; never waits for a disk and never raises."""
        ...

    async def durable(self) -> None:
        """Return when everything appended so far would survive a power cut."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Return how many requests were taken, written, held back by a full disk, dropped, and lost to a kill."""
        ...


class StateFile(Protocol):
    """Where weights and generations survive a restart."""

    def read(self) -> Any:
        """Return the stored document, or None when there is none yet."""
        ...

    def write(self, document: Mapping[str, Any]) -> None:
        """Replace the document; it is on the disk when this returns.

        Raises:
            SourceUnavailable: it cannot be written; the old document is still there.
        """
        ...
