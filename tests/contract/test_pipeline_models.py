"""What the planner knows of a pipeline's model: how it answers, how much device memory it took, with what it trains."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.adapters.model_size_table import ModelSizeTable
from services.adapters.ops_db import OpsDb
from services.adapters.pipeline_models import PipelineModels
from services.adapters.registry_table import RegisteredVersion, RegistryTable
from services.adapters.run_mirror import RunMirror
from services.adapters.signal_table import TrafficTable
from services.adapters.usage_runs import RunRequests
from services.core.window import DAY, HOUR, TimeWindow
from services.serving.latency import BINS, Latency, bin_of
from services.serving.traffic import Traffic
from tests.training_fixtures import a_raw


def latency(ms: float, n: int) -> Latency:
    counts = np.zeros(BINS, np.int64)
    counts[bin_of(ms)] = n
    return Latency(counts)


def asked(db: OpsDb, hour: datetime, rows: int, *, version: str = "1", variant: str = "champion",
          environment: str = "production", second: int | None = None) -> None:
    """Keep one hour of one version beside the others of it."""
    table, window = TrafficTable(db), TimeWindow(hour, hour + HOUR)
    kept = [*table.hours("fares", window), *table.hours("fares", window, shadow=True)]
    table.replace_hours("fares", [window], [*kept, Traffic(
        model="fares", environment=environment, version=version, variant=variant, hour=hour, rows=rows,
        latency=latency(20.0, rows), busiest_second=second, busiest_minute=second and 20 * second)])


@pytest.fixture
def models(db: OpsDb) -> PipelineModels:
    return PipelineModels(runs=RunMirror(db), registry=RegistryTable(db), sizes=ModelSizeTable(db),
                          traffic=TrafficTable(db))


def test_a_model_is_known_by_its_busiest_hour_minute_and_second_of_seven_days(db, now, models):
    asked(db, now - 2 * HOUR, 1_800, second=9)
    asked(db, now - 2 * HOUR, 1_800, version="2", variant="canary", second=9)
    asked(db, now - 3 * HOUR, 360, second=14)
    asked(db, now - 2 * HOUR, 90_000, variant="shadow")
    asked(db, now - 4 * HOUR, 90_000, environment="staging", second=99)
    asked(db, now - 8 * DAY, 90_000, second=99)
    found = models.served("fares", now=now + timedelta(minutes=20), target_ms=250.0)
    assert (found.qps, found.per_minute, found.target_ms) == (1.0, 280, 250.0)
    assert (found.peak.qps, found.peak.measured) == (14.0, True)
    assert found.p50_ms == pytest.approx(20.0, rel=0.1)
    assert found.p95_ms == pytest.approx(20.0, rel=0.1)


def test_hours_that_were_counted_before_seconds_were_fall_back_and_say_so(db, now, models):
    asked(db, now - 2 * HOUR, 3_600)
    found = models.served("fares", now=now)
    assert (found.peak.qps, found.peak.measured, found.per_minute) == (10.0, False, None)
    assert "10 times the busiest hour" in found.peak.said


def test_a_model_that_nobody_asked_in_production_is_not_served(db, now, models):
    asked(db, now - 2 * HOUR, 10, environment="staging")
    assert models.served("fares", now=now) is None
    assert models.served("nobody", now=now) is None


def test_a_pipelines_models_are_those_registered_from_its_runs_newest_first(db, now, models):
    RunMirror(db).mirror([a_raw("r1", start=now - DAY), a_raw("r2", start=now - HOUR),
                          a_raw("r3", start=now - HOUR, tags={"ops.pipeline": "other"})], now=now)
    RegistryTable(db).replace([
        RegisteredVersion(model="fares", version=str(i), run_id=f"r{i}", created_at=now - (4 - i) * HOUR,
                          status="READY", source="") for i in (1, 2, 3)], {}, now=now)
    assert [(v.model, v.version) for v in models.made_by("churn", now=now)] == [("fares", "2"), ("fares", "1")]
    ModelSizeTable(db).save("fares", "1", {"params": 4.0, "bytes": 9.0, "operations": 6.0}, now=now)
    assert models.size("churn", now=now).source == "read from fares v1", "the newest whose size could be read"


def trained(run_id: str, start: datetime, *, megabytes: float | None = None, status: str = "FINISHED",
            pipeline: str = "churn", params: dict[str, str] | None = None, **tags: str) -> Any:
    metrics = () if megabytes is None else (("system/gpu_0_memory_usage_megabytes", megabytes, 0, 0),)
    return a_raw(run_id, start=start, status=status, metrics=metrics, params=params or {},
                 tags={"ops.pipeline": pipeline, "ops.pipeline_kind": "training", "ops.req.gpu": "2", **tags})


def test_peak_memory_is_the_most_that_any_finished_run_of_the_pipeline_reported(db, now):
    runs = RunMirror(db)
    runs.mirror([
        trained("r1", now - DAY, megabytes=10_240), trained("r2", now - HOUR, megabytes=20_480),
        trained("r3", now - HOUR, megabytes=81_920, status="FAILED"),
        trained("r4", now - HOUR, megabytes=81_920, pipeline="other"),
        trained("r5", now - 120 * DAY, megabytes=81_920), trained("r6", now - HOUR)], now=now)
    assert RunRequests(runs).peak_gib("churn", now=now) == 20.0
    assert RunRequests(runs).peak_gib("nobody", now=now) is None


def test_past_runs_say_model_type_framework_and_epochs_by_param_or_by_what_autologging_tagged(db, now):
    runs = RunMirror(db)
    runs.mirror([
        trained("r1", now - DAY, params={"model_type": "boosting", "library": "scikit-learn", "epochs": "12"}),
        trained("r2", now - DAY, estimator_class="sklearn.ensemble._forest.RandomForestClassifier",
                estimator_name="RandomForestClassifier", params={"library": "other"}),
        trained("r3", now - DAY, params={"framework": "Keras"}), trained("r4", now - DAY)], now=now)
    found = {r.run_id: (r.model_type, r.framework, r.epochs) for r in RunRequests(runs).past("gpu", now=now)}
    assert found == {"r1": ("boosting", "sklearn", 12.0), "r2": ("RandomForestClassifier", "sklearn", None),
                     "r3": ("", "keras", None), "r4": ("", "", None)}
