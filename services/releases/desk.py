"""What every decision about a release shares: the store, the house's terms, and how a decision is carried into them.

The decisions themselves stand in actions.py (towards production) and recover.py (away from it).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from services.core.access import Action, Actor, require
from services.core.audit import AuditEntry
from services.errors import Refused
from services.releases.freeze import frozen
from services.releases.machine import Command, Do, apply
from services.releases.operations import operations, place_after
from services.releases.ports import Book, ReleaseStore
from services.releases.release import Release, Sync
from services.settings import Settings
from services.settings.sections import ApprovalPolicy, FreezeWindow

# Kind of target -> can it split traffic, can it mirror requests. The target itself is asked again before deploying.
ABILITIES: Final[Mapping[str, tuple[bool, bool]]] = {
    "gateway": (True, True), "alias": (False, False), "ray": (True, True), "kserve": (True, False),
    "databricks": (True, False), "sagemaker": (False, False),
}

DROPS: Final = frozenset({Do.ROLL_BACK, Do.PROMOTE, Do.BEGIN_STEP, Do.CANCEL, Do.REJECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The house's rules for releases: who signs how often, when nothing moves, what each target can."""

    approvals: Sequence[ApprovalPolicy] = field(default_factory=lambda: [ApprovalPolicy()])
    freeze: Sequence[FreezeWindow] = ()
    targets: Mapping[str, str] = field(default_factory=dict)  # environment -> kind of target

    @classmethod
    def of(cls, settings: Settings) -> "Terms":
        """Read the terms from the settings."""
        return cls(
            approvals=settings.approvals, freeze=settings.freeze,
            targets={name: environment.target for name, environment in settings.environments.items()},
        )

    def abilities(self, environment: str) -> tuple[bool, bool]:
        """Return whether the environment's target can split traffic and mirror requests.

        Raises:
            Refused: the settings name no such environment.
        """
        if environment not in self.targets:
            raise Refused(f"there is no environment {environment}: the settings name "
                          f"{', '.join(sorted(self.targets)) or 'none'}")
        return ABILITIES.get(self.targets[environment], (True, True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where decisions are made: the releases and the terms that hold for them."""

    store: ReleaseStore
    terms: Terms


def reasoned(reason: str, doing: str) -> str:
    """Return the reason without surrounding blanks.

    Raises:
        Refused: there is none, or it is longer than a record should be.
    """
    text = reason.strip()
    if not text:
        raise Refused(f"to {doing} takes a reason: it is kept with the decision")
    if len(text) > 2000:
        raise Refused(f"the reason has {len(text)} characters: keep it under 2,000")
    return text


def move(book: Book, release: Release, command: Command, *, now: datetime) -> tuple[Release, AuditEntry]:
    """Apply a command inside the caller's transaction: new state, operations, and what should be served."""
    after, entry = apply(release, command, now=now)
    ops = operations(after, command.do)
    place = place_after(after, book.place(after.model, after.environment), command.do, ops)
    if ops:
        book.set_place(place)
        after = replace(after, sync=Sync.APPLYING, generation=place.generation)
    book.save(after, expected=release.revision, ops=ops, drop=command.do in DROPS)
    return after, entry


def refuse_when_frozen(desk: Desk, release: Release, now: datetime) -> None:
    """Return when nothing forbids moving forward now.

    Raises:
        Refused: a freeze window holds and the release did not break the glass.
    """
    window = frozen(desk.terms.freeze, model=release.model, environment=release.environment, now=now)
    if window and not release.break_glass:
        raise Refused(f"{release.environment} is frozen until {window.end} ({window.reason}): wait, or break the glass")


def decide(
    desk: Desk, release_id: str, *, action: Action, doing: str, actor: Actor, reason: str, op_id: str,
    now: datetime, work: Callable[[Book, Release], tuple[dict[str, Any], list[AuditEntry]]],
) -> dict[str, Any]:
    """Check role and reason, then do `work` on the release once per `op_id`."""
    reasoned(reason, doing)

    def within(book: Book) -> tuple[dict[str, Any], list[AuditEntry]]:
        release = book.get(release_id)
        # Inside the transaction: a role is held on the model and environment that the release names.
        require(actor, action, model=release.model, environment=release.environment)
        return work(book, release)

    return desk.store.command(op_id, actor=actor, command=doing, subject=f"release:{release_id}", now=now, work=within)
