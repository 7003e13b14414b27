"""The steps of serving: count the hours in which the log changed, then measure latency, errors, volume and outage.

What a number means is decided in services/serving; which log is counted, in services/bootstrap.py.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from services.core.measurement import Measurement, Verdict
from services.core.window import DAY, HOUR, WEEK, TimeWindow, floor_to
from services.monitor.faults import each_model
from services.predictions.ledger import CLOCKS
from services.serving import measure
from services.serving.outage import SPEAKS, judge_outage
from services.serving.ports import FailedRows, Prober, TrafficLog, TrafficStore
from services.serving.traffic import HISTORY, Traffic, Usual, closed, total, usual

LONGEST: Final = timedelta(days=31)  # one scan
LATENCY_HISTORY: Final = 2 * WEEK
RECENT: Final = WEEK  # an environment that was not asked for so long is not measured
News = Callable[[str, datetime | None], tuple[list[tuple[str, TimeWindow]], datetime | None]]
Come = Callable[[str, TimeWindow], list[tuple[str, TimeWindow]]]


class Cursor(Protocol):
    """How far a step has read."""

    def load(self, name: str) -> datetime | None:
        """Return the watermark."""
        ...

    def save(self, name: str, moment: datetime | None, said: str, *, now: datetime, took_s: float) -> None:
        """Store the watermark."""
        ...

    def as_of(self, name: str) -> datetime | None:
        """Return when the source was last read."""
        ...


class Hours(TrafficStore, Protocol):
    """The hours, and what is asked of them beside."""

    def last(self, model: str, environment: str, *, now: datetime) -> datetime | None:
        """Return when the last prediction was delivered."""
        ...

    def environments(self, model: str, *, since: datetime) -> list[str]:
        """Return the environments that were asked since then."""
        ...


def runs_of(buckets: Sequence[TimeWindow], *, longest: timedelta = LONGEST) -> list[list[TimeWindow]]:
    """Return buckets in runs that one scan may answer: next to one another, no longer than `longest` in all."""
    found: list[list[TimeWindow]] = []
    for bucket in sorted(set(buckets), key=lambda b: b.start):
        if found and bucket.start == found[-1][-1].end and bucket.end - found[-1][0].start <= longest:
            found[-1].append(bucket)
        else:
            found.append([bucket])
    return found


def touched(spans: Sequence[TimeWindow], grain: timedelta) -> list[TimeWindow]:
    """Return the buckets that any of the spans has rows in; a span's end is its last row, and so inside."""
    found: set[TimeWindow] = set()
    for span in spans:
        found.update(TimeWindow(span.start, span.end + timedelta(microseconds=1)).buckets(grain))
    return sorted(found, key=lambda b: b.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStep:
    """Count the hours of every prediction log in which rows came."""

    logs: Mapping[str, TrafficLog]
    news: News
    come: Come  # what was logged earlier with times inside a window
    tables: Sequence[str] = ()  # models whose log is a table, which no signal is read from
    cursor: Cursor
    store: TrafficStore
    name: str = "traffic"

    def run(self, *, now: datetime) -> str:
        """Count what is new; a log that cannot be read does not stop the others."""
        said = each_model(self.logs, partial(self._one, now=now)) if self.logs or not self.tables else ""
        tables = [f"{model}: its log is a table, from which outage, latency, volume and quality are not read"
                  for model in self.tables]
        return "; ".join([*([said] if said else []), *tables])

    def _one(self, model: str, log: TrafficLog, *, now: datetime) -> str:
        began = time.perf_counter()
        spans, moment = self.news(f"predictions:{model}", self.cursor.load(f"traffic:{model}"))
        read = self.cursor.as_of(f"traffic:{model}")
        # A row dated ahead was no sign of life when it was counted: it is one from its time on.
        come = self.come(f"predictions:{model}", TimeWindow(read + CLOCKS, now + CLOCKS)) if read and read < now else []
        hours = touched([span for _, span in (*spans, *come)], HOUR)
        for run in runs_of(hours):
            self.store.replace_hours(model, run, log.traffic(run, now=now))
        # Only now: a pass that is killed before here counts the same hours again.
        words = f"{len(hours)} hours counted from {len(spans)} changed files" if hours else "nothing new"
        self.cursor.save(f"traffic:{model}", moment, words, now=now, took_s=time.perf_counter() - began)
        return words


class Samples(Protocol):
    """Where a handful of rows is kept per question."""

    def save(
        self, model: str, environment: str, name: str, column: str, window: TimeWindow,
        rows: Sequence[Mapping[str, Any]], *, now: datetime,
    ) -> None:
        """Replace the rows of one question."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Where failed requests are looked up, and which columns nobody may see."""

    rows: Mapping[str, FailedRows]
    sensitive: Mapping[str, Sequence[str]]
    samples: Samples
    # (model, environment) to how many had failed in which window when its failures were kept last.
    kept: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)

    def keep(self, m: Measurement, failed: int, *, now: datetime) -> None:
        """Keep a few of the requests behind an error share, when there are others than last time."""
        key, state = (m.subject, m.environment), (floor_to(m.window.start, HOUR), failed)
        if not failed or self.kept.get(key) == state:
            return
        found = self.rows[m.subject].failed(m.window, environment=m.environment,
                                            sensitive=self.sensitive.get(m.subject, ()))
        self.samples.save(m.subject, m.environment, m.name, "", m.window, found, now=now)
        self.kept[key] = state


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingStep:
    """Measure latency, errors, requests per second, outage and freshness per model and environment."""

    models: Sequence[str]
    environments: Sequence[str]
    store: Hours
    cursor: Cursor
    prober: Prober
    failures: Failures
    save: Callable[[list[Measurement]], None]
    name: str = "serving"

    def run(self, *, now: datetime) -> str:
        """Measure every model where it is asked, or has a health address."""
        found: list[Measurement] = []
        for model in self.models:
            asked = set(self.store.environments(model, since=now - RECENT))
            for environment in sorted(asked | set(self.environments)):
                found += self._one(model, environment, asked=environment in asked, now=now)
        self.save(found)
        return f"{len(found)} measured, {sum(m.verdict is Verdict.FAIL for m in found)} failing"

    def _one(self, model: str, environment: str, *, asked: bool, now: datetime) -> list[Measurement]:
        probe = self.prober.ask(model, environment, now=now)
        if not asked and probe is None:
            return []
        hours = self.store.hours(model, TimeWindow(now - HISTORY - DAY, now + HOUR), environment=environment)
        last = self.store.last(model, environment, now=now)
        subject = measure.Subject(model=model, environment=environment, version=_version(hours, now=now))
        known = usual(hours)
        silence = judge_outage(last=last, known=known, probe=probe, read_at=self.cursor.as_of(f"traffic:{model}"),
                               now=now)
        found = [measure.outage(subject, silence, at=now)]
        if not asked:
            return found
        window, inside, before = _windows(hours, now=now)
        there, past = total(inside), total(before)
        rate_window = _speaking(known, now=now)
        errors = measure.error_share(subject, window, there, past, at=now)
        self.failures.keep(errors, there.failed, now=now)
        return [
            *found, measure.log_freshness(subject, silence, last, at=now),
            measure.latency(subject, window, there.latency, past.latency, at=now),
            errors,
            measure.request_rate(subject, rate_window, known.count(rate_window), known, at=now),
        ]


def _windows(hours: Sequence[Traffic], *, now: datetime) -> tuple[TimeWindow, list[Traffic], list[Traffic]]:
    """Return the newest window with enough timed predictions (this hour and the last, else a day), and its past."""
    for length in (HOUR, DAY):
        window = TimeWindow(floor_to(now, HOUR) - length, now)
        inside = [t for t in hours if t.hour in window]
        if total(inside).latency.n >= measure.ENOUGH:
            break
    past = TimeWindow(window.start - LATENCY_HISTORY, window.start)
    return window, inside, [t for t in hours if t.hour in past]


def _speaking(known: Usual, *, now: datetime) -> TimeWindow:
    """Return the shortest window of closed hours in which enough predictions are usual for their absence to speak."""
    for hours in (1, 6):
        window = closed(now, hours * HOUR)
        if (known.expected(window) or 0.0) >= SPEAKS:
            return window
    return closed(now, DAY)


def _version(hours: Sequence[Traffic], *, now: datetime) -> str:
    """Return the version that answered most in the last day, else the last that answered."""
    rows: dict[str, int] = {}
    for t in hours:
        if t.hour >= now - DAY:
            rows[t.version] = rows.get(t.version, 0) + t.rows
    if rows:
        return max(rows, key=lambda v: (rows[v], v))
    return hours[-1].version if hours else ""
