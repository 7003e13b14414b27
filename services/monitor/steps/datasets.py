"""The steps of the data and validation pipelines: new parts of data sets, and test sets against training and live."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.checks.evaluate import Subject as Checked
from services.checks.evaluate import check_columns, check_freshness, check_values, check_volume, longest_gap
from services.checks.ports import Part, SchemaStore
from services.checks.schema import ColumnSchema, Schema
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, TimeWindow
from services.drift.compare import Comparison, compare
from services.drift.effect import ALPHA
from services.drift.gather import baseline_for, serving
from services.drift.measure import Against, Subject, level_of, measure_rates
from services.monitor.faults import Faults
from services.monitor.steps.checks import CORRECTED, corrected, schema_of
from services.profiles.baseline import PSI0, Baseline, Role
from services.profiles.ports import BaselineStore, ProfileStore
from services.profiles.profile import Layout, Profile, merged
from services.serving.traffic import closed
from services.training.inputs import MOST, subject_of

RECENT_PARTS: Final = 7
LIVE: Final = timedelta(days=7)
LIVE_IN: Final = "production"


class Dataset(Protocol):
    """A data set of the settings."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def model(self) -> str:
        """The model it is for; may be empty."""
        ...

    @property
    def role(self) -> str:
        """Data, train, test or label."""
        ...

    def parts(self) -> Sequence[Part]:
        """Return its parts, oldest first."""
        ...

    def stamp(self, parts: Sequence[Part]) -> str:
        """Return a digest that changes with the files."""
        ...

    @property
    def own(self) -> Collection[str]:
        """Columns that it may have beside what a model reads."""
        ...

    def kinds(self, parts: Sequence[Part]) -> Mapping[str, str]:
        """Return column to type."""
        ...

    def rows(self, part: Part) -> int:
        """Return how many rows a part has."""
        ...

    def profile(self, parts: Sequence[Part], layout: Layout) -> Profile:
        """Return how the rows fall into bins."""
        ...

    def offending(self, part: Part, column: ColumnSchema, check: str) -> int:
        """Return how many rows of a part fail a check of a column."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the newest versions' trainings logged as their inputs."""

    datasets: Sequence[Dataset] = ()
    left_out: int = 0  # beyond those of a run that are measured
    models: Collection[str] = ()  # whose inputs are looked at


class Measurements(Protocol):
    """Where measurements go."""

    def save(self, found: Iterable[Measurement]) -> None:
        """Store measurements."""
        ...

    def subjects(self, pipeline: Pipeline) -> Sequence[str]:
        """Return what a pipeline has a newest measurement of."""
        ...

    def withdraw(self, subject: str, pipeline: Pipeline) -> None:
        """Take the questions about a thing that is gone off the first screens, and end what waits for an answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetsStep:
    """Check the newest part of every data set, and compare every test set, whenever its files change."""

    datasets: Sequence[Dataset]
    champion_of: Callable[[str], str]
    baselines: BaselineStore
    profiles: ProfileStore
    schemas: SchemaStore
    measurements: Measurements
    logged: Callable[[], Logged] = Logged
    seen: dict[str, str] = field(default_factory=dict)  # data set to what was measured last
    name: str = "datasets"

    def run(self, *, now: datetime) -> str:
        """Measure; a data set that cannot be read does not stop the others."""
        found: list[Measurement] = []
        faults = Faults()
        logged = self.logged()
        datasets = [*self.datasets, *logged.datasets]
        for data in datasets:
            with faults.kept():
                found += self._one(data, now=now)
        self.measurements.save(found)
        self._withdraw(logged.models, {data.name for data in datasets})
        faults.raise_first()
        beyond = f"; {logged.left_out} logged inputs left out, {MOST} of a run are measured" if logged.left_out else ""
        return f"{len(found)} measured of {len(datasets)} data sets{beyond}"

    def _withdraw(self, models: Collection[str], asked: Collection[str]) -> None:
        """Withdraw what was asked of inputs that the newest version no longer logs: nothing would ever answer it."""
        beginnings = tuple(subject_of(model, "") for model in models)
        for subject in self.measurements.subjects(Pipeline.DATA):
            if subject.startswith(beginnings) and subject not in asked and subject not in models:
                self.measurements.withdraw(subject, Pipeline.DATA)
                self.seen.pop(subject, None)  # an input that comes back unchanged is measured again

    def _one(self, data: Dataset, *, now: datetime) -> list[Measurement]:
        parts = data.parts()
        subject = Checked(name=data.name, pipeline=Pipeline.VALIDATION if data.role == "test" else Pipeline.DATA)
        found = []
        if data.role == "data":
            arrivals = [part.written for part in parts]
            found.append(check_freshness(subject, arrivals[-1] if arrivals else None, arrivals, at=now,
                                         dated=longest_gap([part.name for part in parts])))
        # A test set belongs to the training that it was cut from, the newest; what arrives is judged by what serves.
        version = ""
        if data.model:
            version = self._newest(data.model) if data.role == "test" else self.champion_of(data.model)
        baseline = baseline_for(self.baselines, data.model, version) if version else None
        if baseline is None or (not parts and data.role in {"data", "test"}):
            return found
        # Live traffic moves on by the day: a test set is compared again then, unchanged or not.
        schema = schema_of(self.schemas, baseline, data.model, baseline.version, now=now)
        if not parts:
            self.seen.pop(data.name, None)
            nothing = check_columns(subject, TimeWindow(now - DAY, now), None, schema, at=now)
            return [replace(nothing, reason="no Parquet file of it is there any more, or none yet")]
        state = f"{data.stamp(parts)} {version} {schema.revision} {now:%Y-%m-%d}"
        if self.seen.get(data.name) == state:
            return found
        if data.role == "test":
            found += test_set_skew(data, parts, baseline, now=now)
            found += self._test_set_drift(data, parts, now=now)
        else:
            found += new_part(data, parts, baseline, subject, schema, now=now)
        self.seen[data.name] = state
        return found

    def _newest(self, model: str) -> str:
        there = [version for (_, version), why in self.baselines.known(model).items() if not why]
        return max(there, key=lambda version: (len(version), version), default="")

    def _test_set_drift(self, data: Dataset, parts: Sequence[Part], *, now: datetime) -> list[Measurement]:
        """Compare with live traffic in the bins that traffic is counted in: those of the version that serves."""
        served = serving(self.profiles, data.model, now=now).get(LIVE_IN) or self.champion_of(data.model)
        baseline = baseline_for(self.baselines, data.model, served) if served else None
        if baseline is None:
            return []
        counted = self.profiles.cover(baseline.layout, closed(now, LIVE), model=data.model, environment=LIVE_IN)
        live = merged(baseline.layout, (item.profile for item in counted))
        return test_set_drift(data, parts, baseline, live, now=now)


def new_part(
    data: Dataset, parts: Sequence[Part], baseline: Baseline, subject: Checked, schema: Schema, *, now: datetime
) -> list[Measurement]:
    """Return the checks of the newest part, and whether it moved from what the champion was trained on."""
    newest, window = parts[-1], TimeWindow(now - DAY, now)
    subject = replace(subject, version=baseline.version)
    profile = data.profile([newest], baseline.layout)
    rows = [data.rows(part) for part in parts[-RECENT_PARTS - 1 : -1]]
    expected = sum(rows) / len(rows) if len(rows) == RECENT_PARTS else None
    found = [
        check_columns(subject, window, data.kinds(parts), schema, at=now, own=data.own),
        check_volume(subject, window, data.rows(newest), expected if data.role == "data" else None, at=now),
        *check_values(subject, window, profile, schema, at=now),
    ]
    if data.role != "data":
        found = [m for m in found if m.name != "volume"]
    drifted = Subject(model=data.name, environment="", version=baseline.version, pipeline=subject.pipeline)
    found += [_as_the_schema_sees(m, data, newest, schema)
              for m in measure_rates(drifted, window, profile, baseline, at=now)]
    week = data.profile(parts[-RECENT_PARTS:], baseline.layout)
    for column in (c for c, role in baseline.roles.items() if role is not Role.PREDICTION):
        psi0 = level_of(baseline.usual_of(column), Against.TRAINING).psi0
        compared = compare(week.column(column), baseline.profile.column(column), psi0=psi0, alpha=ALPHA)
        if baseline.roles[column] is Role.LABEL and compared.effect.n == week.column(column).missing:
            continue  # this data set carries no labels
        name = "label_drift" if baseline.roles[column] is Role.LABEL else "skew"
        found.append(_moved(name, data.name, subject.pipeline, baseline, compared, "training", window, now))
    return found


def _as_the_schema_sees(m: Measurement, data: Dataset, part: Part, schema: Schema) -> Measurement:
    column = schema.columns.get(m.column)
    if column is None or m.name not in CORRECTED:
        return m
    return corrected(m, column, lambda: data.offending(part, column, m.name))


def test_set_skew(
    data: Dataset, parts: Sequence[Part], baseline: Baseline, *, now: datetime
) -> list[Measurement]:
    """Return `test_set_skew` of each column: the test set against the training that it was cut from."""
    profile, window = data.profile(parts, baseline.layout), TimeWindow(now - DAY, now)
    # A test set is drawn from what the model was trained on: no more change is usual than chance makes.
    return [
        _moved("test_set_skew", data.model, Pipeline.VALIDATION, baseline,
               compare(profile.column(column), baseline.profile.column(column), psi0=PSI0, alpha=ALPHA),
               "training", window, now)
        for column, role in baseline.roles.items() if role is not Role.PREDICTION
    ]


def test_set_drift(
    data: Dataset, parts: Sequence[Part], baseline: Baseline, live: Profile, *, now: datetime
) -> list[Measurement]:
    """Return `test_set_drift` of each feature: the last week of live traffic against the test set.

    Labels are left out, because live ones are late; quality tells of them.
    """
    profile, window = data.profile(parts, baseline.layout), TimeWindow(now - DAY, now)
    return [
        _moved("test_set_drift", data.model, Pipeline.VALIDATION, baseline,
               compare(live.column(column), profile.column(column), alpha=ALPHA,
                       psi0=level_of(baseline.usual_of(column), Against.TRAINING).psi0),
               "the test set", window, now)
        for column, role in baseline.roles.items() if role not in (Role.PREDICTION, Role.LABEL)
    ]


def _moved(
    name: str, subject: str, pipeline: Pipeline, baseline: Baseline, found: Comparison, against: str,
    window: TimeWindow, now: datetime,
) -> Measurement:
    e = found.effect
    facts = f"effect {e.effect:.3g}, alarm from {e.critical:.3g}; {e.n:,} rows against {e.m:,}"
    column, verdict, why = found.window.name, Verdict.PASS, Why.NONE
    if e.n == 0 or e.m == 0:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.NO_DATA, f"{column}: no rows to compare with {against}"
    elif e.fires:
        largest = found.largest
        verdict = Verdict.FAIL
        reason = f"{column} moved: " + (f"{largest.text(against)} ({facts})" if largest else facts)
    elif not e.sure:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.TOO_FEW, f"{column}: too few rows to say; {facts}"
    else:
        reason = f"{column} as in {against}: {facts}"
    return Measurement(name=name, pipeline=pipeline, subject=subject, version=baseline.version, column=column,
                       window=window, at=now, verdict=verdict, why=why, reason=reason, value=e.effect, unit="PSI",
                       n=e.n, detail={"critical": e.critical if e.critical < 1e300 else None, "p": e.p})
