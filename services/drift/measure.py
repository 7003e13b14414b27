"""Measure skew and drift: profiles in, measurements with verdict and sentence out.

Skew compares with the training baseline, drift with an earlier window; same bins, same test, same unit. A verdict needs
two of three windows, so that one odd window warns and does not alarm. Loading profiles is gather.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow
from services.drift.compare import Comparison, compare, percent
from services.drift.effect import ALPHA, ALPHA_SMALL
from services.drift.rates import Rate, rate
from services.profiles.baseline import Baseline, Level, Role, Usual
from services.profiles.profile import ColumnProfile, Profile

CLEAR: Final = 0.8  # of the alarm threshold: a standing alarm clears only below this
RESTLESS: Final = 0.1  # a column that fires on more of its ordinary blocks than this warns, and never fails


class Against(StrEnum):
    """What a window is compared with."""

    TRAINING = "training"
    PREVIOUS = "previous"
    SEASONAL = "seasonal"


_NAMES: Final = {
    (Against.TRAINING, False): "skew", (Against.PREVIOUS, False): "drift", (Against.SEASONAL, False): "drift_seasonal",
    (Against.TRAINING, True): "prediction_skew", (Against.PREVIOUS, True): "prediction_drift",
    (Against.SEASONAL, True): "prediction_drift_seasonal",
}
_WORDS: Final = {
    Against.TRAINING: "the training baseline", Against.PREVIOUS: "the window before",
    Against.SEASONAL: "the same hours of four weeks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose numbers these are."""

    model: str
    environment: str
    version: str
    slice: str = ""
    pipeline: Pipeline = Pipeline.SERVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A window's profile and the profile it is compared with.

    `gaps` counts the whole days of a window of weeks, on either side, that have no rows: five days of a week are no
    week to a column that follows the calendar.
    """

    window: TimeWindow
    ours: Profile
    theirs: Profile
    gaps: int = 0


def name_of(against: Against, role: Role) -> str:
    """Return the measurement's name, such as `skew` or `prediction_drift`."""
    return _NAMES[against, role is Role.PREDICTION]


def level_of(usual: Usual, against: Against) -> Level:
    """Return what change is usual against this kind of baseline."""
    return {Against.TRAINING: usual.training, Against.PREVIOUS: usual.previous,
            Against.SEASONAL: usual.seasonal}[against]


def is_restless(level: Level) -> bool:
    """Tell whether a column fires on so many ordinary blocks that its firing says little."""
    return level.achieved is not None and level.achieved > RESTLESS


def days_of(usual: Usual, against: Against) -> int:
    """Return how many days a window must at least have to be fair; the same hours of other weeks are always fair."""
    return 1 if against is Against.SEASONAL else usual.days


def compare_column(column: str, pair: Pair, baseline: Baseline, against: Against) -> Comparison:
    """Compare one column of a pair at the psi0 and significance that fit the kind of baseline."""
    alpha = ALPHA if against is Against.TRAINING else ALPHA_SMALL
    return compare(pair.ours.column(column), pair.theirs.column(column),
                   psi0=level_of(baseline.usual_of(column), against).psi0, alpha=alpha,
                   masked=column in baseline.masked)


def measure(
    subject: Subject, pairs: Mapping[int, Sequence[Pair]], baseline: Baseline, against: Against, *, at: datetime
) -> list[Measurement]:
    """Return one measurement per column.

    Args:
        subject: whose numbers these are.
        pairs: by the number of days that is fair to a column (1, 7), up to three pairs, newest first.
        baseline: its bins, roles, and what is usual.
        against: what the pairs are compared with.
        at: the time of measuring.
    """
    found = []
    for column in baseline.layout.columns:
        role = baseline.roles.get(column, Role.FEATURE)
        if role is Role.LABEL:
            continue
        usual = baseline.usual_of(column)
        mine = pairs[days_of(usual, against)]
        history = [compare_column(column, pair, baseline, against) for pair in mine]
        level = level_of(usual, against)
        if mine[0].gaps:
            # Not a matter of chance: no number of rows in the other days makes up for a day that is not there.
            verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
            reason = f"{column} is compared by whole weeks, and {mine[0].gaps} of their days have no rows"
        else:
            verdict, why, reason = judge(column, history, against, level)
        newest = history[0]
        found.append(Measurement(
            name=name_of(against, role), pipeline=subject.pipeline, subject=subject.model, column=column,
            environment=subject.environment, version=subject.version, slice=subject.slice, window=mine[0].window,
            at=at, verdict=verdict, why=why, reason=reason, value=newest.effect.effect, unit="PSI", n=newest.effect.n,
            detail={**newest.detail(), "against": str(against), "achieved": level.achieved, "blocks": level.blocks},
        ))
    return found


def judge(
    column: str, history: Sequence[Comparison], against: Against, level: Level
) -> tuple[Verdict, Why, str]:
    """Return verdict, why and sentence of one column from its newest windows, newest first.

    Fail: the test fires in two of the last three windows, the newest being one of them or not yet clear. Warn: it
    fires in the newest alone, or on many ordinary blocks as well, so that firing says little. Inconclusive: it does
    not fire, and there are too few rows to say that it would.
    """
    now, *before = history[:3]
    fired = sum(c.effect.fires for c in before)
    facts = _facts(now, against)
    if now.effect.n == 0 or now.effect.m == 0:
        empty = "no rows in this window" if now.effect.n == 0 else f"{_WORDS[against]} has no rows to compare with"
        return Verdict.INCONCLUSIVE, Why.NO_DATA, f"{column}: {empty}"
    if now.effect.fires or (fired >= 2 and now.effect.effect > CLEAR * now.effect.critical):
        return _moved(column, fired, len(before), facts, now, level)
    if not now.effect.sure:
        return Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{column}: {_too_few(now)}"
    return Verdict.PASS, Why.NONE, f"{column} keeps to {_WORDS[against]}: {facts}"


def _moved(
    column: str, fired: int, before: int, facts: str, now: Comparison, level: Level
) -> tuple[Verdict, Why, str]:
    if is_restless(level):
        often = percent(level.achieved or 0.0)
        return Verdict.WARN, Why.NONE, f"{column} moved, as it does on {often} of ordinary days: {facts}"
    if not fired and before:
        return Verdict.WARN, Why.NONE, f"{column} may have moved, in 1 of {before + 1} windows: {facts}"
    if not before:
        return Verdict.WARN, Why.NONE, f"{column} may have moved: {facts}"
    still = "moved" if now.effect.fires else "moved and is not clear yet"
    return Verdict.FAIL, Why.NONE, f"{column} {still}: {facts}"


def measure_rates(subject: Subject, window: TimeWindow, profile: Profile, baseline: Baseline, *, at: datetime,
                  ) -> list[Measurement]:
    """Return `unseen_rate` for categories and `out_of_range_rate` for numbers, judged by the rate rule."""
    found = []
    for name in baseline.features:
        column = profile.column(name)
        numeric = column.bins.kind == "numeric"
        k = column.out_of_range if numeric else column.unseen
        judged = rate(k, column.rows, usual=baseline.usual_of(name).out_of_range)
        verdict, why, reason = _judge_rate(column, judged, "out of range" if numeric else "unseen")
        found.append(Measurement(
            name="out_of_range_rate" if numeric else "unseen_rate", pipeline=subject.pipeline, subject=subject.model,
            column=name, environment=subject.environment, version=subject.version, slice=subject.slice, window=window,
            at=at, verdict=verdict, why=why, reason=reason, value=judged.share, unit="share", n=judged.n,
            detail={"k": judged.k, "allowed": judged.allowed, "p": judged.p, "needed": judged.needed},
        ))
    return found


def _judge_rate(column: ColumnProfile, judged: Rate, word: str) -> tuple[Verdict, Why, str]:
    facts = f"{judged.k:,} of {judged.n:,} rows {word} ({percent(judged.share)}, allowed {percent(judged.allowed)})"
    if judged.n == 0:
        return Verdict.INCONCLUSIVE, Why.NO_DATA, f"{column.name}: no rows in this window"
    if judged.fires:
        return Verdict.FAIL, Why.NONE, f"{column.name}: {facts}"
    if not judged.sure:
        return Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{column.name}: {facts}; {judged.needed} rows are needed"
    return Verdict.PASS, Why.NONE, f"{column.name}: {facts}"


def _facts(found: Comparison, against: Against) -> str:
    e = found.effect
    largest = found.largest
    if e.bins <= 1:
        return f"every row in one bin, {e.n:,} rows"
    numbers = f"effect {e.effect:.3g}, alarm from {e.critical:.3g}; {e.n:,} rows against {e.m:,}"
    if largest and e.fires:
        return f"{largest.text(_WORDS[against])} ({numbers})"
    return numbers


def _too_few(found: Comparison) -> str:
    e = found.effect
    if e.needed is None:
        return f"the baseline's {e.m:,} rows are too few for any window"
    return f"{e.n:,} rows are too few, {e.needed:,} would show a change of {e.visible:.2f}"
