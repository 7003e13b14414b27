"""Measure estimated quality: what the newest answers are probably worth, before their labels come.

How the estimate is made is in estimate.py and estimate_classes.py (classifiers, from score counts) and in
services/adapters/loss_estimate.py (regressions, from the features). Here it meets what was really achieved, and its
own past error.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, TimeWindow, floor_to
from services.quality.day import ScoreDay, Whole
from services.quality.estimate import Estimate, asked, by_day, estimator, past_error
from services.quality.measure import Subject, mature_window
from services.quality.metric import BETTER, HEADLINE, worse_by

REFERENCE: Final = timedelta(days=28)
NEWEST: Final = timedelta(days=7)


def realised_by_day(name: str, days: Sequence[ScoreDay], before: datetime) -> list[tuple[datetime, float]]:
    """Return the realised metric of each mature day, oldest first."""
    by: dict[datetime, list[ScoreDay]] = {}
    for day in days:
        if day.day < before:
            by.setdefault(day.day, []).append(day)
    found = []
    for moment, some in sorted(by.items()):
        scores = Whole.of(some).scores
        metric = scores.metrics().get(name) if scores else None
        if metric is not None:
            found.append((moment, metric.value))
    return found


def estimated_quality(
    subject: Subject, days: Sequence[ScoreDay], maturity: timedelta, *, at: datetime
) -> Measurement | None:
    """Return `estimated_quality` of a classifier's last seven days; None for a regression.

    None too for a multiclass log without probabilities of what was said: there is nothing to estimate from.
    """
    if subject.task == "regression":
        return None
    mature = mature_window(maturity, now=at)
    # Calibrated before the week it is checked on: an estimate must not have seen the answers it is judged by.
    reference = Whole.of(d for d in days if d.day in TimeWindow(mature.start - REFERENCE, mature.start)).scores
    newest = TimeWindow(floor_to(at, DAY) + DAY - NEWEST, floor_to(at, DAY) + DAY)
    whole = Whole.of(d for d in days if d.day in newest).scores
    if subject.task == "multiclass" and not asked(whole):
        return None
    estimate_of = estimator(reference)
    if estimate_of is None or whole is None:
        return measured(subject, newest, None, {}, [], [], at=at)
    series = by_day([d for d in days if d.day >= mature.start], estimate_of)
    realised = realised_by_day(HEADLINE[subject.task], [d for d in days if d.day >= mature.start], mature.end)
    before = reference.metrics().get(HEADLINE[subject.task]) if reference else None
    return measured(subject, newest, before.value if before else None, estimate_of(whole), series, realised,
                    at=at)


def foresee_losses(
    subject: Subject, days: Sequence[ScoreDay], maturity: timedelta, estimated: Sequence[Estimate], *, at: datetime
) -> Measurement:
    """Return `estimated_quality` of a regression, from the estimated error of each day since the mature week began."""
    mature, name = mature_window(maturity, now=at), HEADLINE[subject.task]
    reference = Whole.of(d for d in days if d.day in TimeWindow(mature.start - REFERENCE, mature.start)).scores
    before = reference.metrics().get(name) if reference else None
    newest = TimeWindow(floor_to(at, DAY) + DAY - NEWEST, floor_to(at, DAY) + DAY)
    inside = [e for e in estimated if e.day in newest]
    n = sum(e.n for e in inside)
    found = {name: sum(e.metrics[name] * e.n for e in inside) / n} if n else {}
    realised = realised_by_day(name, [d for d in days if d.day >= mature.start], mature.end)
    return measured(subject, newest, before.value if before else None, found, estimated, realised, at=at)


def measured(
    subject: Subject, window: TimeWindow, before: float | None, found: Mapping[str, float],
    series: Sequence[Estimate], realised: Sequence[tuple[datetime, float]], *, at: datetime,
) -> Measurement:
    """Return the measurement of an estimate. It alarms only where it is worse by more than it has been wrong itself."""
    name = HEADLINE[subject.task]
    value, error = found.get(name), past_error(name, series, realised)
    days = [{"day": e.day.isoformat(), "estimated": e.metrics.get(name), "n": e.n,
             "realised": dict(realised).get(e.day)} for e in series]
    detail: dict[str, Any] = {"metric": name, "metrics": dict(found), "error": error, "before": before, "days": days}
    verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
    if value is None or before is None:
        reason = "no estimate: too few labelled answers in the four weeks before to calibrate on"
    elif error is None:
        why, reason = Why.TOO_FEW, f"{name} is estimated at {value:.4g}; how wrong such estimates are is not known yet"
    else:
        facts = (f"{name} of the last 7 days is estimated at {value:.4g} ± {error:.2g} (its own past error), "
                 f"{before:.4g} was realised in the weeks before")
        kinder = value + error if BETTER[name][0] else value - error
        if worse_by(name, kinder, before) > 1:
            verdict, why, reason = Verdict.WARN, Why.NONE, f"probably worse: {facts}"
        else:
            verdict, why, reason = Verdict.PASS, Why.NONE, facts
    return Measurement(name="estimated_quality", pipeline=Pipeline.SERVING, subject=subject.model,
                       environment=subject.environment, version=subject.version, window=window, at=at, verdict=verdict,
                       why=why, reason=reason, value=value, unit=name, n=sum(e.n for e in series), detail=detail)
