"""Measure quality over mature days: realised metrics against validation or the weeks before, and label coverage.

A day is mature when its last label should be here. Immature days are never judged, and a window with fewer than 60% of
its labels is inconclusive. The estimate before labels is in estimate.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, TimeWindow, floor_to, span_text
from services.quality.binary import BinaryScores
from services.quality.coverage import ENOUGH, Coverage
from services.quality.day import ScoreDay, Whole
from services.quality.metric import BETTER, HEADLINE, Metric, worse_by

WINDOW: Final = timedelta(days=7)
BEFORE: Final = timedelta(days=28)
NEEDED: Final = 200  # labelled answers
COMPLETE: Final = 0.9
_WORDS: Final = {Verdict.FAIL: "worse", Verdict.WARN: "perhaps worse", Verdict.PASS: "as good as it should be"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose quality it is."""

    model: str
    environment: str
    version: str
    task: str
    slice: str = ""


def mature_window(maturity: timedelta, *, now: datetime, length: timedelta = WINDOW) -> TimeWindow:
    """Return the newest whole days whose labels should all be here."""
    end = floor_to(now - maturity, DAY)
    return TimeWindow(end - length, end)


def quality(
    subject: Subject, days: Sequence[ScoreDay], maturity: timedelta, validation: Mapping[str, float], *, at: datetime,
) -> Measurement:
    """Return `quality`: the headline metric of the last mature week, every other metric in its detail.

    It is compared with the validation score that the version was registered with, where there is one, else with the
    four weeks before. Fail: even the good end of the 95% interval is worse by more than the least change worth telling.
    """
    window = mature_window(maturity, now=at)
    now_ = Whole.of(d for d in days if d.day in window)
    before = Whole.of(d for d in days if d.day in TimeWindow(window.start - BEFORE, window.start))
    found = now_.scores.metrics() if now_.scores else {}
    past = before.scores.metrics() if before.scores else {}
    name = HEADLINE[subject.task]
    headline = found.get(name)
    against, words = _against(name, validation, past)
    verdict, why, reason = _verdict(name, headline, against, words, now_.coverage)
    detail: dict[str, Any] = {
        "metric": name, "metrics": {n: m.to_json() for n, m in found.items()},
        "before": {n: m.to_json() for n, m in past.items()}, "validation": dict(validation),
        "against": words, "baseline": against, "coverage": now_.coverage.to_json(),
    }
    if isinstance(now_.scores, BinaryScores):
        detail["calibration"] = now_.scores.calibration()
    return _measured("quality", subject, window, at, verdict=verdict, why=why, reason=reason,
                     value=headline.value if headline else None, unit=name, n=headline.n if headline else 0,
                     detail=detail)


def label_coverage(
    subject: Subject, days: Sequence[ScoreDay], maturity: timedelta, unknown: int, *, at: datetime
) -> Measurement:
    """Return `label_coverage` of the last mature week; `unknown` counts labels of no request that was ever logged."""
    window = mature_window(maturity, now=at)
    found = Whole.of(d for d in days if d.day in window).coverage
    newer = Whole.of(d for d in days if d.day >= window.end).coverage
    text = found.text()
    faults = found.contradicting + found.early
    if unknown:
        text += f"; {unknown:,} labels belong to no logged request"
    verdict, why = Verdict.PASS, Why.NONE
    if found.share is None:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        text = f"no answers in the last mature week; labels are due {span_text(maturity)} after the answer"
    elif found.share < ENOUGH:
        verdict, why = Verdict.FAIL, Why.LATE
    elif found.share < COMPLETE or faults > 0.01 * found.rows or unknown > 0.01 * found.rows:
        verdict = Verdict.WARN
    return _measured(
        "label_coverage", subject, window, at, verdict=verdict, why=why, reason=text, value=found.share, unit="share",
        n=found.rows, detail={**found.to_json(), "unknown": unknown, "immature": newer.to_json()},
    )


def _against(
    name: str, validation: Mapping[str, float], past: Mapping[str, Metric]
) -> tuple[float | None, str]:
    if name in validation:
        return validation[name], "its validation score"
    if name in past and past[name].n >= NEEDED:
        return past[name].value, "the four weeks before"
    return None, ""


def _verdict(
    name: str, found: Metric | None, against: float | None, words: str, coverage: Coverage
) -> tuple[Verdict, Why, str]:
    share = coverage.share
    if coverage.rows == 0:
        return Verdict.INCONCLUSIVE, Why.NO_DATA, "no answers in the last mature week"
    if share is None or found is None:
        why = Why.LATE if share is not None else Why.NO_DATA
        return Verdict.INCONCLUSIVE, why, f"nothing can be scored yet: {coverage.text()}"
    facts = f"{name} {found.text()} over {found.n:,} labelled answers"
    if share < ENOUGH:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.LATE, f"{coverage.text()}: too early to judge; so far {facts}"
    elif found.n < NEEDED:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{facts}; {NEEDED} are needed"
    elif against is None:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        reason = f"{facts}; no validation score and no month before to compare with"
    else:
        verdict, why = _compared(name, found, against), Why.NONE
        reason = f"{_WORDS[verdict]}: {facts}, {against:.4g} was {words}"
    return verdict, why, reason


def _compared(name: str, found: Metric, against: float) -> Verdict:
    good = found.high if BETTER[name][0] else found.low
    if worse_by(name, found.value if good is None else good, against) > 1:
        return Verdict.FAIL
    return Verdict.WARN if worse_by(name, found.value, against) > 1 else Verdict.PASS


def _measured(
    name: str, subject: Subject, window: TimeWindow, at: datetime, *, verdict: Verdict, why: Why, reason: str,
    value: float | None, unit: str, n: int, detail: dict[str, Any],
) -> Measurement:
    return Measurement(name=name, pipeline=Pipeline.SERVING, subject=subject.model, environment=subject.environment,
                       version=subject.version, slice=subject.slice, window=window, at=at, verdict=verdict, why=why,
                       reason=reason, value=value, unit=unit, n=n, detail=detail)
