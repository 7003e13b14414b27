"""Decide how many rows one call of a model may hold, from how long its calls take.

A call costs something whatever its rows, and something more for each row. Both are estimated by least squares over the
recent calls; a batch may then take the latency bound, or twice what a call costs anyway, whichever is longer: a model
with a dear call gets large batches, one with dear rows gets small ones.
"""

from typing import Final

BOUND_S: Final = 0.025
_MAX_ROWS: Final = 4_096
_KEEP: Final = 0.95  # weight of a call after the next one: some twenty calls are remembered


class Pace:
    """The recent calls of one model, as decayed sums. Not shared between threads."""

    def __init__(self) -> None:
        """Know nothing: the first batches are small and grow by doubling."""
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self._largest = 0

    def saw(self, rows: int, took_s: float) -> None:
        """Learn from a call."""
        self._weight = self._weight * _KEEP + 1
        self._n = self._n * _KEEP + rows
        self._t = self._t * _KEEP + took_s
        self._nn = self._nn * _KEEP + rows * rows
        self._nt = self._nt * _KEEP + rows * took_s
        self._largest = max(rows, self._largest)

    @property
    def room(self) -> int:
        """How many rows the next batch may hold; never more than twice what was tried before."""
        trial = min(_MAX_ROWS, max(1, 2 * self._largest))
        if self._weight == 0:
            return trial
        spread = self._weight * self._nn - self._n**2
        mean_t, mean_n = self._t / self._weight, self._n / self._weight
        if spread <= 1e-9 * self._n**2:  # every call had the same rows: nothing is known of more
            return trial
        row_s = (self._weight * self._nt - self._n * self._t) / spread
        call_s = max(0.0, mean_t - row_s * mean_n)
        if row_s <= 0:
            return trial
        return max(1, min(trial, int((max(BOUND_S, 2 * call_s) - call_s) / row_s)))
