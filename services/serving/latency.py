"""How long predictions take, as counts in fixed log-spaced bins: hours, versions and gateways merge by addition.

Forty bins per power of ten, from 0.01 ms to about 17 minutes, so that a quantile is known within 6%: exact enough to
compare and small enough to keep for ever. What a latency means is decided in measure.py.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, Self

import numpy as np

PER_DECADE: Final = 40
LOW_MS: Final = 0.01
BINS: Final = 8 * PER_DECADE
_Z: Final = 2.576  # 99% interval

Counts = np.ndarray[Any, np.dtype[np.int64]]

# Upper edge of each bin but the last, which holds everything slower.
EDGES_MS: Final = LOW_MS * 10.0 ** (np.arange(1, BINS) / PER_DECADE)


def bin_of(latency_ms: float) -> int:
    """Return the bin of one latency: the first also holds what is faster, the last what is slower.

    1 ms lies two powers of ten above the least edge, and so at the end of bin 79: bins are (a, b].
    """
    return int(np.searchsorted(EDGES_MS, latency_ms, side="left"))


@dataclass(frozen=True, slots=True, eq=False)
class Latency:
    """Counts of latencies. `merge` is addition."""

    counts: Counts

    @classmethod
    def empty(cls) -> Self:
        """Return the counts of no prediction."""
        return cls(np.zeros(BINS, np.int64))

    @classmethod
    def of(cls, counts: dict[int, int]) -> Self:
        """Return counts from bin to number, as they are stored."""
        found = np.zeros(BINS, np.int64)
        for place, number in counts.items():
            found[place] = number
        return cls(found)

    def sparse(self) -> dict[int, int]:
        """Return bin to number, for the bins that hold anything."""
        return {int(place): int(self.counts[place]) for place in np.flatnonzero(self.counts)}

    def merge(self, other: "Latency") -> "Latency":
        """Return both together."""
        return Latency(self.counts + other.counts)

    @property
    def n(self) -> int:
        """How many predictions were timed."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float | None:
        """Return the latency in ms below which the share `q` lies, interpolated on the log scale; None without rows."""
        n = self.n
        if n == 0:
            return None
        return self._at(min(max(q, 0.0), 1.0) * n)

    def interval(self, q: float) -> tuple[float, float] | None:
        """Return the 99% confidence interval of a quantile, from the binomial law of its rank.

        With n = 400 and q = .95 the rank is 380 +- 2.576 * sqrt(19) = 11.2.
        """
        n = self.n
        if n == 0:
            return None
        half = _Z * sqrt(n * q * (1 - q))
        return self._at(max(0.0, n * q - half)), self._at(min(float(n), n * q + half))

    def _at(self, rank: float) -> float:
        total = np.cumsum(self.counts)
        # A rank of zero means the fastest prediction there was, not the first bin of all.
        place = int(np.searchsorted(total, max(rank, 0.5), side="left"))
        before = float(total[place - 1]) if place else 0.0
        inside = (max(rank, 0.5) - before) / float(self.counts[place])
        return float(LOW_MS * 10.0 ** ((place + min(1.0, inside)) / PER_DECADE))
