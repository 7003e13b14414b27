"""What a failure is called by the fifteen names of the labelled file, which many teams and tools share.

Our own classes are finer where the owner or the worth of a retry differs. A failure that the file has no honest name
for, such as one that a person or a scheduler ended, keeps its own.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The file's name for a finer class, of those lines that the pattern speaks of; without a pattern, of all."""

    kind: str
    name: str
    said: re.Pattern[str] | None = None


_CARD: Final = re.compile(r"xid|ecc|nvlink|fallen off the bus|gpu is lost", re.IGNORECASE)
_COLLECTIVE: Final = re.compile(r"\bnccl|\bgloo\b|collective|process ?group|tcpstore", re.IGNORECASE)
_RUNTIME_ERROR: Final = re.compile(r"(?:^|[^\w.])RuntimeError\b")
_ERRNO: Final = re.compile(r"Errno|stale file handle|transport endpoint", re.IGNORECASE)

# The first row that fits is taken.
COUNTERPARTS: Final = (
    Counterpart("disk_full", "nccl", _COLLECTIVE),
    Counterpart("network", "nccl", _COLLECTIVE),
    Counterpart("node_failure", "cuda_runtime", _CARD),
    # What is left is told by the exception that ended the job: to the file it is nothing but its type.
    Counterpart("disk_full", "runtime_error", _RUNTIME_ERROR),
    Counterpart("disk_full", "traceback"),
    Counterpart("data_error", "runtime_error", _RUNTIME_ERROR),
    Counterpart("data_error", "traceback"),
    Counterpart("network", "runtime_error", _RUNTIME_ERROR),
    Counterpart("network", "traceback"),
    Counterpart("node_failure", "traceback", _ERRNO),
)


def common_name(kind: str, line: str) -> str:
    """Return the labelled file's name for a failure of our class `kind`, told by this line; ours where it has none."""
    return next((c.name for c in COUNTERPARTS if c.kind == kind and (c.said is None or c.said.search(line))), kind)
