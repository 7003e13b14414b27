"""Check an audit chain: which rows were changed, are missing or were inserted, and does it still reach an old head.

Reading rows and keys is done in services/adapters/audit_table.py.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from services.core.access import Actor
from services.core.audit import GENESIS, AuditEntry, canonical, link
from services.errors import SourceMalformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One row of the chain as it was read."""

    seq: int
    at: datetime
    actor: str
    label: str
    method: str
    action: str
    subject: str
    reason: str
    evidence: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One place where the chain does not hold, and how."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain at one time, signed with a key that is not in the store."""

    seq: int
    hash: str
    at: datetime
    signature: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "at": self.at.astimezone(UTC).isoformat()}


def verify(
    rows: Iterable[Recorded], *, anchor: Head | None = None, after: tuple[int, str] = (0, GENESIS)
) -> list[Fault]:
    """Return every fault of a chain; an anchor also shows a cut-off tail and a rewriting.

    `after` is number and hash of the row before the first; left out, the chain is read from its beginning.

    After a fault the check goes on from the row as it stands, so that one changed row is one fault.
    """
    faults: list[Fault] = []
    (seq, previous), anchored = after, anchor is None or anchor.seq == 0
    for row in rows:
        if row.seq != seq + 1:
            faults.append(Fault(seq=row.seq, what=f"rows {seq + 1} to {row.seq - 1} are missing" if row.seq > seq + 1
                                else f"row {row.seq} stands twice"))
        elif row.previous != previous:
            faults.append(Fault(seq=row.seq, what=f"row {row.seq} does not follow from row {seq}"))
        if _relinked(row) != row.hash:
            faults.append(Fault(seq=row.seq, what=f"row {row.seq} was changed after it was written"))
        if anchor and row.seq == anchor.seq:
            anchored = True
            if row.hash != anchor.hash:
                faults.append(Fault(seq=row.seq, what=f"row {row.seq} is not the one that was exported: the chain was "
                                    "written anew"))
        seq, previous = row.seq, row.hash
    if not anchored and anchor:
        faults.append(Fault(seq=anchor.seq, what=f"the chain ends at row {seq}, and was exported up to {anchor.seq}: "
                            "its tail was cut off"))
    return faults


def sign(seq: int, last: str, *, at: datetime, key: bytes) -> Head:
    """Return the signed end of the chain."""
    return Head(seq=seq, hash=last, at=at, signature=_mac(seq, last, at, key))


def read_head(value: Mapping[str, Any], *, key: bytes) -> Head:
    """Return an exported head after checking its signature.

    Raises:
        SourceMalformed: it is no head, or was not signed with this key.
    """
    try:
        head = Head(seq=int(value["seq"]), hash=str(value["hash"]), at=datetime.fromisoformat(str(value["at"])),
                    signature=str(value["signature"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceMalformed(f"the anchor cannot be read: {error!r}. Export one with interlock audit export "
                              "--head FILE") from error
    if not hmac.compare_digest(head.signature, _mac(head.seq, head.hash, head.at, key)):
        raise SourceMalformed("the anchor was not signed with this key: it was changed, or INTERLOCK_AUDIT_KEY is "
                              "another one")
    return head


def _mac(seq: int, last: str, at: datetime, key: bytes) -> str:
    text = canonical({"seq": seq, "hash": last, "at": at.astimezone(UTC).isoformat(timespec="microseconds")})
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _relinked(row: Recorded) -> str:
    issuer, _, subject = row.actor.partition(":")
    entry = AuditEntry(
        at=row.at, actor=Actor(subject=subject, issuer=issuer, method=row.method), action=row.action,
        subject=row.subject, reason=row.reason, evidence=row.evidence, detail=row.detail,
    )
    return link(entry, seq=row.seq, previous=row.previous)
