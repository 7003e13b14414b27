"""Seed a demo home: train, log, register, answer, label, fail. Everything is written, nothing is served yet.

The order is that of the clock's cost: a second process imports TensorFlow while this one trains.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

import pandas as pd

from services import bootstrap
from services.demo import datasets, history, manifest, plan, releases, use
from services.demo.features import AIR_TIME, DELAY, FEATURES, MODELS, WEATHER
from services.demo.flights import data_folder, read_journeys
from services.demo.helper import Helper
from services.demo.profiles import Tell, TrainingProfiles
from services.demo.shift import weeks_to
from services.demo.tracking import RunRecord, Tracker, load_libraries, share_missing, training_tags
from services.demo.validation import Candidates

NIGHTLY: Final = 20  # boosting rounds of the nightly trainings
LONGER: Final = 100  # of air time's since a commit eight nights ago: training became slower, and is shown to have
_NIGHTS_LONGER: Final = 8
VALIDATION: Final = timedelta(minutes=20)  # from a validation to the proposal that it speaks for
PROBES: Final = 15  # rows answered one by one, to measure what a request costs


def _timed(work: Callable[..., Any], *given: Any, **how: Any) -> tuple[Any, float]:
    """Return what a piece of work gives, and the seconds for which it had the processor.

    It is computing alone, on one thread: what else runs on the machine meanwhile must not look like a slower pipeline.
    """
    began = time.thread_time()
    return work(*given, **how), time.thread_time() - began


@dataclass(kw_only=True)
class Seeding:
    """One seeding of one home, with what its stages hand on."""

    services: bootstrap.Services
    personas: releases.Personas
    now: datetime
    fast: bool
    tell: Tell
    weeks: int = 0
    home: Path = field(init=False)
    uri: str = field(init=False)
    table: plan.Timetable = field(init=False)
    journeys: pd.DataFrame = field(default_factory=pd.DataFrame)
    served: dict[str, list[history.Served]] = field(default_factory=lambda: {model: [] for model in MODELS})
    newest: dict[str, Any] = field(default_factory=dict)
    challenger: str = ""  # the Keras candidate
    champions: dict[str, str] = field(default_factory=dict)
    candidates: Candidates = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the timetable."""
        self.candidates = Candidates(self.services, self.champions)
        self.home, self.uri = self.services.settings.home_path, self.services.settings.tracking_uri
        self.weeks = weeks_to(self.now)
        self.table = plan.timetable(self.now, weeks=self.weeks, fast=self.fast)

    def run(self) -> None:
        """Do every stage."""
        self.home.mkdir(parents=True, exist_ok=True)
        helper = Helper(uri=self.uri, home=self.home, now=self.now)
        try:
            self._read()
            helper.train_keras(self._trailing(self.table.candidate), self.table.candidate)
            self.tell("load MLflow and scikit-learn", 0, 1)
            load_libraries()  # while the helper sets up the store: two at once would trip over each other
            helper.wait_for("store")
            tracker = Tracker(self.uri, self.home / "mlartifacts")
            self.tell("load MLflow and scikit-learn", 1, 1)
            self._train(tracker)
            self._score()
            self._answer()
            self._nightly(tracker)
            self.tell("fail four ways, train the Keras candidate", 0, 1)
            keras = helper.keras()
            self.tell("fail four ways, train the Keras candidate", 1, 1)
            self._release(tracker, keras)
            self._use()
        except BaseException:
            self.close()
            raise
        finally:
            helper.stop()
        manifest.write(self.home, seeded_at=self.now.isoformat(), weeks=self.weeks, fast=self.fast)

    def _read(self) -> None:
        self.tell("read the flights of 2013", 0, 1)
        self.journeys = read_journeys(data_folder(), weeks=self.weeks)
        self.tell("read the flights of 2013", 1, 1)

    def _trailing(self, version: plan.Version) -> pd.DataFrame:
        """Return what was known at a version's cut about the span it is trained on."""
        known = self.journeys["known_at"]
        return self.journeys[(known >= version.cut - plan.TRAILING) & (known < version.cut)]

    def _train(self, tracker: Tracker) -> None:
        """Train and register every version of both models."""
        versions = self.table.versions
        stage, total = "train, log and register", len(versions) * len(MODELS)
        with TrainingProfiles() as profiles:
            for place, version in enumerate(versions):
                rows = self._trailing(version)
                for step, model in enumerate(MODELS):
                    self.tell(stage, place * len(MODELS) + step, total)
                    self._train_one(tracker, profiles, model, version, rows)
            self.tell(stage, total, total)
            profiles.keep(tracker, self.tell)

    def _train_one(
        self, tracker: Tracker, profiles: TrainingProfiles, model: str, version: plan.Version, rows: pd.DataFrame
    ) -> None:
        from services.demo import models

        training, tested = datasets.split(rows, cut=version.cut)
        fitted, took = _timed(models.train, model, training)
        metrics, testing_took = _timed(models.test, model, fitted, tested)
        latencies = models.single_row_latencies_ms(fitted, tested.head(PROBES), model=model)
        tags = training_tags(cut=version.cut, rows=len(training), tested=len(tested))
        record = RunRecord(
            experiment=model, name=f"{model}-{version.number}", pipeline=f"{model}-training", kind="training",
            started_at=version.cut, took_s=took, metrics=metrics, tags=tags,
            params={**models.params_of(model), "library": "scikit-learn", "features": len(FEATURES)},
        )
        run_id = tracker.begin(record)
        uri, model_id = tracker.log_sklearn(run_id, model, fitted)
        profiles.ask(run_id, model, models.answer(model, fitted, rows), rows)
        tracker.finish(run_id, record)
        number = tracker.register(model, uri=uri, model_id=model_id, run_id=run_id, tags=tags)
        tracker.enter(RunRecord(
            experiment=model, name=f"{model}-{number}-test", pipeline=f"{model}-validation", kind="validation",
            started_at=version.cut, took_s=testing_took, metrics=metrics, params={"version": number},
            tags={"ops.data_rows": str(len(tested))},
        ))
        if version.serves:
            self.served[model].append(history.Served(
                version=number, fitted=fitted, start=max(version.since, self.table.serving_from),
                end=version.until or self.now, latencies_ms=latencies))
        self.newest[model] = number

    def _score(self) -> None:
        """Write the test sets, and begin to score the candidates on them, beside the champions."""
        cut = self.table.candidate.cut
        datasets.write_sets(self.home / "data", self.journeys, start=cut - plan.TRAILING, cut=cut)
        self.champions.update({model: self.served[model][-1].version for model in MODELS})
        self.candidates.score([(model, version) for model in MODELS
                               for version in (self.champions[model], self.newest[model])])

    def validate(self, *, now: datetime) -> None:
        """Validate the candidates for `flight-delay`, once the first pass has compared the test sets."""
        stage, versions = "validate the candidates", (self.newest[DELAY], self.challenger)
        for done, version in enumerate(versions):
            self.tell(stage, done, len(versions))
            self.candidates.validate(DELAY, version, now=now)
        self.tell(stage, len(versions), len(versions))

    def close(self) -> None:
        """End what runs beside."""
        self.candidates.close()

    def _answer(self) -> None:
        """Write both logs: answers of every version in its time, and labels as they became known."""
        stage, total = "answer and label what has flown", sum(len(s) + 1 for s in self.served.values())
        done = 0
        for model in MODELS:
            for served in self.served[model]:
                self.tell(stage, done, total)
                rows = history.predictions(model, served, self.journeys, seed=int(served.version))
                history.write(self.home / "predictions" / model, rows, time_column="ts")
                done += 1
            known = history.labels(model, self.journeys, start=self.table.serving_from, now=self.now)
            history.write(self.home / "labels" / model, known, time_column="label_ts")
            done += 1
        self.tell(stage, total, total)

    def _nightly(self, tracker: Tracker) -> None:
        """Run the nightly pipelines for the last nights: ingest the day's flights, retrain on a week, test sets."""
        table, data = self.table, self.home / "data"
        days = datasets.days_before(self.now, 42 if self.fast else 60)
        stage, total = "run the nightly pipelines", len(days) + len(table.refreshes)
        at = {night.date(): night for night in table.ingests}
        for done, (start, end) in enumerate(days):
            self.tell(stage, done, total)
            rows, took = datasets.ingest(data / "flights", self.journeys, start=start, end=end)
            if night := at.get(end.date()):
                self._enter_ingest(tracker, start, end, night=night, rows=rows, took=took)
        for done, night in enumerate(table.refreshes, start=len(days)):
            self.tell(stage, done, total)
            self._refresh(tracker, night)
        self.tell(stage, total, total)

    def _enter_ingest(
        self, tracker: Tracker, start: datetime, end: datetime, *, night: datetime, rows: int, took: float
    ) -> None:
        day = self.journeys[(self.journeys["predict_at"] >= start) & (self.journeys["predict_at"] < end)]
        tracker.enter(RunRecord(
            experiment="flights", name=f"flights-{start:%Y-%m-%d}", pipeline="flights-ingest", kind="data",
            started_at=night, took_s=took, metrics={"rows": rows, **share_missing(WEATHER, day)},
            params={"day": f"{start:%Y-%m-%d}"}, tags={"ops.data_rows": str(rows)},
        ))

    def _refresh(self, tracker: Tracker, night: datetime) -> None:
        """Train on six days and test on the seventh: a nightly check that training works; nothing is registered."""
        from services.demo import models

        known = self.journeys["known_at"]
        rows = self.journeys[(known >= night - timedelta(days=7)) & (known < night)]
        training, tested = datasets.split(rows, cut=night, last=timedelta(days=1))
        for model in MODELS:
            rounds = LONGER if model == AIR_TIME and night >= self.table.refreshes[-_NIGHTS_LONGER] else NIGHTLY
            fitted, took = _timed(models.train, model, training, iterations=rounds)
            # There is no repository to take it from: the hash of what changed stands for the commit.
            commit = sha1(f"{model}: {rounds} rounds".encode(), usedforsecurity=False).hexdigest()
            tracker.enter(RunRecord(
                experiment=model, name=f"refresh-{night:%Y-%m-%d}", pipeline=f"{model}-refresh", kind="training",
                started_at=night, took_s=took, metrics=models.test(model, fitted, tested),
                params=models.params_of(model, iterations=rounds),
                tags={"ops.data_rows": str(len(training)), "ops.sla_s": "900",
                      "mlflow.source.git.commit": commit,
                      "ops.scheduled_for": str(int(night.timestamp() * 1000))},
            ))

    def _release(self, tracker: Tracker, keras: dict[str, Any]) -> None:
        """Register the Keras candidate last, seed the releases, and point the aliases that no release has set."""
        stage = "propose, sign and release"
        self.tell(stage, 0, 2)
        candidate = self.table.candidate
        training, tested = datasets.split(self._trailing(candidate), cut=candidate.cut)
        tags = training_tags(cut=candidate.cut, rows=len(training), tested=len(tested))
        number = tracker.register(DELAY, uri=keras["uri"], model_id=keras["model_id"], run_id=keras["run_id"],
                                  tags={**tags, "library": "keras"})
        self.challenger = number
        self.candidates.score([(DELAY, number)])
        served = {model: [past.version for past in self.served[model]] for model in MODELS}
        tracker.alias(AIR_TIME, {"champion": served[AIR_TIME][-1], "previous_champion": served[AIR_TIME][-2]})
        tracker.alias(DELAY, {"champion": served[DELAY][-2]})  # until the seeded release moves it
        for model in MODELS:
            tracker.alias(model, {"staging_champion": served[model][-1]})
        self.tell(stage, 1, 2)
        self.services.db.migrate()
        # Before its release is proposed: its gates are among the evidence that is signed.
        self.candidates.validate(AIR_TIME, self.newest[AIR_TIME], now=self.now - releases.PROPOSED_BEFORE - VALIDATION)
        releases.seed(self.services, self.personas, at=self.table.champion.since - releases.TO_PROMOTION, now=self.now,
                      versions={DELAY: served[DELAY][-1], AIR_TIME: self.newest[AIR_TIME]})
        for model in MODELS:
            tracker.alias(model, {"candidate": self.newest[model]})
        tracker.alias(DELAY, {"challenger": number})
        self.tell(stage, 2, 2)

    def _use(self) -> None:
        """Write the simulated history of compute use, up to now."""
        self.tell("make up a history of compute use", 0, 1)
        limits = {pool.name: pool.limit for pool in self.services.settings.pools}
        self.services.quota.write(use.history(self.now, days=42 if self.fast else 90, cores=limits["cores"],
                                              memory_gib=limits["memory"]))
        self.tell("make up a history of compute use", 1, 1)
