"""The step of data checks: propose schemas, judge the last day by them, and keep a handful of failing rows.

What a fault is, is decided in services/checks; unseen and out-of-range rates are measured with drift, from the same
bins, and corrected here for what somebody accepted or changed in the schema.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.checks.evaluate import (
    FAULTS,
    Subject,
    check_age,
    check_columns,
    check_counted,
    check_duplicates,
    check_values,
    check_volume,
)
from services.checks.ports import Offending, Rows, SampleStore, SchemaStore
from services.checks.schema import ColumnSchema, Schema, propose
from services.checks.share import judge_share
from services.core.measurement import Measurement, Verdict, Why
from services.core.window import DAY, HOUR, TimeWindow
from services.drift.gather import baseline_for, serving
from services.monitor import faults
from services.profiles.baseline import Baseline
from services.profiles.ports import BaselineStore, ProfileStore
from services.profiles.profile import Profile, merged
from services.serving.traffic import HISTORY, Traffic, closed, total, usual

CORRECTED: Final = ("unseen_rate", "out_of_range_rate")
SAMPLED: Final = ("missing_rate", "wrong_type_rate", *CORRECTED)
Save = Callable[[list[Measurement]], None]


class Hours(Protocol):
    """The hours of traffic."""

    def hours(self, model: str, window: TimeWindow, *, environment: str = "") -> list[Traffic]:
        """Return the hours that users got inside the window."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Where faulty rows are looked up, and which columns nobody may see."""

    rows: Mapping[str, Rows]
    sensitive: Mapping[str, Sequence[str]]
    samples: SampleStore
    request_ids: Mapping[str, str] = field(default_factory=dict)  # model to the column that holds them

    def count(self, model: str, column: ColumnSchema, check: str, window: TimeWindow, *, environment: str) -> int:
        """Return how many rows fail a check, without looking at one."""
        return self.rows[model].offending(column, check, window, environment=environment, sensitive=True).rows

    def keep(self, m: Measurement, column: ColumnSchema, *, now: datetime) -> None:
        """Keep a handful of the rows behind a failing measurement."""
        hidden = m.column in self.sensitive.get(m.subject, ())
        found = self.rows[m.subject].offending(column, m.name, m.window, environment=m.environment, sensitive=hidden)
        self._save(m, found, now=now)

    def keep_repeated(self, m: Measurement, *, now: datetime) -> None:
        """Keep a handful of the requests that were answered more than once."""
        hidden = self.request_ids.get(m.subject, "request_id") in self.sensitive.get(m.subject, ())
        found = self.rows[m.subject].repeated(m.window, environment=m.environment, sensitive=hidden)
        self._save(m, found, now=now)

    def _save(self, m: Measurement, found: Offending, *, now: datetime) -> None:
        values = [{"value": value, "rows": n} for value, n in found.values.items()]
        self.samples.save(m.subject, m.environment, m.name, m.column, m.window,
                          [{"values": values, "rows": list(found.samples)}], now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksStep:
    """Judge the last closed day of every model in every environment that served lately."""

    models: Sequence[str]
    baselines: BaselineStore
    profiles: ProfileStore
    schemas: SchemaStore
    hours: Hours
    faults: Faults
    save: Save
    # (model, environment, column, check) to the end of the window whose failing rows are kept already.
    kept: dict[tuple[str, str, str, str], datetime] = field(default_factory=dict)
    name: str = "checks"

    def run(self, *, now: datetime) -> str:
        """Check, and sample what fails.

        Raises:
            OpsError: what failed for some models, once the others are checked.
        """
        found, failed = list[Measurement](), faults.Faults()
        for model in self.models:
            with failed.kept():
                for environment, version in serving(self.profiles, model, now=now).items():
                    found += self._one(model, environment, version, now=now)
        self.save(found)
        failed.raise_first()
        return f"{len(found)} checked, {sum(m.verdict is Verdict.FAIL for m in found)} failing"

    def _one(self, model: str, environment: str, version: str, *, now: datetime) -> list[Measurement]:
        window = closed(now, DAY)
        subject = Subject(name=model, environment=environment, version=version)
        hours = self.hours.hours(model, TimeWindow(now - HISTORY - DAY, now + HOUR), environment=environment)
        volume = total(t for t in hours if t.hour in window)
        expected = usual(hours).expected(window)
        found = [check_duplicates(subject, window, volume.duplicates, volume.rows, at=now)]
        self._sample(found, None, now=now)
        baseline = baseline_for(self.baselines, model, version)
        if baseline is None:
            return [check_volume(subject, window, volume.rows, expected, at=now), *found]
        schema = schema_of(self.schemas, baseline, model, version, now=now)
        found.append(check_volume(subject, window, volume.rows, expected, at=now, schema=schema))
        if schema.fresh_s:
            found.append(check_age(subject, total(hours).last, timedelta(seconds=schema.fresh_s), at=now))
        counted = self.profiles.cover(baseline.layout, window, model=model, environment=environment)
        profile = merged(baseline.layout, (item.profile for item in counted))
        log = self.faults.rows[model]
        found.append(check_columns(subject, window, log.kinds(window), schema, at=now, own=log.own))
        values = check_values(subject, window, profile, schema, at=now)
        values += self._retyped(subject, window, profile, schema, now=now)
        self._sample(values, schema, now=now)
        return found + values

    def _retyped(self, subject: Subject, window: TimeWindow, profile: Profile, schema: Schema, *, now: datetime,
                 ) -> list[Measurement]:
        """Count in the log what the bins cannot tell: the faults of columns that somebody gave another type."""
        found = []
        for column in schema.columns.values():
            if not (column.enabled and column.edited) or column.name not in profile.layout.columns:
                continue
            counts = profile.column(column.name)
            if (counts.bins.kind == "numeric") is (column.kind == "numeric"):
                continue
            for name in ("wrong_type_rate", "out_of_range_rate") if column.kind == "numeric" else ("unseen_rate",):
                bad = self.faults.count(subject.name, column, name, window, environment=subject.environment)
                found.append(check_counted(subject, window, column, name, bad, counts.rows, at=now))
        return found

    def _sample(self, found: Sequence[Measurement], schema: Schema | None, *, now: datetime) -> None:
        for m in found:
            key = (m.subject, m.environment, m.column, m.name)
            if m.verdict is not Verdict.FAIL or self.kept.get(key) == m.window.end:
                continue
            if schema is None:
                self.faults.keep_repeated(m, now=now)
            else:
                self.faults.keep(m, schema.columns[m.column], now=now)
            self.kept[key] = m.window.end


def schema_of(store: SchemaStore, baseline: Baseline, model: str, version: str, *, now: datetime) -> Schema:
    """Return the newest schema of a version; its first is proposed from its baseline."""
    found = store.latest(model, version)
    if found is None:
        found = propose(baseline, model=model, version=version)
        store.propose(found, now=now)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepting:
    """Saves measurements after taking out what the schema accepts: one writer, so that "since" stays true.

    It stands between the drift step and the store. A column that nobody edited passes untouched, without a scan.
    """

    schemas: SchemaStore
    baselines: BaselineStore
    faults: Faults
    save: Save
    kept: dict[tuple[str, str, str, str], datetime] = field(default_factory=dict)

    def __call__(self, found: list[Measurement]) -> None:
        """Correct and store."""
        known: dict[tuple[str, str], Schema | None] = {}
        said = []
        for m in found:
            if m.name in CORRECTED and not m.slice and m.n:
                place = (m.subject, m.version)
                if place not in known:
                    baseline = baseline_for(self.baselines, *place)
                    known[place] = schema_of(self.schemas, baseline, *place, now=m.at) if baseline else None
                schema = known[place]
                column = schema.columns.get(m.column) if schema else None
                if column is not None:
                    said.append(self._one(m, column))
                    continue
            said.append(m)
        self.save(said)

    def _one(self, m: Measurement, column: ColumnSchema) -> Measurement:
        after = corrected(m, column, lambda: self.faults.count(m.subject, column, m.name, m.window,
                                                               environment=m.environment))
        key = (m.subject, m.environment, m.column, m.name)
        if after.verdict is Verdict.FAIL and self.kept.get(key) != m.window.end:
            self.faults.keep(after, column, now=m.at)
            self.kept[key] = m.window.end
        return after


def corrected(m: Measurement, column: ColumnSchema, count: Callable[[], int]) -> Measurement:
    """Return a rate from the baseline's bins as the schema sees it; `count` tells how many rows fail by the schema."""
    if not column.enabled:
        return replace(m, verdict=Verdict.INCONCLUSIVE, why=Why.NONE,
                       reason=f"{m.column}: this check is switched off; {m.reason}")
    if (m.name == "unseen_rate") is not (column.kind == "categorical"):
        return replace(m, verdict=Verdict.INCONCLUSIVE, why=Why.NONE,
                       reason=f"{m.column} is {column.kind} by the schema: this check no longer concerns it")
    before = int(m.detail.get("k", 0))
    if not column.edited and not (column.accepted and before):
        return m
    k = min(count(), m.n)
    judged = judge_share(k, m.n, usual=column.unusual)
    left = f"{before - k:,} of accepted values are left out" if k <= before else f"{k - before:,} more than in training"
    return replace(m, verdict=judged.verdict, why=judged.why, value=judged.value,
                   reason=f"{m.column} {FAULTS[m.name]} by the schema: {judged.text}; {left}",
                   detail={**m.detail, "k": k, "accepted": list(column.accepted)})
