"""What releases need from outside: a store with transactions, a model registry, and targets (target.py)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from services.core.access import Actor
from services.core.audit import AuditEntry
from services.errors import Refused
from services.releases.evidence import VersionFacts
from services.releases.operations import Op, OpState
from services.releases.release import Approval, Place, Release
from services.releases.target import DeploymentTarget

T = TypeVar("T")


class StaleRelease(Refused):
    """Somebody decided first: the release moved on since it was read."""


class StaleFence(Refused):
    """Another monitor holds the lease now; this one must stop writing."""


class Book(Protocol):
    """The releases inside one transaction. A release that was read here stays locked until the transaction ends."""

    def get(self, release_id: str) -> Release:
        """Return a release, or raise NotFound."""
        ...

    def holding(self, model: str, environment: str) -> Release | None:
        """Return the one release that owns the traffic there, if any."""
        ...

    def waiting(self, model: str, environment: str) -> list[Release]:
        """Return the releases there that have not begun."""
        ...

    def new_id(self) -> str:
        """Return an id that no release has."""
        ...

    def add(self, release: Release, ops: Sequence[Op] = ()) -> None:
        """Store a new release, with what it asks for."""
        ...

    def save(self, release: Release, *, expected: int, ops: Sequence[Op] = (), drop: bool = False) -> None:
        """Store a release that was at revision `expected`; `drop` first drops its operations not yet done.

        Raises:
            StaleRelease: it is at another revision.
        """
        ...

    def approvals(self, release_id: str) -> list[Approval]:
        """Return every signature, oldest first."""
        ...

    def sign(self, approval: Approval, evidence: Mapping[str, Any]) -> bool:
        """Store a signature with what was seen; False when this person already signed this stage at this hash."""
        ...

    def place(self, model: str, environment: str) -> Place:
        """Return what should be served there; an empty place when nothing is known yet."""
        ...

    def set_place(self, place: Place) -> None:
        """Store what should be served there."""
        ...

    def unblock(self, release_id: str, *, generation: int) -> int:
        """Make blocked operations pending again at `generation`, allowed to overwrite what they found."""
        ...


Work = Callable[[Book], tuple[dict[str, Any], list[AuditEntry]]]


class ReleaseStore(Protocol):
    """The releases. Every decision is one transaction with its audit entries and its operations."""

    def command(
        self, op_id: str, *, actor: Actor, command: str, subject: str, now: datetime, work: Work
    ) -> dict[str, Any]:
        """Do a person's command once per `op_id`; a repeat returns the stored outcome with `already` set."""
        ...

    def system(self, work: Callable[[Book], tuple[T, list[AuditEntry]]], *, fence: int) -> T:
        """Do the monitor's own work in one transaction; raise StaleFence when a newer holder has written."""
        ...

    def open(self) -> list[Release]:
        """Return every release that has not ended, or whose end is not carried out yet."""
        ...

    def newest(
        self, *, model: str | None = None, environment: str | None = None, state: str | None = None, limit: int = 200
    ) -> list[Release]:
        """Return releases, newest first."""
        ...

    def places(self) -> list[Place]:
        """Return every model and environment that releases know of."""
        ...

    def approvals_of(self, release_id: str) -> list[Approval]:
        """Return every signature of a release, oldest first."""
        ...


class PendingOp(Protocol):
    """An operation in the outbox."""

    @property
    def op_id(self) -> str:
        """Its stable name."""
        ...

    @property
    def release_id(self) -> str:
        """The release it belongs to."""
        ...

    @property
    def model(self) -> str:
        """The model."""
        ...

    @property
    def environment(self) -> str:
        """The environment."""
        ...

    @property
    def op(self) -> Op:
        """What to make so."""
        ...

    @property
    def generation(self) -> int:
        """The generation of the weights it belongs to."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was tried in vain."""
        ...


class Outbox(Protocol):
    """The operations not yet done, in order."""

    def due(self, *, now: datetime, fence: int) -> Sequence[PendingOp]:
        """Return the first pending operation of each release whose turn has come; a blocked one stops its release.

        Raises:
            StaleFence: a newer holder of the lease has written.
        """
        ...

    def settle(
        self, op: PendingOp, state: OpState, message: str, *, now: datetime, next_at: datetime | None, fence: int,
        served: Mapping[str, float] | None = None, in_vain: bool = True,
    ) -> None:
        """Record what became of an operation, if it is still pending; `served` is a split that was read back.

        One that stays pending counts as tried in vain unless `in_vain` is false: it is only under way.
        """
        ...

    def unfinished(self, release_id: str) -> int:
        """Return how many operations of a release are pending or blocked."""
        ...


class Registry(Protocol):
    """The model registry. It has no compare-and-set, so one writer reads, compares, writes and reads back."""

    def describe(self, model: str, version: str) -> VersionFacts:
        """Return what is known about a version, its files hashed.

        Raises:
            NotFound: there is no such version.
            SourceUnavailable: the registry does not answer.
        """
        ...

    def alias(self, model: str, name: str) -> str:
        """Return the version an alias points to, or nothing."""
        ...

    def set_alias(self, model: str, name: str, version: str) -> None:
        """Point an alias; an empty version removes it."""
        ...

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Return a version's tags."""
        ...

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags; an empty value removes one."""
        ...


Targets = Callable[[str, str], DeploymentTarget]
