"""Turn a pipeline's runs into measurements: failures, time, hung runs, objective.

One set per pipeline, whatever its kind: a data pipeline's runs have time and failures as a training's do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import HOUR, TimeWindow, floor_to, span_text
from services.training import statistics
from services.training.duration import ENOUGH, Change, TimeReport, span
from services.training.rhythm import WEEK, Rhythm
from services.training.run import BROKEN, HUNG, Effective, Kind, Run

WINDOW: Final = WEEK
_WATCHED: Final = {
    Kind.DATA: Pipeline.DATA, Kind.TRAINING: Pipeline.TRAINING, Kind.VALIDATION: Pipeline.VALIDATION,
    Kind.SERVING: Pipeline.SERVING, Kind.EXPERIMENT: Pipeline.TRAINING,
}


def measure(
    pipeline: str, kind: Kind, runs: Sequence[Run], times: Sequence[TimeReport], *, now: datetime,
    objective_s: float | None = None, environment: str = "", rhythm: Rhythm | None = None,
) -> list[Measurement]:
    """Return the measurements of one pipeline.

    Args:
        pipeline: its name.
        kind: which of the watched pipelines it is.
        runs: its runs that ended within the span of its rhythm, or have not ended.
        times: the duration reports of its groups.
        now: the time of measuring.
        objective_s: how long a run may take, from the settings.
        environment: where it runs, where that is known.
        rhythm: how often it runs; without it every pipeline is expected weekly.
    """
    # Whole hours: each pass within the hour replaces the same row, so that history grows by the hour, not the pass.
    window = TimeWindow.last(window_of(runs, rhythm, now=now), now=floor_to(now, HOUR))
    common = {"pipeline": _WATCHED[kind], "subject": pipeline, "environment": environment, "window": window, "at": now}
    found = [_failures(runs, common, rhythm), _hung(runs, common, now)]
    found.extend(_time(report, common) for report in times)
    if (objective := _objective(runs, times, objective_s, common, now)) is not None:
        found.append(objective)
    return found


def window_of(runs: Sequence[Run], rhythm: Rhythm | None, *, now: datetime) -> timedelta:
    """Return over how long a pipeline's runs are counted: a week where one ended in it, else the span of its rhythm."""
    if rhythm is None or any(r.ended_at is not None and r.ended_at >= now - WINDOW for r in runs):
        return WINDOW
    return rhythm.span(now=now)


def worth_saving(found: Measurement, rhythm: Rhythm) -> bool:
    """Tell whether a measurement says something: that there is nothing to count is news only where runs are expected.

    What ran once has no next run to miss; three monthly runs will not be twelve for most of a year.
    """
    if found.verdict is not Verdict.INCONCLUSIVE:
        return True
    if found.name == "training_time":
        return rhythm.comparable(ENOUGH)
    # The failures say that a run is missed; the objective need not say it again.
    return rhythm.expected if found.name == "training_failures" else False


def _failures(runs: Sequence[Run], common: Mapping[str, Any], rhythm: Rhythm | None) -> Measurement:
    ended = sorted((r for r in runs if r.ended_at is not None), key=lambda r: r.ended_at or common["at"])
    # A run that a person stopped says nothing about the pipeline; its cost is counted elsewhere.
    told = [r for r in ended if r.effective is not Effective.KILLED]
    broken = [r for r in told if r.effective in BROKEN]
    days = span_text(common["window"].length)
    if rhythm and rhythm.missed and not (told and told[-1].effective in BROKEN):
        seen = f"the last one began on {rhythm.last:%Y-%m-%d}" if rhythm.last else "none was ever seen"
        return Measurement(name="training_failures", verdict=Verdict.INCONCLUSIVE, why=Why.LATE, unit="%",
                           reason=f"the run due on {rhythm.due:%Y-%m-%d %H:%M} UTC did not begin; {seen}", **common)
    if not told:
        seen = f"; the last one began on {rhythm.last:%Y-%m-%d}" if rhythm and rhythm.last else ""
        return Measurement(name="training_failures", verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA, unit="%",
                           reason=f"no run ended in the last {days}{seen}", **common)
    low, high = statistics.wilson(len(broken), len(told))
    share = len(broken) / len(told)
    classes = Counter(r.failure.cls or "unknown" for r in broken)
    detail = {"failed": len(broken), "ended": len(told), "low": low, "high": high, "classes": dict(classes),
              "runs": [r.run_id for r in broken[-20:]]}
    if not broken:
        return Measurement(name="training_failures", verdict=Verdict.PASS, value=0.0, unit="%", n=len(told),
                           reason=f"none of {len(told)} runs failed in {days}" if len(told) > 1 else
                           f"the only run in {days} passed", detail=detail, **common)
    newest = told[-1].effective in BROKEN
    last = broken[-1]
    names = ", ".join(f"{cls} {n}" for cls, n in classes.most_common(3))
    ago = span_text(common["at"] - (last.ended_at or common["at"]))
    ends = f"the newest run failed {ago} ago" if newest else f"the last failure was {ago} ago, a run has passed since"
    return Measurement(
        name="training_failures", verdict=Verdict.FAIL if newest else Verdict.WARN, value=100 * share, unit="%",
        n=len(told), detail=detail,
        reason=f"{len(broken)} of {len(told)} runs failed in {days} ({share:.0%}, 95% interval {low:.0%} to "
               f"{high:.0%}): {names}; {ends}", **common,
    )


def _hung(runs: Sequence[Run], common: Mapping[str, Any], now: datetime) -> Measurement:
    still = [r for r in runs if r.ended_at is None]
    hung = sorted((r for r in still if r.effective in HUNG), key=lambda r: r.effective_since or now)
    if not hung:
        text = f"none of {len(still)} open runs hangs" if still else "no run is open"
        return Measurement(name="hung_runs", verdict=Verdict.PASS, value=0.0, unit="runs", n=len(still), reason=text,
                           **common)
    worst = hung[0]
    cost = sum(r.cost_hours(now=now) for r in hung)
    dead = [r for r in hung if r.effective is not Effective.OVERDUE]
    more = f" and {len(hung) - 1} more" if len(hung) > 1 else ""
    return Measurement(
        name="hung_runs", verdict=Verdict.FAIL if dead else Verdict.WARN, value=float(len(hung)), unit="runs",
        n=len(still), detail={"runs": [r.run_id for r in hung[:20]], "cost_hours": cost},
        reason=f"{worst.name or worst.run_id[:8]} is {worst.effective}: {worst.evidence}{more}; {cost:.1f} h held",
        **common,
    )


def _time(report: TimeReport, common: Mapping[str, Any]) -> Measurement:
    verdict = {
        Change.NONE: Verdict.PASS, Change.FASTER: Verdict.PASS, Change.SLOWER: Verdict.WARN,
        Change.CREEP: Verdict.WARN, Change.TOO_FEW: Verdict.INCONCLUSIVE,
    }[report.change]
    detail: dict[str, Any] = {
        "change": str(report.change), "median_s": report.median_s, "low_s": report.low_s, "high_s": report.high_s,
        "effect": report.effect, "p": report.p, "detectable": report.detectable, "per_row": report.per_row,
        "hardware": report.hardware,
    }
    if report.since and report.change in (Change.SLOWER, Change.FASTER):
        detail |= {"since": report.since.started_at.isoformat(), "since_run": report.since.run_id,
                   "commit": report.since.git_commit}
    return Measurement(
        name="training_time", verdict=verdict, value=report.recent_s, unit="s", n=report.n, detail=detail,
        reason=report.reason, why=Why.TOO_FEW if report.change is Change.TOO_FEW else Why.NONE,
        slice=f"hardware={report.hardware}" if report.hardware else "", **common,
    )


def _objective(
    runs: Sequence[Run], times: Sequence[TimeReport], objective_s: float | None, common: Mapping[str, Any],
    now: datetime,
) -> Measurement | None:
    """Return whether runs keep the pipeline's objective; None where there is none."""
    limits = {r.run_id: r.sla_s or objective_s for r in runs}
    asked = [r for r in runs if limits[r.run_id]]
    if objective_s is None and not asked:
        return None
    took = [(r, r.duration_s, limits[r.run_id] or 0.0) for r in asked]
    met = [r for r, seconds, limit in took if r.effective is Effective.FINISHED and seconds is not None
           and seconds <= limit]
    missed = [(r, seconds) for r, seconds, limit in took if seconds is not None and seconds > limit]
    slowest = max((t.high_s for t in times if t.high_s is not None and t.n >= 5), default=None)
    late, risky = [], []
    for r, seconds, limit in took:
        if seconds is not None or r.started_at is None or r.effective is Effective.SUSPECTED_DEAD or r.ended_at:
            continue
        elapsed = (now - r.started_at).total_seconds()
        if elapsed > limit:
            late.append(r)
        # A run that queued or started late may still miss a deadline that its own length would keep.
        elif slowest is not None and slowest > limit:
            risky.append(r)
    n = len(met) + len(missed) + len(late)
    detail = {"met": len(met), "missed": len(missed) + len(late), "at_risk": len(risky), "objective_s": objective_s}
    of = f"objective {span(objective_s)}" if objective_s else "their own objectives"
    if late or missed:
        verdict = Verdict.FAIL if late or missed[-1][0] is max((r for r in asked if r.ended_at), default=None,
                                                               key=lambda r: r.ended_at or now) else Verdict.WARN
        worst = max((s for _, s in missed), default=None)
        text = (f"{len(late) + len(missed)} of {n} run{'' if n == 1 else 's'} missed the {of}"
                + (f"; the longest took {span(worst)}" if worst else "")
                + (f"; {len(late)} of them not ended yet" if late else ""))
    elif risky:
        verdict, runs_are = Verdict.WARN, "run is" if len(risky) == 1 else "runs are"
        text = f"{len(risky)} open {runs_are} at risk: 1 in 10 takes {span(slowest)}, {of}"
    elif not n:
        return Measurement(name="training_objective", verdict=Verdict.INCONCLUSIVE, why=Why.NO_DATA, unit="%",
                           reason=f"no run with an {of} ended in the last {span_text(common['window'].length)}",
                           detail=detail, **common)
    else:
        verdict, text = Verdict.PASS, f"all {n} runs met the {of}" if n > 1 else f"the only run met the {of}"
    value = 100 * len(met) / n if n else None
    return Measurement(name="training_objective", verdict=verdict, value=value, unit="%", n=n, reason=text,
                       detail=detail, **common)
