"""What profiles need from outside: an engine that counts where the rows lie, and a store that keeps the counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.core.window import TimeWindow
from services.predictions.ledger import Changes, LogFile
from services.profiles.baseline import Baseline
from services.profiles.profile import Layout, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where counts belong: which model, served by which version, to whom, in which slice (`origin=JFK`; empty: all)."""

    model: str
    version: str
    environment: str
    variant: str
    slice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The profile of one place over one bucket of time."""

    place: Place
    bucket: TimeWindow
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to count: these bins, in the buckets of `grain` inside the window, also cut by each column of `slices`.

    `versions` limits the count to rows that these versions served; empty means every version.
    """

    layout: Layout
    window: TimeWindow
    grain: timedelta
    slices: Sequence[str] = ()
    versions: Sequence[str] = ()


class Scope(StrEnum):
    """Which rows of a bucket a replacement speaks for."""

    EVERYTHING = "everything"
    WHOLE = "whole"  # all rows together, without the slices
    SLICES = "slices"  # the slices only


class PredictionLog(Protocol):
    """One model's log of predictions in files."""

    @property
    def name(self) -> str:
        """The log's name in the ledger, such as `predictions:flight-delay`."""
        ...

    def changes(self, known: Mapping[str, LogFile], *, now: datetime | None = None) -> Changes:
        """Compare the folder with what is known; `now` bounds the times that a row can have.

        Raises:
            SourceUnavailable: the folder cannot be listed.
        """
        ...

    def inspect(self, changes: Changes, *, now: datetime | None = None) -> list[LogFile]:
        """Look into files and return their facts; one that cannot be read comes back quarantined, with its reason."""
        ...

    def count(self, files: Sequence[LogFile], ask: Ask) -> tuple[list[Counted], list[LogFile]]:
        """Return the profiles of every place and bucket that has rows, and the files that turned out unreadable."""
        ...


class Ledger(Protocol):
    """What is known about log files."""

    def files(self, log: str) -> dict[str, LogFile]:
        """Return every file of a log, by path."""
        ...

    def save(self, log: str, files: Iterable[LogFile], *, now: datetime) -> None:
        """Store what is now known about files."""
        ...

    def settle(self, log: str, files: Iterable[LogFile]) -> None:
        """Mark files as counted; forget those that are gone."""
        ...


class BaselineStore(Protocol):
    """Where baselines are kept."""

    def get(self, model: str, version: str) -> Baseline | None:
        """Return the baseline of a version, or None when none is known."""
        ...

    def known(self, model: str | None = None) -> dict[tuple[str, str], str]:
        """Return (model, version) to why it has no baseline; empty text where it has one."""
        ...

    def save(self, baseline: Baseline, *, now: datetime) -> None:
        """Store a baseline."""
        ...

    def save_absence(self, model: str, version: str, message: str, *, now: datetime) -> None:
        """Store why a version has no baseline."""
        ...


class BaselineSource(Protocol):
    """Where baselines come from: the tracking server, or a data set."""

    def versions(self, model: str) -> list[str]:
        """Return the registered versions of a model.

        Raises:
            SourceUnavailable: the tracking server does not answer.
        """
        ...

    def load(self, model: str, version: str) -> Baseline:
        """Return the baseline that was logged with the version's run.

        Raises:
            NotFound: the run has none.
            SourceMalformed: what it has is no baseline.
            SourceUnavailable: the tracking server does not answer.
        """
        ...


class ProfileStore(Protocol):
    """Where counts are kept."""

    def replace_hours(
        self, layout: Layout, model: str, hours: Sequence[TimeWindow], counted: Iterable[Counted], *, scope: Scope
    ) -> None:
        """Make these hours hold exactly these counts, and their days the sums; doing it twice changes nothing."""
        ...

    def replace_days(
        self, layout: Layout, model: str, days: Sequence[TimeWindow], counted: Iterable[Counted], *, scope: Scope
    ) -> None:
        """Make these days hold exactly these counts; for days whose hours are not kept."""
        ...

    def sum_months(self, layout: Layout, model: str, *, before: datetime) -> int:
        """Sum the days of each month that is over and has no sum yet; return how many months."""
        ...

    def cover(
        self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "",
        versions: Sequence[str] = (),
    ) -> list[Counted]:
        """Return buckets that together make up a window of whole hours."""
        ...

    def read(
        self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "", grain: str,
        versions: Sequence[str] = (), shadow: bool = False,
    ) -> list[Counted]:
        """Return the buckets of one grain that lie inside the window, oldest first."""
        ...

    def slices(self, layout: Layout, window: TimeWindow, *, model: str, environment: str) -> list[str]:
        """Return the slices that have rows in the window."""
        ...

    def places(self, model: str, window: TimeWindow) -> dict[tuple[str, str], int]:
        """Return (environment, version) to rows served in the days that the window touches."""
        ...

    def since(self, model: str, edges: str) -> datetime | None:
        """Return from when on all rows are counted in these bins, or None when never."""
        ...

    def set_since(self, model: str, edges: str, since: datetime) -> None:
        """Store from when on all rows are counted in these bins."""
        ...

    def drop_hours(self, model: str, *, before: datetime, slices_before: datetime) -> int:
        """Forget hours older than `before`, and those of slices older than `slices_before`; their days stay."""
        ...
