"""A house with one model, its logs and the signal steps over a real store."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from services.adapters.dataset_baseline import DatasetBaselines
from services.adapters.parquet_writer import append
from services.adapters.signal_steps import Stores, accepting, signal_steps
from services.bootstrap import build
from services.bootstrap.passes import prediction_log
from services.core.measurement import Measurement
from services.core.window import DAY, HOUR
from services.monitor.steps.drift import DriftStep
from services.monitor.steps.profiles import BaselinesStep, ProfilesStep
from services.settings import Settings
from tests.conftest import NOW
from tests.migrated import migrated

MODEL = "fares"


def answers(rng: np.random.Generator, start: datetime, n: int, span: timedelta = DAY, **more: Any) -> pa.Table:
    """Return n answers spread evenly over a span; any column can be given."""
    step = int(span.total_seconds() * 1e6) // max(n, 1)
    amount = rng.normal(0.0, 1.0, n)
    chance = 1 / (1 + np.exp(-amount))
    columns = {
        "request_id": [f"{start:%m%d%H%M}-{i}" for i in range(n)],
        "ts": pa.array([start + timedelta(microseconds=step * i) for i in range(n)], pa.timestamp("us", "UTC")),
        "model": [MODEL] * n, "model_version": ["1"] * n, "variant": ["champion"] * n,
        "environment": ["production"] * n, "entity_id": [""] * n, "latency_ms": rng.uniform(8.0, 12.0, n),
        "status": ["ok"] * n, "error_type": [""] * n, "prediction": (chance >= 0.5).astype(float), "score": chance,
        "amount": amount, "city": rng.choice(["ams", "ber", "cdg"], n), **more,
    }
    return pa.table(columns)


def labels_of(rng: np.random.Generator, found: pa.Table, *, after: timedelta = HOUR, flip: float = 0.0) -> pa.Table:
    """Return a label for each answer, drawn by its score; `flip` is the share of labels that are turned around."""
    score = np.nan_to_num(found["score"].to_numpy(), nan=0.5)
    label = rng.random(len(score)) < score
    label = np.where(rng.random(len(score)) < flip, ~label, label).astype(float)
    times = [t + after for t in found["ts"].to_pylist()]
    return pa.table({"request_id": found["request_id"], "label": label,
                     "label_ts": pa.array(times, pa.timestamp("us", "UTC")), "absent_reason": [""] * len(score)})


class SignalHouse:
    """Runs the steps of a pass that signals need, on real files and a real store."""

    def __init__(self, folder: Path, *, task: str = "binary", **model: Any) -> None:
        self.rng, self.folder = np.random.default_rng(11), folder
        self.settings = Settings.model_validate({
            "folder": str(folder), "home": {"path": "home"},
            "models": {MODEL: {"task": task, "log": "log", "labels": "labels", "label_maturity": "1d",
                               "features": ["amount", "city"], "slices": ["city"], "baseline": "train.parquet",
                               **model}},
        })
        import pyarrow.parquet as pq

        pq.write_table(answers(self.rng, NOW - 60 * DAY, 8_000, 20 * DAY), folder / "train.parquet")
        self.services = build(self.settings)
        migrated(self.services.db)
        s = self.services
        self.stores = Stores(
            db=s.db, sources=s.sources, measurements=s.measurements, ledger=s.log_ledger, baselines=s.baselines,
            profiles=s.profiles, registry=s.registry, runs=s.runs, traffic=s.traffic, scores=s.scores,
            schemas=s.schemas, samples=s.samples)
        setting = self.settings.models[MODEL]
        self.steps = [
            BaselinesStep(sources={MODEL: DatasetBaselines(folder / "train.parquet", setting)}, store=s.baselines),
            ProfilesStep(logs={MODEL: prediction_log(self.settings, MODEL)}, slices={MODEL: ["city"]},
                         baselines=s.baselines, profiles=s.profiles, ledger=s.log_ledger, save=s.measurements.save),
            DriftStep(models={MODEL: []}, baselines=s.baselines, profiles=s.profiles,
                      save=accepting(self.settings, self.stores)),
            *signal_steps(self.settings, self.stores),
        ]

    def log(self, rows: pa.Table) -> pa.Table:
        append(self.folder / "log", rows, time_column="ts", sync=False)
        return rows

    def label(self, rows: pa.Table) -> None:
        append(self.folder / "labels", rows, time_column="label_ts", sync=False)

    def day(self, back: int, n: int = 480, *, flip: float = 0.0, labelled: bool = True, **more: Any) -> pa.Table:
        """Log one day of answers that began `back` days ago, with labels an hour later."""
        found = self.log(answers(self.rng, NOW - back * DAY, n, **more))
        if labelled:
            self.label(labels_of(self.rng, found, flip=flip))
        return found

    def run(self, *, now: datetime = NOW, only: tuple[str, ...] = ()) -> dict[str, str]:
        return {step.name: step.run(now=now) for step in self.steps if not only or step.name in only}

    def newest(self, name: str, *, column: str = "", slice_: str = "") -> Measurement:
        found = [m for m, _ in self.services.measurements.newest(subject=MODEL, name=name)
                 if (m.column, m.slice) == (column, slice_)]
        assert found, f"nothing was measured under {name} {column} {slice_}"
        return found[0]
