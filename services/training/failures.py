"""Gather failures: the same failure seen many times, how often runs fail, what it cost, and which are flaky.

Why one run failed is said in classify.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.training.run import BROKEN, HUNG, TERMINAL, Effective, Kind, Run
from services.training.statistics import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One failure as often as it happened."""

    fingerprint: str
    cls: str
    owner: str
    retryable: bool
    line: str
    pipelines: tuple[str, ...]
    count: int
    first_seen: datetime | None
    last_seen: datetime | None
    wasted_hours: float
    runs: tuple[str, ...]  # newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often runs fail, by count with its 95% interval, and by compute."""

    failed: int
    ended: int
    low: float
    high: float
    failed_hours: float
    killed_hours: float
    hung_hours: float
    hours: float

    @property
    def share(self) -> float | None:
        """Failed of ended runs; None when none ended."""
        return self.failed / self.ended if self.ended else None

    @property
    def wasted(self) -> float | None:
        """The share of the hours that runs held and that came to nothing; None when none were held."""
        return (self.failed_hours + self.killed_hours + self.hung_hours) / self.hours if self.hours else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaky:
    """The same code on the same data and hardware that both failed and passed."""

    pipeline: str
    git_commit: str
    data_rows: int | None
    failed: tuple[str, ...]
    passed: tuple[str, ...]


def groups(runs: Iterable[Run], *, now: datetime) -> list[Group]:
    """Return failures by fingerprint, most wasted hours first; a run without one stands by its class and pipeline."""
    members: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.effective in BROKEN or run.effective is Effective.SUSPECTED_DEAD:
            members[run.failure.fingerprint or f"{run.failure.cls or 'unknown'}:{run.pipeline}"].append(run)
    found = []
    for fingerprint, same in members.items():
        same.sort(key=lambda r: r.ended_at or r.started_at or now, reverse=True)
        newest = same[0]
        seen = [s for r in same if (s := r.ended_at or r.last_activity_at)]
        found.append(Group(
            fingerprint=fingerprint, cls=newest.failure.cls or "unknown", owner=newest.failure.owner or "unknown",
            retryable=bool(newest.failure.retryable), line=newest.failure.line or newest.failure.message,
            pipelines=tuple(sorted({r.pipeline for r in same})), count=len(same), first_seen=min(seen, default=None),
            last_seen=max(seen, default=None), wasted_hours=sum(r.cost_hours(now=now) for r in same),
            runs=tuple(r.run_id for r in same),
        ))
    return sorted(found, key=lambda g: (-g.wasted_hours, -g.count, g.fingerprint))


def rate(runs: Sequence[Run], *, now: datetime) -> Rate:
    """Return how often the runs failed. One that a person stopped is no failure, and its hours are a line of their own.

    Hours are accelerator-hours where a run says what it requested, else core-hours, else plain hours.
    """
    broken = [r for r in runs if r.effective in BROKEN]
    ended = [r for r in runs if r.status in TERMINAL and r.effective is not Effective.KILLED]
    low, high = wilson(len(broken), max(len(ended), len(broken)))
    hours = {id(r): r.cost_hours(now=now) for r in runs}

    def held(some: Iterable[Run]) -> float:
        return sum(hours[id(r)] for r in some)

    return Rate(
        failed=len(broken), ended=max(len(ended), len(broken)), low=low, high=high, failed_hours=held(broken),
        killed_hours=held(r for r in runs if r.effective is Effective.KILLED),
        hung_hours=held(r for r in runs if r.effective in HUNG), hours=held(runs),
    )


def flaky(runs: Iterable[Run]) -> list[Flaky]:
    """Return what failed and passed with the same commit, data and hardware; runs without a commit cannot tell."""
    tries: dict[tuple[str, str, int | None, str, Kind], list[Run]] = defaultdict(list)
    for run in runs:
        if run.git_commit and (run.effective in BROKEN or run.effective is Effective.FINISHED):
            tries[run.pipeline, run.git_commit, run.data_rows, run.hardware, run.kind].append(run)
    found = []
    for (pipeline, commit, rows, _, _), same in tries.items():
        failed = tuple(r.run_id for r in same if r.effective in BROKEN)
        passed = tuple(r.run_id for r in same if r.effective is Effective.FINISHED)
        if failed and passed:
            found.append(Flaky(pipeline=pipeline, git_commit=commit, data_rows=rows, failed=failed, passed=passed))
    return sorted(found, key=lambda f: (-len(f.failed), f.pipeline, f.git_commit))
