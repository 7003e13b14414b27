"""The steps that turn logs into profiles: fetch baselines, count what changed.

Measuring the profiles is in drift.py beside it; which engine counts is decided in services/bootstrap.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, HOUR, TimeWindow
from services.drift.gather import baseline_for
from services.errors import NotFound, SourceMalformed
from services.monitor.faults import Faults, each_model
from services.predictions.ledger import (
    AHEAD,
    CLOCKS,
    COMES,
    EARLIEST,
    UNSEEN,
    FileState,
    LogFile,
    overlapping,
    possible,
    touched,
)
from services.profiles.build import HOURS_KEPT, SLICE_HOURS_KEPT, Due, by_edges, due, runs_of, served
from services.profiles.ports import Ask, BaselineSource, BaselineStore, Ledger, PredictionLog, ProfileStore, Scope
from services.profiles.profile import Layout

# One scan at most, which bounds the answer at a few thousand rows.
LONGEST: Final = {HOUR: timedelta(days=31), DAY: timedelta(days=120)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselinesStep:
    """Fetch the baseline of every registered version once."""

    sources: Mapping[str, BaselineSource]  # by model
    store: BaselineStore
    name: str = "baselines"

    def run(self, *, now: datetime) -> str:
        """Load what is not known yet; a version without a baseline is remembered with the reason."""
        known = self.store.known()
        fetched, without, faults = 0, 0, Faults()
        for model, source in self.sources.items():
            missing: Sequence[str] = ()
            with faults.kept():
                missing = [v for v in source.versions(model) if (model, v) not in known]
            for version in missing:
                with faults.kept():
                    try:
                        self.store.save(source.load(model, version), now=now)
                        fetched += 1
                    except (NotFound, SourceMalformed) as error:
                        self.store.save_absence(model, version, str(error), now=now)
                        without += 1
        faults.raise_first()
        return f"{fetched} fetched, {without} versions without one, {len(known)} known before"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesStep:
    """Count the hours of every log in which rows came or went."""

    logs: Mapping[str, PredictionLog]  # by model
    slices: Mapping[str, Sequence[str]]
    baselines: BaselineStore
    profiles: ProfileStore
    ledger: Ledger
    save: Callable[[list[Measurement]], None]
    name: str = "profiles"

    def run(self, *, now: datetime) -> str:
        """Look at every log; one that cannot be read does not stop the others."""
        return each_model(self.logs, partial(self._one, now=now))

    def _one(self, model: str, log: PredictionLog, *, now: datetime) -> str:
        known = {path: possible(file, now=now) for path, file in self.ledger.files(log.name).items()}
        facts = [_widened(file, known.get(file.path)) for file in log.inspect(log.changes(known, now=now), now=now)]
        self.ledger.save(log.name, facts, now=now)
        files = {**known, **{file.path: file for file in facts}}
        pending = [f for f in files.values() if f.state in (FileState.NEW, FileState.GONE)]
        counted, bad = self._count(model, log, files, touched(pending), now=now)
        self.ledger.settle(log.name, pending)
        self.ledger.save(log.name, bad, now=now)
        files.update({file.path: file for file in bad})
        self.profiles.drop_hours(model, before=now - HOURS_KEPT - DAY,
                                 slices_before=now - SLICE_HOURS_KEPT - DAY)
        there = [f for f in files.values() if f.state is not FileState.GONE]
        self.save([self._quarantine(model, there, now=now)])
        return _line(files, pending, counted, now=now)

    def _count(
        self, model: str, log: PredictionLog, files: Mapping[str, LogFile], hours: Sequence[TimeWindow], *,
        now: datetime,
    ) -> tuple[int, list[LogFile]]:
        """Count what is due in every set of bins; return how many buckets, and files that proved unreadable."""
        readable = {path: f for path, f in files.items() if f.state in (FileState.NEW, FileState.OK)}
        # What is gone tells as well which hours are to be counted again: to nothing, where it was all there was.
        versions = served(f for f in files.values() if f.state is not FileState.QUARANTINED)
        if not versions:
            return 0, []
        whole = TimeWindow(min(s.start for s in versions.values()), max(s.end for s in versions.values()))
        found = {v: b for v in versions if (b := baseline_for(self.baselines, model, v))}
        layouts = {b.edges: b.layout for b in found.values()}
        total, bad = 0, dict[str, LogFile]()
        for edges, span in by_edges(versions, {v: b.edges for v, b in found.items()}).items():
            todo = due(hours, span=span, since=self.profiles.since(model, edges), log=whole, now=now)
            if not todo:
                continue
            usable = [f for path, f in readable.items() if path not in bad]
            bad.update({file.path: file for file in self._recount(model, log, layouts[edges], usable, todo)})
            # Only now: a pass that is killed before here starts these bins again.
            self.profiles.set_since(model, edges, span.start)
            total += todo.buckets
            self.profiles.sum_months(layouts[edges], model, before=now)
        return total, list(bad.values())

    def _recount(
        self, model: str, log: PredictionLog, layout: Layout, files: Sequence[LogFile], todo: Due
    ) -> list[LogFile]:
        bad: dict[str, LogFile] = {}
        slices = self.slices.get(model, ())
        parts = ((todo.sliced_hours, HOUR, Scope.EVERYTHING), (todo.hours, HOUR, Scope.WHOLE),
                 (todo.sliced_days if slices else (), DAY, Scope.SLICES), (todo.days, DAY, Scope.EVERYTHING))
        for buckets, grain, scope in parts:
            for run in runs_of(buckets, longest=LONGEST[grain]):
                window = TimeWindow(run[0].start, run[-1].end)
                ask = Ask(layout=layout, window=window, grain=grain, slices=() if scope is Scope.WHOLE else slices)
                there = [f for f in overlapping(files, window) if f.path not in bad]
                found, unreadable = log.count(there, ask)
                bad.update({file.path: file for file in unreadable})
                put = self.profiles.replace_hours if grain == HOUR else self.profiles.replace_days
                put(layout, model, run, [c for c in found if c.place.slice or scope is not Scope.SLICES], scope=scope)
        return list(bad.values())

    def _quarantine(self, model: str, files: Sequence[LogFile], *, now: datetime) -> Measurement:
        bad = sorted((f for f in files if f.state is FileState.QUARANTINED), key=lambda f: f.path)
        names = ", ".join(f"{f.path} ({f.reason})" for f in bad[:3]) + (" and more" if len(bad) > 3 else "")
        if not files:
            verdict, reason = Verdict.INCONCLUSIVE, "no log file is there: check models.*.log, or wait for one"
        elif bad:
            verdict, reason = Verdict.FAIL, f"{len(bad)} of {len(files)} log files cannot be read: {names}"
        else:
            verdict, reason = Verdict.PASS, f"all {len(files)} log files can be read"
        reason += "".join(f"; {said}" for said in _odd_times(files, now=now))
        return Measurement(
            name="quarantined_files", pipeline=Pipeline.SERVING, subject=model, window=TimeWindow(now - HOUR, now),
            at=now, verdict=verdict, reason=reason, why=Why.NONE if files else Why.NO_DATA, value=float(len(bad)),
            unit="files", n=len(files), detail={"files": [{"path": f.path, "reason": f.reason} for f in bad[:50]]})


def _widened(file: LogFile, old: LogFile | None) -> LogFile:
    """Return a changed file with the hours it had before as well: they are to be counted again."""
    if old is None or old.first is None or old.last is None or file.state is FileState.QUARANTINED:
        return file
    if old.size == UNSEEN and old.mtime == file.mtime:
        return file  # the same rows, of which only the times were known wrongly
    return replace(file, first=min(file.first or old.first, old.first), last=max(file.last or old.last, old.last))


def _odd_times(files: Iterable[LogFile], *, now: datetime) -> list[str]:
    """Return what is odd about the rows' times: there are none, or they are still to come."""
    readable = [f for f in files if f.state in (FileState.NEW, FileState.OK)]
    said = []
    if undated := sum(f.undated for f in readable):
        said.append(f"{undated} rows have no time, or none from {EARLIEST.year} to {COMES.days} days after their file "
                    "was read, and are left out")
    if later := sum(f.later for f in readable):
        first = min(f.due for f in readable if f.due is not None)
        said.append(f"{later} rows are more than {AHEAD.days} days ahead, the first of {first:%Y-%m-%d %H:%M} UTC: "
                    "they count when their time comes")
    ahead = [f.last for f in readable if f.last is not None and f.last > now + CLOCKS]
    if ahead:
        said.append(f"{len(ahead)} files have rows of times to come, up to {max(ahead):%Y-%m-%d %H:%M} UTC: they count "
                    "then. Look at the clock, or the zone, of what writes them")
    return said


def _line(files: Mapping[str, LogFile], pending: Sequence[LogFile], counted: int, *, now: datetime) -> str:
    if not files:
        return "the log has no files yet"
    parts = [f"{counted} buckets counted from {len(pending)} changed files" if pending or counted else "nothing new"]
    bad = sum(f.state is FileState.QUARANTINED for f in files.values())
    if bad:
        parts.append(f"{bad} files quarantined")
    parts += _odd_times(files.values(), now=now)
    lacking = sorted({column for f in files.values() for column in f.lacks})
    if lacking:
        parts.append(f"declared but not in every file: {', '.join(lacking)}, counted as missing")
    return ", ".join(parts)
