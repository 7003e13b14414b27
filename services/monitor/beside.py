"""Do what may take long beside the work of the outbox: hash artefacts, ask the registry, load and free versions.

A task under way is asked about again and again (`Loading`) until it has ended; its thread writes nothing to the ops
store, so who holds the lease is checked by whoever acts on the answer. After a restart the same is simply asked again.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar, cast

from services.releases.target import Loading

T = TypeVar("T")
Key = tuple[str, ...]

_PATIENCE_S: Final = 0.1  # most answers come at once; the turn of another model waits no longer than this


class _Task:
    """One task and how it ended. `asker` is who asked last: what an earlier one left behind is not theirs."""

    def __init__(self, work: Callable[[], object], asker: str, name: str) -> None:
        self.asker = asker
        self.ended = threading.Event()
        self.answer: object = None
        self.error: BaseException | None = None
        self._work = work
        # A daemon: the monitor may end while a registry or target still works.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self.answer = self._work()
        except BaseException as error:  # noqa: BLE001 -- raised again where the answer is asked for
            self.error = error
        finally:
            self.ended.set()


class Beside:
    """The tasks under way. Asked by one thread; each task has one of its own."""

    def __init__(self, *, patience_s: float | None = _PATIENCE_S) -> None:
        """Wait so long for a task that begins, in seconds; None does it at once and waits for its end."""
        self._patience_s = patience_s
        self._known: dict[Key, _Task] = {}

    def ask(self, key: Key, asker: str, work: Callable[[], T], *, doing: str, join: bool = False) -> T:
        """Begin a task, or ask about the one under way, and return its answer once it has ended.

        Of one key one task runs at a time. Another asker waits until it has ended and then begins anew, or with
        `join` takes it over.

        Raises:
            Loading: it is under way; `doing` says what is.
            OpsError: how it failed; the next time it is tried anew.
        """
        if self._patience_s is None:
            return work()
        task = self._known.get(key)
        if task is not None and not task.ended.is_set() and task.asker != asker:
            if not join:
                raise Loading(doing)
            task.asker = asker
        if task is None or task.asker != asker:
            task = self._known[key] = _Task(work, asker, " ".join(key))
            task.ended.wait(self._patience_s)
        if not task.ended.is_set():
            raise Loading(doing)
        self._known.pop(key, None)
        if task.error is not None:
            raise task.error
        return cast("T", task.answer)

    def under_way(self, key: Key) -> bool:
        """Tell whether a task has begun and not ended."""
        task = self._known.get(key)
        return task is not None and not task.ended.is_set()

    def forget(self, key: Key) -> None:
        """Forget a task that has ended: what it was for was seen to be so."""
        if not self.under_way(key):
            self._known.pop(key, None)
