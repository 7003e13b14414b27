"""Compare one column of a window with one of a baseline: the effect, the usual distances, and where the change lies.

Skew and drift are the same comparison with another baseline; which one, and the verdict, are decided in measure.py.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.drift import distance
from services.drift.effect import Effect, min_effect
from services.profiles.bins import ABOVE, BELOW, MISSING, OTHER, UNSEEN, NumericBins
from services.profiles.profile import ColumnProfile

_PLACES: Final = {
    BELOW: "below the baseline's range", ABOVE: "above the baseline's range", MISSING: "missing",
    OTHER: "at a rare value", UNSEEN: "at a value never seen before",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One bin's share in the window and in the baseline."""

    label: str
    share: float
    baseline: float

    def text(self, against: str = "the baseline") -> str:
        """Return such as `41% of rows missing, 12% in the training baseline`."""
        place = _PLACES.get(self.label, f"at {self.label}")
        return f"{percent(self.share)} of rows {place}, {percent(self.baseline)} in {against}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found about one column."""

    window: ColumnProfile
    baseline: ColumnProfile
    effect: Effect
    masked: bool = False

    @property
    def shifts(self) -> list[Shift]:
        """The share of each test bin on both sides, in order of the bins; those of a sensitive column are numbered."""
        ours, theirs = distance.shares(self.window.test_counts), distance.shares(self.baseline.test_counts)
        labels = self.window.bins.labels()
        if self.masked:
            # Categories and edges are values of people's rows; below, above, missing and unseen are not.
            labels = tuple(label if label in _PLACES else f"bin {place}" for place, label in enumerate(labels, start=1))
        return [Shift(label=label, share=float(p), baseline=float(q))
                for label, p, q in zip(labels, ours, theirs, strict=True)]

    @property
    def largest(self) -> Shift | None:
        """The bin whose share changed most; None where nothing did."""
        moved = max(self.shifts, key=lambda s: abs(s.share - s.baseline), default=None)
        return moved if moved and moved.share != moved.baseline else None

    def distances(self) -> dict[str, float]:
        """Return the usual distances by name; ordered ones only for numbers, over the rows that have a value."""
        ours, theirs = self.window.test_counts, self.baseline.test_counts
        found = {
            "psi": distance.psi(ours, theirs), "js": distance.js_divergence(ours, theirs),
            "l_infinity": distance.l_infinity(ours, theirs), "hellinger": distance.hellinger(ours, theirs),
            "chi_squared": self.effect.effect * self.effect.n * self.effect.m / max(1, self.effect.n + self.effect.m),
        }
        if isinstance(self.window.bins, NumericBins) and self.window.n and self.baseline.n:
            fine, base = self.window.counts[:-1], self.baseline.counts[:-1]
            found["ks"] = distance.ks(fine, base)
            found["wasserstein"] = distance.wasserstein(fine, base, self._middles(), std=self.baseline.std or 0.0)
        return {name: round(value, 6) for name, value in found.items() if np.isfinite(value)}

    def detail(self) -> dict[str, Any]:
        """Return everything as plain JSON values: evidence that travels with the measurement."""
        e = self.effect
        return {
            **self.distances(), "noise": _plain(e.noise), "critical": _plain(e.critical), "p": max(e.p, 0.0),
            "m": e.m, "bins": e.bins, "psi0": e.psi0, "alpha": e.alpha, "visible": round(e.visible, 4),
            "power": round(e.power, 4), "needed": e.needed,
            "missing": _share(self.window.missing, self.window.rows),
            "missing_baseline": _share(self.baseline.missing, self.baseline.rows),
            "mean": _plain(self.window.mean), "mean_baseline": _plain(self.baseline.mean),
        }

    def _middles(self) -> distance.Shares:
        bins = self.window.bins
        if not isinstance(bins, NumericBins):
            raise TypeError("categories have no order")
        ends = [x for x in (self.window.least, self.baseline.least) if x is not None]
        tops = [x for x in (self.window.greatest, self.baseline.greatest) if x is not None]
        return distance.middles(bins, least=min(ends), greatest=max(tops))


def compare(
    window: ColumnProfile, baseline: ColumnProfile, *, psi0: float, alpha: float, masked: bool = False
) -> Comparison:
    """Compare two profiles of one column that were counted in the same bins; `masked` keeps its values unnamed."""
    effect = min_effect(window.test_counts, baseline.test_counts, baseline.bins, psi0=psi0, alpha=alpha)
    return Comparison(window=window, baseline=baseline, effect=effect, masked=masked)


def percent(share: float) -> str:
    """Return a share as people read it: `12%`, `0.4%`, never `0%` for something that is there."""
    if share == 0 or share >= 0.0995:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _plain(value: float | None) -> float | None:
    """Return a number that JSON has, at six digits."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")
