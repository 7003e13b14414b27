"""The steps of quality: find new labels, count the days they touch, and measure realised quality and coverage."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from services.core.measurement import Measurement, Verdict
from services.core.window import DAY, TimeWindow, span_text
from services.monitor.faults import Faults, each_model
from services.monitor.steps.signals import Cursor, News, runs_of, touched
from services.predictions.ledger import Changes, FileState, LogFile, possible
from services.profiles.ports import Ledger
from services.quality.day import ScoreDay
from services.quality.estimate import Estimate
from services.quality.foresee import estimated_quality, foresee_losses
from services.quality.measure import BEFORE, WINDOW, Subject, label_coverage, mature_window, quality
from services.quality.ports import LabelledLog, ScoreStore, ValidationScores

SLICES: Final = 20
EVERY: Final = timedelta(minutes=5)
HOURLY: Final = timedelta(hours=1)  # learning the errors of a regression takes seconds
LABELS_LOOKED: Final = WINDOW  # how far back labels of unknown requests are looked for


class LabelFiles(Protocol):
    """The label log of a model, as files."""

    @property
    def name(self) -> str:
        """Its name in the ledger, such as `labels:flight-delay`."""
        ...

    def changes(self, known: Mapping[str, LogFile], *, now: datetime | None = None) -> Changes:
        """Compare the folder with what is known."""
        ...

    def inspect(self, changes: Changes, *, now: datetime | None = None) -> list[LogFile]:
        """Look into files and return their facts."""
        ...


class Days(ScoreStore, Protocol):
    """The days, and what is asked of them beside."""

    def environments(self, model: str, window: TimeWindow) -> dict[str, str]:
        """Return environment to the version that answered most."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsStep:
    """Join new labels with their predictions; history is counted again only where a label or an answer came."""

    logs: Mapping[str, LabelledLog]
    files: Mapping[str, LabelFiles]  # a model without a label log has none
    ledger: Ledger
    news: News
    cursor: Cursor
    store: ScoreStore
    name: str = "labels"

    def run(self, *, now: datetime) -> str:
        """Count what is new; a log that cannot be read does not stop the others."""
        return each_model(self.logs, partial(self._one, now=now))

    def _one(self, model: str, log: LabelledLog, *, now: datetime) -> str:
        began = time.perf_counter()
        fresh = self._look(model, now=now)
        cursor = f"labels:{model}"
        answers, moment = self.news(f"predictions:{model}", self.cursor.load(cursor))
        days = set(touched([span for _, span in answers], DAY))
        if fresh:
            span = TimeWindow(min(f.first for f in fresh if f.first), max(f.last for f in fresh if f.last))
            days.update(log.days_of_labels([f.path for f in fresh], span))
        for run in runs_of(list(days)):
            self.store.replace_days(model, run, log.score(run))
        if model in self.files:
            self.ledger.settle(self.files[model].name, fresh)
        words = f"{len(days)} days counted, {len(fresh)} new label files" if days or fresh else "nothing new"
        self.cursor.save(cursor, moment, words, now=now, took_s=time.perf_counter() - began)
        return words

    def _look(self, model: str, *, now: datetime) -> list[LogFile]:
        """Bring the ledger of label files up to date; return the readable ones that are not counted yet."""
        files = self.files.get(model)
        if files is None:
            return []
        known = {path: possible(file, now=now) for path, file in self.ledger.files(files.name).items()}
        facts = [_complete(file) for file in files.inspect(files.changes(known, now=now), now=now)]
        self.ledger.save(files.name, facts, now=now)
        everything = {**known, **{file.path: file for file in facts}}
        self.ledger.settle(files.name, [f for f in everything.values() if f.state is FileState.GONE])
        return [f for f in everything.values() if f.state is FileState.NEW and f.first is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What quality needs to know of a model."""

    task: str
    maturity: timedelta
    labelled: bool  # False: no label log is set, so nothing is ever judged


@dataclass(slots=True, kw_only=True)
class QualityStep:
    """Measure realised and estimated quality and label coverage of every model and environment that answered lately."""

    models: Mapping[str, Watched]
    logs: Mapping[str, LabelledLog]
    store: Days
    validation: ValidationScores
    # (model, environment, mature week, now) to the estimated MAE of each day since that week began.
    losses: Callable[[str, str, TimeWindow, datetime], list[Estimate]]
    save: Callable[[list[Measurement]], None]
    name: str = "quality"
    done: datetime | None = None
    drawn: dict[tuple[str, str], tuple[datetime, list[Estimate]]] = field(default_factory=dict)

    def run(self, *, now: datetime) -> str:
        """Measure the last mature week; quality moves by the day, so a turn within five minutes does nothing.

        Raises:
            OpsError: what failed for some models, once the others are measured.
        """
        if self.done is not None and now - self.done < EVERY:
            return f"measured {span_text(now - self.done)} ago"
        found, faults = [], Faults()
        for model in self.models:
            with faults.kept():
                found += self._one(model, now=now)
        self.save(found)
        faults.raise_first()
        self.done = now
        return f"{len(found)} measured, {sum(m.verdict is Verdict.FAIL for m in found)} failing"

    def _one(self, model: str, *, now: datetime) -> list[Measurement]:
        watched = self.models[model]
        if not watched.labelled:
            return []
        found = []
        window = mature_window(watched.maturity, now=now)
        reach = TimeWindow(window.start - BEFORE, now + DAY)
        unknown = self.logs[model].unknown_labels(TimeWindow(now - LABELS_LOOKED, now))
        for environment, version in self.store.environments(model, TimeWindow(window.start, now + DAY)).items():
            subject = Subject(model=model, environment=environment, version=version, task=watched.task)
            validation = self.validation.of(model, version)
            days = self.store.days(model, reach, environment=environment)
            found.append(quality(subject, days, watched.maturity, validation, at=now))
            found.append(label_coverage(subject, days, watched.maturity, unknown, at=now))
            found += self._slices(subject, watched, reach, now=now)
            found += self._estimated(subject, days, watched, now=now)
        return found

    def _estimated(
        self, subject: Subject, days: Sequence[ScoreDay], watched: Watched, *, now: datetime
    ) -> list[Measurement]:
        if subject.task == "regression":
            mature = mature_window(watched.maturity, now=now)
            key = (subject.model, subject.environment)
            last = self.drawn.get(key)
            if last is None or now - last[0] >= HOURLY:
                self.drawn[key] = last = (now, self.losses(*key, mature, now))
            return [foresee_losses(subject, days, watched.maturity, last[1], at=now)]
        found = estimated_quality(subject, days, watched.maturity, at=now)
        return [found] if found else []

    def _slices(
        self, subject: Subject, watched: Watched, reach: TimeWindow, *, now: datetime
    ) -> Sequence[Measurement]:
        """Measure the largest slices against their own weeks before: a validation score is of the whole only."""
        window = mature_window(watched.maturity, now=now)
        found = []
        for name in self.store.slices(subject.model, window, environment=subject.environment)[:SLICES]:
            days = self.store.days(subject.model, reach, environment=subject.environment, slice_=name)
            found.append(quality(replace(subject, slice=name), days, watched.maturity, {}, at=now))
        return found


def _complete(file: LogFile) -> LogFile:
    """Return a label file as quarantined where it lacks the columns without which no label can be joined."""
    if file.state is FileState.NEW and file.lacks:
        return replace(file, state=FileState.QUARANTINED,
                       reason=f"has no column {' and '.join(file.lacks)}: a label log holds request_id and label")
    return file
