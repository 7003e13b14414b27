"""Verify the audit chain: what was added at every pass, all of it once a day and for as long as it does not hold.

How a fault is found is in services/core/audit_chain.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, Protocol

from services.core.audit import GENESIS
from services.core.audit_chain import Fault, Head, Recorded, verify
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import TimeWindow

NAME: Final = "audit_chain"
_WHOLE_EVERY: Final = timedelta(days=1)


class Chain(Protocol):
    """The rows of the chain."""

    def all(self, *, after: int = 0) -> Iterator[Recorded]:
        """Yield the rows behind row `after`, in order."""
        ...


class Memory(Protocol):
    """Where the last verified row is remembered between passes."""

    def load(self) -> Mapping[str, Any] | None:
        """Return what was kept, or None."""
        ...

    def keep(self, cursor: Mapping[str, Any], *, now: datetime) -> None:
        """Keep it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStep:
    """The audit log's part of a pass."""

    chain: Chain
    memory: Memory
    save: Callable[[Iterable[Measurement]], None]
    name: str = "audit"

    def run(self, *, now: datetime) -> str:
        """Verify what is due, and store how the chain stands."""
        cursor = self.memory.load() or {}
        seen = Head(seq=int(cursor.get("seq", 0)), hash=str(cursor.get("hash", GENESIS)), at=now, signature="")
        whole_at = datetime.fromisoformat(cursor["whole_at"]) if cursor.get("whole_at") else None
        whole = seen.seq == 0 or whole_at is None or not whole_at <= now < whole_at + _WHOLE_EVERY
        rows, before = self.chain.all(after=0 if whole else seen.seq - 1), (0, GENESIS)
        if not whole:
            # The last verified row is read again: it must still be there, and the same.
            first = next(rows, None)
            rows = chain([first], rows) if first else rows
            before = (seen.seq - 1, first.previous if first else "")
        last = _Last(rows)
        faults = verify(last, anchor=seen, after=before)
        end = last.row.seq if last.row else 0
        said = _said(faults, end)
        self.save([_measured(faults, said, whole_at or now, now)])
        if faults:
            # What was verified stays as it was, and from now on all of it is read until it holds.
            self.memory.keep({"seq": seen.seq, "hash": seen.hash, "whole_at": None}, now=now)
        elif last.row:
            at = now if whole or whole_at is None else whole_at
            self.memory.keep({"seq": end, "hash": last.row.hash, "whole_at": at.isoformat()}, now=now)
        return said


class _Last:
    """Rows that are read once, and the last of them."""

    def __init__(self, rows: Iterable[Recorded]) -> None:
        self.row: Recorded | None = None
        self._rows = rows

    def __iter__(self) -> Iterator[Recorded]:
        for self.row in self._rows:  # noqa: B020 -- the last row is what this class keeps
            yield self.row


def _said(faults: list[Fault], end: int) -> str:
    if not faults:
        return f"{end:,} rows follow from one another"
    more = f", and {len(faults) - 1:,} more faults" if len(faults) > 1 else ""
    return f"the audit chain does not hold: {faults[0].what}{more}"


def _measured(faults: list[Fault], said: str, since: datetime, now: datetime) -> Measurement:
    return Measurement(
        name=NAME, pipeline=Pipeline.MONITOR, subject="audit", window=TimeWindow(min(since, now), now), at=now,
        verdict=Verdict.FAIL if faults else Verdict.PASS, reason=said, value=float(len(faults)),
        detail={"first_bad_row": faults[0].seq} if faults else {})
