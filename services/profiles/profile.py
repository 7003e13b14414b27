"""A profile: how many rows of one window fell into each bin of each column. Profiles of equal bins merge by addition.

One profile is one vector of counts, laid out by the baseline's bins, and five moments per column. What a window's
profile says against another is decided in services/drift.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from services.core.audit import digest
from services.profiles.bins import Bins, Counts, NumericBins

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Per column: finite values, their sum and sum of squares about the bins' centre, least and greatest value.
MOMENTS: Final = ("n", "sum", "sumsq", "min", "max")
NO_MOMENTS: Final = (0.0, 0.0, 0.0, np.inf, -np.inf)


@dataclass(frozen=True)
class Layout:
    """Which part of a profile's vector belongs to which column. Equal `id` means equal bins, so counts may be added."""

    columns: Mapping[str, Bins]

    @cached_property
    def id(self) -> str:
        """The digest of all bins: 16 hexadecimal digits."""
        return digest({name: bins.to_json() for name, bins in self.columns.items()})[:16]

    @cached_property
    def parts(self) -> dict[str, slice]:
        """The slice of the vector that holds each column."""
        parts, start = {}, 0
        for name, bins in self.columns.items():
            parts[name] = slice(start, start + bins.size)
            start += bins.size
        return parts

    @cached_property
    def size(self) -> int:
        """The length of the vector."""
        return sum(bins.size for bins in self.columns.values())

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each column in the moments."""
        return {name: index for index, name in enumerate(self.columns)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column of a profile: its bins, its counts, how many values were corrupt, its moments."""

    name: str
    bins: Bins
    counts: Counts
    corrupt: int
    n: int
    mean: float | None
    std: float | None
    least: float | None
    greatest: float | None

    @property
    def rows(self) -> int:
        """How many rows were counted, missing ones included."""
        return int(self.counts.sum())

    @property
    def test_counts(self) -> Counts:
        """The counts in the test's bins."""
        return self.bins.fold(self.counts)

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(self.counts[-1])

    @property
    def out_of_range(self) -> int:
        """Values below the baseline's minimum or above its maximum; 0 for categories."""
        return int(self.counts[0] + self.counts[-2]) if isinstance(self.bins, NumericBins) else 0

    @property
    def unseen(self) -> int:
        """Values of a category that the baseline never had; 0 for numbers."""
        return 0 if isinstance(self.bins, NumericBins) else int(self.counts[-2])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Counts over one window. `merge` is associative and commutative (sums of floats up to rounding)."""

    layout: Layout
    rows: int
    counts: Counts
    corrupt: Counts
    moments: Floats  # (columns, 5)

    @classmethod
    def empty(cls, layout: Layout) -> Self:
        """Return the profile of no rows: the neutral element of `merge`."""
        width = len(layout.columns)
        return cls(layout=layout, rows=0, counts=np.zeros(layout.size, np.int64), corrupt=np.zeros(width, np.int64),
                   moments=np.tile(np.array(NO_MOMENTS), (width, 1)))

    def merge(self, other: "Profile") -> "Profile":
        """Return the profile of both windows' rows together.

        Raises:
            ValueError: the two were counted with different bins.
        """
        if self.layout.id != other.layout.id:
            raise ValueError(f"profiles with bins {self.layout.id} and {other.layout.id} cannot be added: count the "
                             "window again with the baseline's bins")
        ours, theirs = self.moments, other.moments
        moments = np.column_stack((ours[:, :3] + theirs[:, :3], np.minimum(ours[:, 3], theirs[:, 3]),
                                   np.maximum(ours[:, 4], theirs[:, 4])))
        return Profile(layout=self.layout, rows=self.rows + other.rows, counts=self.counts + other.counts,
                       corrupt=self.corrupt + other.corrupt, moments=moments)

    def column(self, name: str) -> ColumnProfile:
        """Return one column.

        Raises:
            KeyError: the baseline has no such column.
        """
        bins, place = self.layout.columns[name], self.layout.places[name]
        n, total, squares, least, greatest = (float(x) for x in self.moments[place])
        center = bins.center if isinstance(bins, NumericBins) else 0.0
        mean = total / n if n else None
        std = float(np.sqrt(max(0.0, squares / n - (total / n) ** 2))) if n else None
        return ColumnProfile(name=name, bins=bins, counts=self.counts[self.layout.parts[name]],
                             corrupt=int(self.corrupt[place]), n=int(n), mean=None if mean is None else mean + center,
                             std=std, least=least if n else None, greatest=greatest if n else None)

    def pack(self) -> bytes:
        """Return the profile as compressed bytes, readable with the same layout only."""
        return zlib.compress(b"".join((
            np.array([self.rows], "<i8").tobytes(), self.counts.astype("<i8").tobytes(),
            self.corrupt.astype("<i8").tobytes(), self.moments.astype("<f8").tobytes())), 1)

    @classmethod
    def unpack(cls, layout: Layout, body: bytes) -> Self:
        """Return the profile that `pack` wrote.

        Raises:
            ValueError: the bytes belong to another layout.
        """
        raw, width = zlib.decompress(body), len(layout.columns)
        if len(raw) != 8 * (1 + layout.size + 6 * width):
            raise ValueError(f"these counts were not made with bins {layout.id}: count the window again")
        whole = np.frombuffer(raw, "<i8", 1 + layout.size + width)
        moments = np.frombuffer(raw, "<f8", 5 * width, whole.nbytes).reshape(width, 5)
        return cls(layout=layout, rows=int(whole[0]), counts=whole[1 : 1 + layout.size].astype(np.int64),
                   corrupt=whole[1 + layout.size :].astype(np.int64), moments=moments)


def merged(layout: Layout, profiles: Iterable[Profile]) -> Profile:
    """Return the sum of any number of profiles; of none, the empty one."""
    total = Profile.empty(layout)
    for profile in profiles:
        total = total.merge(profile)
    return total


def joined(layout: Layout, profiles: Sequence[Profile]) -> Profile:
    """Return one profile of all columns from profiles of some columns each, over the same rows."""
    total = Profile.empty(layout)
    for profile in profiles:
        for name, part in profile.layout.parts.items():
            total.counts[layout.parts[name]] = profile.counts[part]
            total.corrupt[layout.places[name]] = profile.corrupt[profile.layout.places[name]]
            total.moments[layout.places[name]] = profile.moments[profile.layout.places[name]]
    return replace(total, rows=max((profile.rows for profile in profiles), default=0))
