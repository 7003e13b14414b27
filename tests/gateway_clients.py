"""Clients that keep asking a gateway, whatever happens to it, and remember every answer."""

import threading
import time
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

import httpx

from tests.waiting import until


@dataclass(frozen=True)
class Answered:
    """One request: its id, its status (0 where the connection broke), who answered; by the monotonic clock, when."""

    name: str
    status: int
    version: str
    asked: float
    at: float


@dataclass
class Clients:
    """So many clients, each asking one request after another until the block ends."""

    url: str  # of the model's invocations
    count: int = 4
    body: dict[str, object] = field(default_factory=lambda: {"inputs": {"x": [1], "color": ["red"]}})
    answers: list[Answered] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.finished = [0] * self.count
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not self._end.is_set():
                name, asked = uuid4().hex, time.monotonic()
                try:
                    answer = client.post(self.url, headers={"X-Request-Id": name}, json=self.body)
                except httpx.TransportError:
                    self.answers.append(Answered(name, 0, "", asked, time.monotonic()))
                    self._end.wait(0.1)  # there is nobody: leave the processor to who comes back
                    continue
                version = answer.headers.get("x-model-version", "")
                self.answers.append(Answered(name, answer.status_code, version, asked, time.monotonic()))
                self.finished[number] += 1
                if answer.status_code in (429, 503):  # told to come back later: as above
                    self._end.wait(0.1)

    def settle(self) -> None:
        """Return when no request is under way any more that was asked before now."""
        before = list(self.finished)
        until(lambda: all(now > then for now, then in zip(self.finished, before, strict=True)), within=120,
              what="an answer to each client")

    def after(self, more: int) -> None:
        """Return when so many more requests have been answered."""
        enough = sum(self.finished) + more
        until(lambda: sum(self.finished) >= enough, within=120, what=f"{more} more answers")

    def since(self, moment: float) -> list[Answered]:
        """Return what was answered since a moment of the monotonic clock."""
        return [one for one in self.answers.copy() if one.at >= moment]
