"""What checks need from outside: a store of schemas, the log's column types, and failing rows for diagnosis."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from services.checks.schema import ColumnSchema, Schema
from services.core.window import TimeWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Offending:
    """Values that a column should not have: how many rows, which values most, and a few rows to look at."""

    rows: int
    values: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One partition of a data set: `date=2026-03-04`, or the whole where there are none."""

    name: str
    files: tuple[Path, ...]
    written: datetime


class SchemaStore(Protocol):
    """Where schemas are kept, every revision of them."""

    def latest(self, model: str, version: str) -> Schema | None:
        """Return the newest revision, or None."""
        ...

    def propose(self, schema: Schema, *, now: datetime) -> None:
        """Store the first revision of a version; does nothing where there is one."""
        ...


class Rows(Protocol):
    """One model's prediction log, asked about its columns and its faults."""

    @property
    def own(self) -> Collection[str]:
        """Columns that every log has beside what a model reads."""
        ...

    def kinds(self, window: TimeWindow) -> Mapping[str, str] | None:
        """Return column to type of the newest file with rows in the window, or None where there is none."""
        ...

    def offending(self, column: ColumnSchema, check: str, window: TimeWindow, *, environment: str, sensitive: bool,
                  ) -> Offending:
        """Return the rows that fail a check of a column; without values and samples where it is sensitive."""
        ...

    def repeated(self, window: TimeWindow, *, environment: str, sensitive: bool) -> Offending:
        """Return the rows that repeat an earlier request id; `values` maps ids to their number of answers."""
        ...


class SampleStore(Protocol):
    """Where failing rows are kept, a handful per question."""

    def save(
        self, model: str, environment: str, name: str, column: str, window: TimeWindow,
        rows: Sequence[Mapping[str, Any]], *, now: datetime,
    ) -> None:
        """Replace the sample of one question."""
        ...
