"""Judge open runs again, compare durations, and measure every pipeline that has runs.

It reads the mirror only, so it goes on while MLflow is away: silence is then measured up to the moment the mirror
last looked, and no run looks dead because nobody could ask.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.core.measurement import Measurement
from services.quota.cron import occurrences
from services.training.duration import TimeReport, Timing, examine
from services.training.effective import History, Judged, judge
from services.training.measure import WINDOW, measure, window_of, worth_saving
from services.training.ports import RunFilter
from services.training.rhythm import GRACE, Rhythm, rhythm
from services.training.run import Kind, Run
from services.training.statistics import percentile

_NEWEST: Final = 20  # runs from which a pipeline's rhythm is read
_YEAR: Final = timedelta(days=366)


class Runs(Protocol):
    """The mirror, as this step needs it."""

    def timings(self) -> Sequence[Timing]:
        """Return every finished run with a duration, oldest first."""
        ...

    def open_runs(self) -> Sequence[Run]:
        """Return the runs that MLflow has not ended."""
        ...

    def ended_since(self, moment: datetime) -> Sequence[Run]:
        """Return the runs that ended at or after a moment."""
        ...

    def find(self, wanted: RunFilter, *, limit: int) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        ...

    def pipelines(self) -> Sequence[tuple[str, Kind, int]]:
        """Return every pipeline that has runs."""
        ...

    def set_judged(self, judged: Mapping[str, Judged]) -> None:
        """Store conclusions."""
        ...

    def set_slow(self, found: Mapping[str, tuple[float, float]]) -> None:
        """Store robust z and per cent over the median of the slow runs, and of no others."""
        ...


class Save(Protocol):
    """Where measurements go."""

    def save(self, found: Iterable[Measurement]) -> None:
        """Store measurements."""
        ...

    def retire(self, found: Iterable[Measurement]) -> None:
        """Take questions that nobody asks any more off the first screens; the history keeps its answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What the settings say about a pipeline."""

    seconds: float | None = None
    environment: str = ""
    schedule: str = ""


class TrainingStep:
    """Judge and measure."""

    name = "training"

    def __init__(
        self, runs: Runs, measurements: Save, *, mirror_as_of: Callable[[], datetime | None],
        objectives: Mapping[str, Objective],
    ) -> None:
        """Use the mirror and the measurements; `objectives` is by pipeline."""
        self._runs, self._measurements = runs, measurements
        self._mirror_as_of, self._objectives = mirror_as_of, objectives

    def run(self, *, now: datetime) -> str:
        """Judge and measure once."""
        reports = reports_of(self._runs.timings())
        judged = self._judge(reports, now)
        self._runs.set_slow({run: (z, pct) for _, r in reports.values() for run, z, pct in r.slow})
        found, idle = self._measure(reports, now)
        self._measurements.save(found)
        self._measurements.retire(idle)
        return f"{judged} open runs judged, {len(found)} measurements of {len({m.subject for m in found})} pipelines"

    def _judge(self, reports: Mapping[tuple[str, str], tuple[History, TimeReport]], now: datetime) -> int:
        as_of = self._mirror_as_of()
        age = max(now - as_of, timedelta()) if as_of else None
        open_runs = self._runs.open_runs()
        news = {}
        for run in open_runs:
            history = reports.get((run.pipeline, run.hardware))
            told = self._objectives.get(run.pipeline, Objective())
            judged = judge(run, now=now, history=history[0] if history else None, mirror_age=age,
                           objective_s=told.seconds)
            if (judged.effective, judged.evidence) != (run.effective, run.evidence):
                news[run.run_id] = judged
        self._runs.set_judged(news)
        return len(open_runs)

    def _measure(
        self, reports: Mapping[tuple[str, str], tuple[History, TimeReport]], now: datetime
    ) -> tuple[list[Measurement], list[Measurement]]:
        """Return what is worth saving, and what nobody expects an answer to."""
        recent: dict[tuple[str, Kind], list[Run]] = defaultdict(list)
        for run in (*self._runs.ended_since(now - WINDOW), *self._runs.open_runs()):
            recent[run.pipeline, run.kind].append(run)
        found, idle = [], []
        for pipeline, kind, _ in self._runs.pipelines():
            newest = self._runs.find(RunFilter(pipeline=pipeline, kind=kind), limit=_NEWEST)
            told = self._objectives.get(pipeline, Objective())
            pace = _pace(newest, told, now)
            runs = recent.get((pipeline, kind), [])
            since = now - window_of(runs, pace, now=now)
            if since < now - WINDOW:
                known = {r.run_id for r in runs}
                runs = [*(r for r in newest if r.ended_at and r.ended_at >= since and r.run_id not in known), *runs]
            times = [r for (name, _), (_, r) in reports.items() if name == pipeline]
            environment = told.environment or next((r.environment for r in runs if r.environment), "")
            measured = measure(pipeline, kind, runs, times, now=now, objective_s=told.seconds, environment=environment,
                               rhythm=pace)
            found += [m for m in measured if worth_saving(m, pace)]
            idle += [m for m in measured if not worth_saving(m, pace)]
        return found, idle


def _pace(newest: Sequence[Run], told: Objective, now: datetime) -> Rhythm:
    due = None
    if told.schedule:
        asked = now - GRACE
        near = list(occurrences(told.schedule, start=asked - WINDOW, end=asked))
        due = max(near or occurrences(told.schedule, start=asked - _YEAR, end=asked), default=None)
    return rhythm([r.started_at for r in newest if r.started_at], due=due)


def reports_of(timings: Sequence[Timing]) -> dict[tuple[str, str], tuple[History, TimeReport]]:
    """Return history and duration report of every like-with-like group: (pipeline, hardware)."""
    groups: dict[tuple[str, str], list[Timing]] = defaultdict(list)
    for timing in timings:
        groups[timing.pipeline, timing.hardware].append(timing)
    return {
        key: (History(n=len(members), p99_s=percentile([t.duration_s for t in members], 99)), examine(members))
        for key, members in groups.items()
    }
