"""The record of a decision: who, what, on which subject, why, on which evidence, chained to the one before.

The chain shows a changed, missing or inserted row. It cannot show a cut-off tail or a chain recomputed from the
start; for that the head is exported and signed (services/adapters/audit_table.py).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from services.core.access import Actor

GENESIS: Final = "0" * 64


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces: the text that digests are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of a value, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision, before it has a place in the chain. `detail` holds plain JSON values only."""

    at: datetime
    actor: Actor
    action: str
    subject: str  # such as release:r-0003 or incident:17
    reason: str = ""
    evidence: str = ""  # digest of what the actor saw
    detail: Mapping[str, Any] = field(default_factory=dict)


def link(entry: AuditEntry, *, seq: int, previous: str) -> str:
    """Return the hash that chains `entry` at place `seq` to the hash before it."""
    return digest(
        {
            "seq": seq,
            "previous": previous,
            # Converted first: a row read back from a store must give the same text as the entry that wrote it.
            "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": entry.actor.identity,
            "method": entry.actor.method,
            "action": entry.action,
            "subject": entry.subject,
            "reason": entry.reason,
            "evidence": entry.evidence,
            "detail": dict(entry.detail),
        }
    )
