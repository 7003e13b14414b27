import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.run import Kind
from services.training.tags import clean, finite, from_ms, not_finite, read_run
from tests.conftest import NOW
from tests.training_fixtures import a_raw, ms


def test_tags_of_the_convention_are_read(now: datetime) -> None:
    raw = a_raw(start=now, tags={
        "ops.pipeline": "churn", "ops.pipeline_kind": "train", "ops.team": "growth", "ops.env": "prod",
        "ops.pool": "gpu-a100", "ops.req.gpu": "8", "ops.req.ram_gib": "64.5", "ops.hw.accelerator": "A100-80GB",
        "ops.data_rows": "1200000", "ops.attempt": "2", "ops.retry_of": "abc", "mlflow.source.git.commit": "f" * 40,
        "ops.submitted_at": str(ms(now - timedelta(minutes=4))), "ops.sla_s": "3600",
    })
    run = read_run(raw, as_of=now)
    assert (run.pipeline, run.kind, run.team, run.environment) == ("churn", Kind.TRAINING, "growth", "prod")
    assert (run.req_gpu, run.req_ram_gib, run.data_rows, run.attempt) == (8.0, 64.5, 1_200_000, 2)
    assert (run.hardware, run.git_commit, run.queue_wait_s, run.sla_s) == ("A100-80GB", "f" * 40, 240.0, 3600.0)
    assert run.attributed


def test_a_run_without_tags_goes_by_its_experiment_and_says_unattributed(now: datetime) -> None:
    run = read_run(a_raw(start=now, tags={}), as_of=now)
    assert (run.pipeline, run.attributed, run.kind) == ("churn-exp", False, Kind.TRAINING)


def test_the_settings_say_the_kind_of_a_pipeline_that_does_not(now: datetime) -> None:
    run = read_run(a_raw(start=now), as_of=now, kinds={"churn": "data"})
    assert run.kind is Kind.DATA


def test_a_teams_own_tags_are_tried_first(now: datetime) -> None:
    raw = a_raw(start=now, tags={"team_pipeline": "ranking", "ops.pipeline": "churn"})
    assert read_run(raw, as_of=now, mapping={"pipeline": ("team_pipeline",)}).pipeline == "ranking"


@pytest.mark.parametrize("bad", ["", "lots", "-3", "nan", "inf", "1e999", "9" * 5000, "0x10"])
def test_a_tag_that_cannot_be_read_counts_as_absent_and_loses_nothing(now: datetime, bad: str) -> None:
    tags = {"ops.req.gpu": bad, "ops.heartbeat": bad, "ops.pipeline": "churn"}
    run = read_run(a_raw(start=now, tags=tags), as_of=now)
    assert (run.req_gpu, run.heartbeat_at, run.pipeline) == (None, None, "churn")


def test_a_loss_that_ends_as_nan_is_a_failure_though_nothing_was_raised(now: datetime) -> None:
    run = read_run(a_raw(start=now, metrics=(("val_loss", math.nan, ms(now), 9),)), as_of=now)
    assert (run.failure.cls, run.failure.message) == ("nan_loss", "val_loss ended as nan")


def test_a_metric_that_only_contains_the_letters_is_no_loss(now: datetime) -> None:
    run = read_run(a_raw(start=now, metrics=(("glossary_size", math.inf, ms(now), 9),)), as_of=now)
    assert not run.failure.known


def test_system_metrics_are_life_but_not_progress(now: datetime) -> None:
    run = read_run(a_raw(start=now - timedelta(hours=1), status="RUNNING", metrics=(
        ("system/cpu_utilization_percentage", 50.0, ms(now), 360), ("acc", 0.9, ms(now - timedelta(minutes=9)), 7))),
        as_of=now)
    assert (run.last_system_at, run.last_metric_at, run.last_step) == (now, now - timedelta(minutes=9), 7)
    assert run.last_activity_at == now


def test_what_a_database_cannot_hold_is_replaced() -> None:
    assert clean("a\x00b\ud800c") == "a\N{REPLACEMENT CHARACTER}b?c"


@pytest.mark.parametrize(("value", "wanted"), [(0, None), (-5, None), (10**17, None), (1000, 1)])
def test_only_times_between_1970_and_3000_are_times(value: int, wanted: int | None) -> None:
    assert from_ms(value) == (datetime.fromtimestamp(wanted, tz=UTC) if wanted else None)


@given(st.text(max_size=60))
def test_any_text_reads_as_a_finite_number_or_as_none(text: str) -> None:
    value = finite(text)
    assert value is None or not not_finite(value)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8), st.text(max_size=30))
def test_no_tags_or_names_lose_a_run(tags: dict[str, str], name: str) -> None:
    run = read_run(a_raw(start=NOW, tags=tags, name=name), as_of=NOW)
    assert run.run_id == "r1"
    clean(run.name).encode()
