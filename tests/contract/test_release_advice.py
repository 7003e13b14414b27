"""What the ops store knows of traffic, pools, runs and prices becomes the advice beside a release's gates."""

from datetime import timedelta
from pathlib import Path

import pytest

from services import bootstrap
from services.adapters.registry_table import RegisteredVersion
from services.adapters.run_mirror import RunMirror
from services.bootstrap.advice import release_advice
from services.core.measurement import Verdict
from services.core.window import HOUR, floor_to
from services.quota.pool import Sample
from services.releases.plan import DIRECT
from services.releases.release import Kind, Release, State, Sync
from services.serving.latency import Latency
from services.serving.traffic import Traffic
from services.settings import Settings
from services.validation.gate import Gate, Report
from tests.releases_fixtures import MODEL, NOON
from tests.training_fixtures import a_raw

POOLS = {
    "pools": [{"name": "serving-cpu", "resource": "cpu", "limit": 12},
              {"name": "a100", "resource": "gpu", "limit": 8, "model": "A100"}],
    "pipelines": [{"name": f"{MODEL}-serving", "kind": "serving", "pool": "serving-cpu", "request": 2.0}],
    "prices": [{"hardware": "A100", "per_hour": 2.5, "since": "2026-01-01"},
               {"hardware": "A100", "per_hour": 9.0, "since": "2026-03-05"}],  # after these runs
}


def release(champion: str = "1") -> Release:
    return Release(id="r-0001", model=MODEL, environment="production", version="2", kind=Kind.ROLLOUT,
                   state=State.GATING, sync=Sync.UNKNOWN, revision=1, plan=DIRECT, proposer="a", proposer_label="a",
                   last_editor="a", reason="x", created_at=NOON, since=NOON, champion=champion)


def report(service_ms: float) -> Report:
    gate = Gate(name="latency of a smoke inference", verdict=Verdict.PASS, reason="p95", value=service_ms)
    return Report(model=MODEL, version="2", champion="1", artefact="x", gates=(gate,), at=NOON)


@pytest.fixture
def services(tmp_path: Path) -> bootstrap.Services:
    made = bootstrap.build(Settings.model_validate({
        "folder": str(tmp_path), "home": {"path": str(tmp_path)},
        "models": {MODEL: {"task": "binary", "log": "log"}}, **POOLS}))
    made.db.migrate()
    return made


def fill(services: bootstrap.Services) -> None:
    hour = floor_to(NOON, HOUR)
    services.traffic.replace_hours(MODEL, [], [
        Traffic(model=MODEL, environment=place, version=version, variant=variant, hour=hour - k * HOUR, rows=rows,
                latency=Latency.of({80: rows}))
        for k, place, version, variant, rows in [
            (1, "production", "1", "champion", 30_000), (1, "production", "2", "canary", 6_000),
            (2, "production", "1", "champion", 20_000), (3, "staging", "1", "champion", 90_000)]])
    services.quota.write([
        Sample(ts=NOON, pool="serving-cpu", pipeline=f"{MODEL}-serving", used=2.0),
        Sample(ts=NOON, pool="serving-cpu", pipeline="others", used=4.0)])
    ran = NOON - timedelta(days=1)
    tags = {"ops.pipeline": "training", "ops.pool": "a100", "ops.req.gpu": "4", "ops.req.cpu": "16"}
    RunMirror(services.db).mirror([
        a_raw("old", start=ran, took=timedelta(minutes=60), tags=tags),
        a_raw("new", start=ran, took=timedelta(minutes=90), tags=tags)], now=NOON)
    services.registry.replace([
        RegisteredVersion(model=MODEL, version=version, run_id=run, created_at=NOON, status="READY", source="s")
        for version, run in (("1", "old"), ("2", "new"))], {}, now=NOON)


def test_the_busiest_hour_of_the_environment_is_fitted_into_what_serving_holds_and_what_is_free(services) -> None:
    fill(services)
    serving, _ = release_advice(services, clock=lambda: NOON)(release(), report(20.0))
    # 36,000 in the busiest hour of production, over both versions; 12 cores, 4 of them held by others.
    assert (serving.name, serving.verdict) == ("serving quota", Verdict.PASS)
    assert serving.reason == ("4 replicas for 100 requests/s (10 times the busiest hour) at 20 ms take 8 cores of "
                              "serving-cpu, 8 can be had")


def test_without_a_validation_what_was_measured_in_service_says_how_long_a_request_takes(services) -> None:
    fill(services)
    serving, _ = release_advice(services, clock=lambda: NOON)(release(), None)
    measured = Latency.of({80: 1}).quantile(0.5)
    assert measured
    assert f"at {measured:.3g} ms" in serving.reason


def test_training_is_what_the_run_of_the_mirror_held_at_the_price_of_its_day(services) -> None:
    fill(services)
    advise = release_advice(services, clock=lambda: NOON)
    _, training = advise(release(), None)
    assert training.reason == "6 GPU-hours of a100 (15.00 USD); the champion's took 4 GPU-hours of a100 (10.00 USD)"
    _, first = advise(release(champion=""), None)
    assert first.reason == "6 GPU-hours of a100 (15.00 USD)"


def test_what_the_store_does_not_know_is_not_run(services) -> None:
    found = release_advice(services, clock=lambda: NOON)(release(), None)
    assert [(gate.name, gate.verdict) for gate in found] == [
        ("serving quota", Verdict.INCONCLUSIVE), ("training quota", Verdict.INCONCLUSIVE)]
