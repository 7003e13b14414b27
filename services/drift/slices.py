"""Find the slices that moved most, among many, without being fooled by their number.

Every slice with enough rows is compared with its own baseline, column by column, in one batch; of all those tests the
Benjamini-Hochberg procedure keeps at most one false finding in twenty. Which columns slice a model is a setting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from services.core.measurement import Measurement, Verdict, Why
from services.core.window import TimeWindow
from services.drift.compare import percent
from services.drift.effect import ALPHA, Effect, min_effects
from services.drift.gather import Gatherer
from services.profiles.baseline import Role
from services.profiles.bins import NumericBins
from services.profiles.profile import Profile

MIN_ROWS: Final = 200  # a smaller slice is not searched: its own verdict would be unsure anyway
FALSE_DISCOVERY: Final = 0.05
SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFinding:
    """One column of one slice that moved, by a test that the false-discovery control kept."""

    slice: str
    column: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found, worst first; how many slices were searched, and how many had too few rows."""

    found: tuple[SliceFinding, ...]
    searched: int
    small: int


def false_discovery(p: Sequence[float], *, rate: float = FALSE_DISCOVERY) -> list[bool]:
    """Return which findings Benjamini-Hochberg keeps.

    Of p = .001, .02, .04, .8 at .05: the limits are .0125, .025, .0375, .05; .02 is the last below its limit, so the
    first two are kept.
    """
    values = np.asarray(p, float)
    order = np.argsort(values)
    limits = rate * np.arange(1, len(values) + 1) / max(1, len(values))
    below = np.flatnonzero(values[order] <= limits)
    kept = np.zeros(len(values), bool)
    if len(below):
        kept[order[: below[-1] + 1]] = True
    return [bool(k) for k in kept]


def search(of: Gatherer, window: TimeWindow) -> Search:
    """Return the slices that moved over a window, each against its own training baseline."""
    names = [name for name in of.profiles.slices(of.baseline.layout, window, model=of.subject.model,
                                                 environment=of.subject.environment) if name in of.baseline.slices]
    totals = {name: _total(of, name, window) for name in names}
    large = {name: profile for name, profile in totals.items() if profile.rows >= MIN_ROWS}
    tested = _tests(of, large)
    kept = false_discovery([effect.p for _, _, effect in tested])
    found = [SliceFinding(slice=s, column=c, effect=e) for (s, c, e), keep in zip(tested, kept, strict=True)
             # The control is over all tests; each must still be an alarm of its own.
             if keep and e.fires]
    found.sort(key=lambda f: -f.effect.effect / f.effect.critical)
    return Search(found=tuple(found), searched=len(large), small=len(totals) - len(large))


def measured(of: Gatherer, window: TimeWindow, *, at: datetime) -> Measurement:
    """Return the search as one measurement, `worst_slice`: which slice moved most, and the next ones in its detail."""
    result = search(of, window)
    worst = result.found[0] if result.found else None
    if worst is not None:
        more = f"; {len(result.found) - 1} more findings" if len(result.found) > 1 else ""
        whole = of.total(window, versions=(of.subject.version,)).rows
        verdict, why = Verdict.WARN, Why.NONE
        reason = (f"{worst.column} moved where {worst.slice}: {worst.effect.n:,} rows, "
                  f"{percent(worst.effect.n / max(1, whole))} of all (effect {worst.effect.effect:.3g}, alarm from "
                  f"{worst.effect.critical:.3g}){more}")
    elif result.searched:
        verdict, why = Verdict.PASS, Why.NONE
        reason = f"no slice moved by itself: {result.searched} searched, {result.small} too small"
    else:
        verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
        reason = f"no slice has {MIN_ROWS} rows in this window: {result.small} are smaller"
    return Measurement(
        name="worst_slice", pipeline=of.subject.pipeline, subject=of.subject.model, window=window, at=at,
        environment=of.subject.environment, version=of.subject.version, verdict=verdict, why=why, reason=reason,
        value=worst.effect.effect if worst else None, unit="PSI", n=worst.effect.n if worst else 0,
        detail={"slices": [{"slice": f.slice, "column": f.column, "effect": round(f.effect.effect, 4), "n": f.effect.n,
                            "p": f.effect.p} for f in result.found[:SHOWN]],
                "searched": result.searched, "small": result.small},
    )


def _total(of: Gatherer, name: str, window: TimeWindow) -> Profile:
    return replace(of, subject=replace(of.subject, slice=name)).total(window, versions=(of.subject.version,))


def _tests(of: Gatherer, slices: dict[str, Profile]) -> list[tuple[str, str, Effect]]:
    layout, roles = of.baseline.layout, of.baseline.roles
    pairs, ours, theirs = [], [], []
    for name, profile in slices.items():
        sliced_by = name.partition("=")[0]
        base = of.baseline.slices[name]
        for column, bins in layout.columns.items():
            # The column that cuts the slice is constant in it; a column that needs a week is judged by its own verdict.
            if column == sliced_by or roles.get(column) is Role.LABEL or of.baseline.usual_of(column).days > 1:
                continue
            pairs.append((name, column))
            ours.append(bins.fold(profile.counts[layout.parts[column]]))
            theirs.append(bins.fold(base.counts[layout.parts[column]]))
    if not pairs:
        return []
    width = max(len(x) for x in ours)
    effects = min_effects(
        np.array([np.pad(x, (0, width - len(x))) for x in ours]),
        np.array([np.pad(x, (0, width - len(x))) for x in theirs]),
        ordered=np.array([isinstance(layout.columns[c], NumericBins) for _, c in pairs]),
        psi0=np.array([of.baseline.usual_of(c).training.psi0 for _, c in pairs]), alpha=ALPHA)
    return [(name, column, effect) for (name, column), effect in zip(pairs, effects, strict=True)]
