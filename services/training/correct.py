"""Turn a person's correction of a failure's class into a rule that is tried before every shipped one.

The rule is made from the line that was shown, with its numbers and addresses left open; nobody writes a pattern.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.errors import NotFound, Refused
from services.training.failure_rule import FailureRule, Owner
from services.training.failure_rules import CLASSES
from services.training.run import Run

_OPEN: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{16,}|\d+(?:[.,]\d+)*")
_SHORTEST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a person says about every failure that shows this line."""

    line: str
    cls: str
    owner: Owner
    retryable: bool
    by: str
    reason: str
    at: datetime


class Store(Protocol):
    """Where corrections are kept."""

    def run(self, run_id: str) -> Run | None:
        """Return a mirrored run."""
        ...

    def correct(self, correction: Correction, entry: AuditEntry, *, op_id: str) -> dict[str, Any]:
        """Keep a correction once, apply it to the failures known so far, and audit it, in one transaction."""
        ...


def correct(
    store: Store, run_id: str, *, cls: str, owner: str, retryable: bool, reason: str, actor: Actor, op_id: str,
    now: datetime,
) -> dict[str, Any]:
    """Say what a run's failure, and every one like it, really is; return how many runs it changed.

    Raises:
        NotFound: the mirror has no such run.
        NotAllowed: the actor may not correct failures.
        Refused: an unknown class or owner, no reason, or a failure without a line to recognise it by.
    """
    run = store.run(run_id)
    if run is None:
        raise NotFound(f"the mirror has no run {run_id}: see interlock runs --failed")
    require(actor, Action.CORRECT_FAILURE, environment=run.environment)
    if cls not in CLASSES:
        raise Refused(f"{cls} is not a failure class: choose one of {', '.join(CLASSES)}")
    if owner not in list(Owner):
        raise Refused(f"{owner} owns nothing: choose one of {', '.join(Owner)}")
    if not reason.strip():
        raise Refused("a correction needs a reason: say how you know")
    shown = run.failure.line.strip()
    if len(shown) < _SHORTEST:
        raise Refused(f"run {run_id} shows no line by which others like it could be recognised; its class stays")
    correction = Correction(line=general(shown), cls=cls, owner=Owner(owner), retryable=retryable, by=actor.identity,
                            reason=reason.strip(), at=now)
    entry = AuditEntry(
        at=now, actor=actor, action="correct failure", subject=f"run:{run_id}", reason=reason.strip(),
        detail={"line": correction.line, "was": run.failure.cls, "class": cls, "owner": owner, "retryable": retryable},
    )
    return store.correct(correction, entry, op_id=op_id)


def general(line: str) -> str:
    """Return a line with its numbers and addresses left open, so that the next one like it is recognised."""
    return _OPEN.sub("#", " ".join(line.split()))[:500]


def rule_of(correction: Correction) -> FailureRule:
    """Return the rule that a correction makes."""
    gap = r"(?:0x[0-9a-fA-F]+|[0-9a-fA-F.,]+)"
    words = [gap.join(re.escape(part) for part in word.split("#")) for word in correction.line.split(" ")]
    return FailureRule(cls=correction.cls, owner=correction.owner, retryable=correction.retryable, by=correction.by,
                       pattern=re.compile(r"\s+".join(words), re.IGNORECASE))
