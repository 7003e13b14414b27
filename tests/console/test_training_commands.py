"""`interlock runs` and `failures`, as a person or a program uses them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from services.adapters.house_tables import SourceState
from services.adapters.measurement_table import MeasurementTable
from services.adapters.run_mirror import RunMirror
from services.monitor.steps.training import Objective, TrainingStep
from services.training.classify import explain
from services.training.ports import SOURCE
from tests.console.conftest import Console
from tests.training_fixtures import a_raw, ms

H = timedelta(hours=1)


def run(console: Console, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["--config", str(console.file), *arguments])
    return done.exit_code, done.stdout


@pytest.fixture
def filled(console: Console) -> Console:
    now = datetime.now(UTC)
    mirror = RunMirror(console.services.db)
    mirror.mirror([a_raw("aaaa1111", start=now - 3 * H),
                   a_raw("bbbb2222", start=now - 2 * H, status="FAILED",
                         tags={"ops.pipeline": "churn", "ops.fail.type": "MemoryError",
                               "ops.fail.message": "at step 7"})],
                  now=now)
    for found in mirror.unexplained(limit=9):
        mirror.set_failures({found.run_id: explain(found, {})})
    console.services.sources.save(SourceState(name=SOURCE, as_of=now, tried_at=now, ok=True, message="", took_s=0))
    return console


def test_failed_runs_are_one_json_document(filled: Console) -> None:
    code, said = run(filled, "runs", "--failed", "--json")
    body = json.loads(said)
    assert code == 0
    told = [(i["run_id"], i["effective"], i["failure_class"]) for i in body["items"]]
    assert told == [("bbbb2222", "failed", "ram_oom")]
    assert body["as_of"]


def test_a_run_is_named_by_the_beginning_of_its_id(filled: Console) -> None:
    assert json.loads(run(filled, "runs", "--run", "aaaa", "--json")[1])["run_id"] == "aaaa1111"


def test_the_beginning_of_an_id_shows_what_the_run_logged_and_left(filled: Console) -> None:
    now = datetime.now(UTC)
    mirror = RunMirror(filled.services.db)
    mirror.mirror([a_raw("cccc3333", start=now - H, params={"depth": "6"})], now=now)
    mirror.save_artifacts("cccc3333", {"ops/log_tail.txt": "the last words"}, now=now)
    assert "depth" in run(filled, "runs", "--run", "cccc")[1]
    assert "the last words" in run(filled, "runs", "--run", "cccc")[1]


def test_a_run_leads_to_mlflows_page(filled: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_TRACKING__URI", "http://mlflow:5000")
    found = json.loads(run(filled, "runs", "--run", "aaaa", "--json")[1])
    assert found["mlflow"] == "http://mlflow:5000/#/experiments/1/runs/aaaa1111"


def test_a_hung_run_shows_its_last_step_and_what_it_holds(filled: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(filled.services.db).mirror([
        a_raw("dddd4444", start=now - 9 * H, status="RUNNING", metrics=(("loss", 0.4, ms(now - 5 * H), 17),),
              tags={"ops.pipeline": "churn", "ops.heartbeat": str(ms(now - 5 * H)), "ops.req.gpu": "2"})], now=now)
    said = run(filled, "runs", "--hung")[1]
    assert "last step" in said
    assert "cost hours" in said
    (hung,) = json.loads(run(filled, "runs", "--hung", "--json")[1])["items"]
    assert (hung["last_step"], round(hung["cost_hours"], 2)) == (17, 8.0)


def test_the_wait_by_pool_and_team_stands_beside_the_times(filled: Console) -> None:
    now = datetime.now(UTC)
    RunMirror(filled.services.db).mirror([
        a_raw("eeee5555", start=now - H, tags={"ops.pipeline": "churn", "ops.pool": "gpu-a100", "ops.team": "growth",
                                               "ops.submitted_at": str(ms(now - H - timedelta(minutes=12)))})], now=now)
    (wait,) = json.loads(run(filled, "runs", "--times", "--json")[1])["queue_waits"]
    assert (wait["pool"], wait["team"], wait["n"], wait["p95_s"]) == ("gpu-a100", "growth", 1, 720.0)
    assert "gpu-a100" in run(filled, "runs", "--times")[1]


def test_failures_are_grouped_with_their_rate(filled: Console) -> None:
    body = json.loads(run(filled, "failures", "list", "--json")[1])
    assert [(i["class"], i["count"], i["owner"]) for i in body["items"]] == [("ram_oom", 1, "code")]
    assert (body["rate"]["failed"], body["rate"]["ended"]) == (1, 2)


def test_a_log_is_classified_with_owner_retry_and_the_line(filled: Console, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(b"\xff\xfe epoch 1\nRuntimeError: CUDA out of memory. Tried to allocate 2 GiB\n")
    code, said = run(filled, "failures", "classify", str(log))
    assert code == 0
    line = "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"
    assert [row.split(maxsplit=1)[1] for row in said.splitlines()] == ["cuda_oom", "code", "no", line]


def test_a_finer_kind_stands_beside_the_class_that_the_labelled_file_knows(filled: Console, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("OSError: [Errno 28] No space left on device\n")
    said = run(filled, "failures", "classify", str(log))[1]
    assert [row.split() for row in said.splitlines()][:2] == [["class", "traceback"], ["kind", "disk_full"]]
    body = json.loads(run(filled, "failures", "classify", str(log), "--json")[1])
    assert (body["class"], body["kind"], body["owner"]) == ("traceback", "disk_full", "infrastructure")


def test_a_correction_from_the_command_line_reaches_the_next_log(filled: Console, tmp_path: Path) -> None:
    code, said = run(filled, "--as", "author", "failures", "correct", "bbbb2222", "--class", "data_error", "--owner",
                     "data", "--reason", "the shard was twice as large")
    assert (code, said) == (0, "1 runs are data_error now\n")
    log = tmp_path / "job.log"
    log.write_text("MemoryError: at step 12\n")
    assert json.loads(run(filled, "failures", "classify", str(log), "--json")[1])["class"] == "data_error"


def test_training_times_and_objectives_are_one_list_worst_first(filled: Console) -> None:
    now = datetime.now(UTC)
    mirror = RunMirror(filled.services.db)
    mirror.mirror([a_raw(f"s{i:02}", start=now - (60 - i) * H, took=timedelta(minutes=30 + i % 3)) for i in range(14)],
                  now=now)
    TrainingStep(mirror, MeasurementTable(filled.services.db), mirror_as_of=lambda: now,
                 objectives={"churn": Objective(seconds=1800.0)}).run(now=now)
    found = json.loads(run(filled, "runs", "--times", "--json")[1])["items"]
    assert [(i["measurement"], i["verdict"]) for i in found] == [("training_objective", "warn"),
                                                                ("training_time", "pass")]
    assert (found[0]["met"], found[0]["missed"]) == (6, 9)
    assert found[1]["detectable"] >= 0.1
    assert "steady at" in run(filled, "runs", "--times")[1]
