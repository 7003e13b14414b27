"""What the mirror needs from the world: a tracking server to read, a store to write, a cursor to remember."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from services.training.effective import Judged
from services.training.run import Effective, Failure, Kind, RawRun, Run

SOURCE: Final = "mlflow"  # the name under which the tracking server's as-of time is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; what is None or empty does not narrow. Deleted runs are left out unless asked for."""

    failed: bool = False
    hung: bool = False
    slow: bool = False
    active: bool = False
    ended: bool = False
    pipeline: str = ""
    kind: Kind | None = None
    team: str = ""
    environment: str = ""
    status: str = ""
    effective: Effective | None = None
    fingerprint: str = ""
    failure_class: str = ""
    since: datetime | None = None  # started at or after; a run without a start counts by when it was read
    until: datetime | None = None
    deleted: bool = False


class RunSource(Protocol):
    """A tracking server and its registry. Every method raises SourceUnavailable when it does not answer."""

    def experiments(self) -> Mapping[str, str]:
        """Return the name of every experiment by id, deleted ones included."""
        ...

    def started_since(self, ms: int, *, known: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with a start time after `ms`, oldest first, in pages; those in `known` may be left out."""
        ...

    def ended_since(self, ms: int, *, known: Sequence[str] = ()) -> Iterator[Sequence[RawRun]]:
        """Yield the runs with an end time after `ms`, in pages; those in `known` may be left out."""
        ...

    def open_runs(self) -> Iterator[Sequence[RawRun]]:
        """Yield the runs that have not ended, in pages."""
        ...

    def by_ids(self, run_ids: Sequence[str]) -> Iterator[Sequence[RawRun]]:
        """Yield the given runs, deleted or not, in pages; one that is gone is left out."""
        ...

    def everything(self) -> Iterator[Sequence[RawRun]]:
        """Yield every run, deleted ones included, in pages."""
        ...

    def registry(self) -> tuple[Sequence[Any], Mapping[tuple[str, str], str]]:
        """Return every registered version, and (model, alias) to version."""
        ...

    def texts(self, run_id: str) -> Mapping[str, str]:
        """Return the small text artefacts that the training client left, by path; empty where there are none."""
        ...


class RunStore(Protocol):
    """The mirror."""

    def mirror(self, raw: Sequence[RawRun], *, now: datetime) -> int:
        """Store a page as read at `now`; return how many runs were new or had changed."""
        ...

    def open_ids(self) -> Sequence[str]:
        """Return the runs that the mirror believes to be open."""
        ...

    def recent_ids(self, since: datetime) -> Sequence[str]:
        """Return the runs that started or ended at or after `since`."""
        ...

    def ahead_ids(self, moment: datetime) -> Sequence[str]:
        """Return the runs that have ended, and say that they will have after `moment`: a clock is ahead of ours."""
        ...

    def started_ids(self, since: datetime) -> Sequence[str]:
        """Return the runs that started after `since`; those marked as deleted are left out, as they may come back."""
        ...

    def all_ids(self) -> Mapping[str, bool]:
        """Return every mirrored run with whether it is deleted."""
        ...

    def set_deleted(self, run_ids: Iterable[str], *, deleted: bool) -> None:
        """Mark runs as deleted, or as restored."""
        ...

    def rename_experiments(self, names: Mapping[str, str]) -> int:
        """Follow renamed experiments."""
        ...

    def unexplained(self, *, limit: int) -> Sequence[Run]:
        """Return runs that ended badly and whose artefacts were not looked at yet, newest first."""
        ...

    def save_artifacts(self, run_id: str, texts: Mapping[str, str], *, now: datetime) -> None:
        """Keep a run's small texts."""
        ...

    def set_failures(self, found: Mapping[str, Failure]) -> None:
        """Store what was concluded about failures."""
        ...

    def set_judged(self, judged: Mapping[str, Judged]) -> None:
        """Store new conclusions about runs."""
        ...


class RegistryStore(Protocol):
    """The mirror of the registry."""

    def replace(self, versions: Sequence[Any], aliases: Mapping[tuple[str, str], str], *, now: datetime) -> None:
        """Make the mirror equal to one full reading."""
        ...


class Cursor(Protocol):
    """What the sync remembers between passes, and how the source fared."""

    def load(self) -> dict[str, Any]:
        """Return what was remembered, empty before the first success."""
        ...

    def succeeded(self, cursor: dict[str, Any], message: str, *, now: datetime, took_s: float) -> None:
        """Remember a success and the new cursor."""
        ...

    def failed(self, message: str, *, now: datetime, took_s: float) -> None:
        """Remember a failure, keeping cursor and as-of time of the last success."""
        ...
