"""Say whether a pipeline's runs take longer than they did: one slow run, a step, a creep; and what could be seen.

Like is compared with like: one pipeline, one hardware, finished runs only, per row where the rows are known and differ.
The three detectors and their figures: a step is raised by Mann-Whitney (last 5 against the 20 before) and dated by
PELT; a creep by Hamed-Rao Mann-Kendall; a single slow run is advisory only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from services.core.window import span_text
from services.training import statistics

LAST: Final = 5
BEFORE: Final = 20
ENOUGH: Final = 12
LOOK_BACK: Final = 60  # runs: a creep over years is not what a person means by "lately"
ALPHA: Final = 0.01
MIN_EFFECT: Final = 0.10
SLOW_Z: Final = 3.5
_FLOOR: Final = 0.02  # of the median: clocks and start-up alone vary by that
_ROWS_VARY: Final = 0.02


class Change(StrEnum):
    """What the durations of a pipeline are doing."""

    NONE = "steady"
    SLOWER = "slower"
    FASTER = "faster"
    CREEP = "creeping up"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One finished run, as far as its duration goes."""

    run_id: str
    pipeline: str
    hardware: str
    started_at: datetime
    duration_s: float
    data_rows: int | None = None
    git_commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeReport:
    """What the durations of one like-with-like group say.

    `median_s` and the band are in seconds of a run of the newest size, so that they can be drawn beside the runs.
    """

    pipeline: str
    hardware: str
    change: Change
    reason: str
    n: int
    per_row: bool = False
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    recent_s: float | None = None
    effect: float | None = None  # relative change, 0.3 is 30% longer
    p: float | None = None
    detectable: float | None = None
    since: Timing | None = None  # first run after the change
    last_before: Timing | None = None
    slow: tuple[tuple[str, float, float], ...] = ()  # run, robust z, per cent over the median


def examine(timings: Sequence[Timing]) -> TimeReport:
    """Return what a group of like runs says, oldest first; the group is one pipeline on one hardware."""
    runs = sorted((t for t in timings if t.duration_s > 0), key=lambda t: t.started_at)[-LOOK_BACK:]
    if not runs:
        return TimeReport(pipeline="", hardware="", change=Change.TOO_FEW, n=0, reason="no finished run")
    group = TimeReport(pipeline=runs[-1].pipeline, hardware=runs[-1].hardware, change=Change.TOO_FEW, n=len(runs),
                       reason=f"{_runs(len(runs))} finished: too few to compare, {ENOUGH} are needed")
    values, per_row, scale = _sizes(runs)
    logs = np.log(values)
    report = replace(group, per_row=per_row, median_s=float(np.median(values)) * scale,
                     low_s=float(np.quantile(values, 0.1)) * scale, high_s=float(np.quantile(values, 0.9)) * scale,
                     recent_s=float(np.median(values[-LAST:])) * scale)
    if len(runs) < ENOUGH:
        return report
    seen = statistics.detectable(values, before=min(BEFORE, len(values) - LAST), after=LAST, alpha=ALPHA)
    report = replace(report, slow=_slow(runs, logs), detectable=max(seen, MIN_EFFECT))
    step, creep = _step(report, runs, values, logs), _creep(report, runs, values, logs)
    if step and creep and not statistics.is_step(logs.tolist(), step[0]):
        return creep  # a slope cut in two looks like a step to a test of two samples
    return step[1] if step else creep or _steady(report)


def _runs(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"


def _sizes(runs: Sequence[Timing]) -> tuple[list[float], bool, float]:
    """Return comparable durations, whether they are per row, and what turns one back into seconds of the newest run."""
    rows = [t.data_rows for t in runs if t.data_rows]
    if len(rows) == len(runs) and max(rows) > (1 + _ROWS_VARY) * min(rows):
        return [t.duration_s / r for t, r in zip(runs, rows, strict=True)], True, float(rows[-1])
    return [t.duration_s for t in runs], False, 1.0


def _slow(runs: Sequence[Timing], logs: np.ndarray) -> tuple[tuple[str, float, float], ...]:
    found = []
    for i, run in enumerate(runs):
        # Against what was known then: the runs before it, or the others while there are too few.
        known = logs[max(0, i - BEFORE) : i] if i >= ENOUGH - 1 else np.delete(logs, i)
        z = statistics.robust_z(float(logs[i]), known.tolist(), floor=_FLOOR)
        over = math.expm1(float(logs[i]) - float(np.median(known)))
        if z > SLOW_Z and over > MIN_EFFECT:
            found.append((run.run_id, z, 100 * over))
    return tuple(found)


def _step(
    report: TimeReport, runs: Sequence[Timing], values: Sequence[float], logs: np.ndarray
) -> tuple[int, TimeReport] | None:
    """Return where a step was raised by the last runs, and its report, dated back to where their level began."""
    # A step older than the last five is still news until the runs before it have left the comparison.
    starts = [k for k in statistics.changes(logs.tolist()) if len(runs) - k <= BEFORE] or [len(runs) - LAST]
    found = {start: step for start in reversed(starts)
             if (step := _step_at(start, report, runs, values, before=values[max(0, start - BEFORE) : start]))}
    if not found:
        return None
    last = next(iter(found.values()))
    # Of several changes to the same side the one that two levels fit best is where it began: noise cuts a level in two.
    same = [start for start, step in found.items() if step.change is last.change]
    raised = min(same, key=lambda start: statistics.off_two_levels(logs.tolist(), start))
    began, before = _level(raised, [k for k in starts if k > raised], values)
    dated = _step_at(began, report, runs, values, before=before)
    return raised, dated if dated and dated.change is last.change else found[raised]


def _level(raised: int, later: Sequence[int], values: Sequence[float]) -> tuple[int, Sequence[float]]:
    """Return where the level of the last runs began, and the runs before it that were not at that level.

    A pipeline that grew slower, recovered and grew slower again has its cause beside the second change.
    """
    before = list(values[max(0, raised - BEFORE) : raised])
    old, new = float(np.median(before)), float(np.median(values[later[-1] if later else raised :]))
    began = raised
    for start, end in pairwise([raised, *later]):
        level = float(np.median(values[start:end]))
        # Nearer to what it was before, as durations compare: by their ratio.
        if abs(math.log(level / old)) < abs(math.log(level / new)):
            before += values[start:end]
            began = end
    return began, before[-BEFORE:]


def _step_at(
    start: int, report: TimeReport, runs: Sequence[Timing], values: Sequence[float], *, before: Sequence[float]
) -> TimeReport | None:
    after = values[start:]
    if len(before) < ENOUGH - LAST or len(after) < 3:
        return None
    p = min(statistics.shift_p(before, after), statistics.shift_p(before, after[-LAST:]))
    effect = float(np.median(after)) / float(np.median(before)) - 1
    if p >= ALPHA or abs(effect) < MIN_EFFECT:
        return None
    since, last = runs[start], runs[start - 1]
    word = "longer" if effect > 0 else "shorter"
    return replace(
        report, change=Change.SLOWER if effect > 0 else Change.FASTER, effect=effect, p=p, since=since,
        last_before=last, reason=f"runs take {abs(effect):.0%} {word} since {since.started_at:%Y-%m-%d %H:%M} UTC "
        f"({_s(np.median(before), report, runs)} to {_s(np.median(after), report, runs)}, {len(after)} against "
        f"{len(before)} runs){_cause(last, since)}",
    )


def _creep(report: TimeReport, runs: Sequence[Timing], values: Sequence[float], logs: np.ndarray) -> TimeReport | None:
    found = statistics.trend(logs.tolist())
    effect = math.expm1(found.slope * (len(values) - 1))
    if found.p >= ALPHA or effect < MIN_EFFECT:
        return None
    return replace(
        report, change=Change.CREEP, effect=effect, p=found.p, since=runs[0],
        reason=f"runs have grown {effect:.0%} longer over {len(runs)} runs since {runs[0].started_at:%Y-%m-%d}, "
               "without a step",
    )


def _steady(report: TimeReport) -> TimeReport:
    seen = f"can see {report.detectable:.0%} or more" if report.detectable is not None else ""
    return replace(report, change=Change.NONE, reason=f"steady at {span(report.median_s)} over {_runs(report.n)}; "
                                                      f"{seen}")


def _s(value: object, report: TimeReport, runs: Sequence[Timing]) -> str:
    scale = float(runs[-1].data_rows or 1) if report.per_row else 1.0
    return span(float(value) * scale)  # type: ignore[arg-type]


def span(seconds: float | None) -> str:
    """Return seconds as people read them; below ten with a digit, because demo runs take half a second."""
    if seconds is None:
        return "unknown"
    return f"{seconds:.2g} s" if seconds < 10 else span_text(timedelta(seconds=seconds))


def _cause(last: Timing, since: Timing) -> str:
    parts = []
    if last.git_commit and since.git_commit and last.git_commit != since.git_commit:
        parts.append(f"commit {last.git_commit[:8]} to {since.git_commit[:8]}")
    if last.data_rows and since.data_rows and abs(since.data_rows / last.data_rows - 1) > MIN_EFFECT:
        parts.append(f"rows {last.data_rows:,} to {since.data_rows:,}")
    return f"; with it: {', '.join(parts)}" if parts else ""
