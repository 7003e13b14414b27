"""Real trainings: two added lines say what a run is, none at all still tag it; and a Keras network is counted."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.adapters.house_tables import SourceTable
from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.ops_db import OpsDb
from services.adapters.registry_table import RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.monitor.steps.mirror import MirrorStep
from services.training.failure_rules import Rules
from services.training.run import Effective, Kind
from tests.flows import real_trainings


class Trained:
    """What the trainings left: the runs as the mirror holds them, by pipeline, and a folder."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        uri = f"sqlite:///{folder}/mlflow.db"
        quiet = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR",
                 "GIT_PYTHON_REFRESH": "quiet", "PYTHONPATH": str(Path.cwd()), "CUDA_VISIBLE_DEVICES": "-1",
                 "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run([sys.executable, real_trainings.__file__, str(folder)], cwd=folder, check=False,
                              capture_output=True, text=True, env={**os.environ, **quiet, **environ}, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
        store = OpsDb(f"sqlite:///{folder}/ops.db")
        store.migrate()
        mirror = RunMirror(store)
        step = MirrorStep(MlflowRuns(uri), mirror, RegistryTable(store), MirrorCursor(SourceTable(store)), rules=Rules)
        for _ in range(2):
            step.run(now=datetime.now(UTC))
        self.mirror, self.runs = mirror, mirror.find(limit=10)

    def of(self, pipeline: str) -> list[object]:
        return [run for run in self.runs if run.pipeline == pipeline]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trainings"), {"OPS_PIPELINE": "nightly", "OPS_PIPELINE_KIND": "validation"})


@pytest.mark.parametrize("name", ["SCIKIT_LEARN", "KERAS"])
def test_the_client_is_two_added_lines(name: str) -> None:
    lines = getattr(real_trainings, name).splitlines()
    ours = [line for line in lines if "training_run" in line]
    assert len(ours) == 2
    assert "training_run" not in "\n".join(line for line in lines if line not in ours)


def test_a_scikit_learn_training_says_what_it_is(trained: Trained) -> None:
    (run,) = trained.of("churn")
    assert (run.kind, run.effective, run.data_rows, run.attributed) == (Kind.TRAINING, Effective.FINISHED, 240, True)
    assert run.heartbeat_at is not None


def test_a_keras_training_says_what_it_is_and_one_that_fails_says_why(trained: Trained) -> None:
    runs = trained.of("ratings")
    assert sorted((run.effective, run.req_gpu) for run in runs) == [(Effective.FAILED, 1.0), (Effective.FINISHED, 1.0)]
    (failed,) = [run for run in runs if run.effective is Effective.FAILED]
    assert (failed.failure.cls, failed.failure.type, failed.failure.owner) == ("traceback", "ValueError", "code")
    assert failed.failure.line.startswith("ValueError: Input 0")
    assert "received input with shape (32, 3)" in failed.failure.line
    texts = trained.mirror.artifacts(failed.run_id)
    assert "shape=(32, 3)" in json.loads(texts["ops/failure.json"])["message"]


def test_a_run_without_a_line_of_ours_is_tagged_by_mlflows_entry_point(trained: Trained) -> None:
    assert "training_run" not in real_trainings.NO_LINE
    (run,) = trained.of("nightly")
    assert (run.name, run.kind, run.effective, run.attributed) == (
        "as it was", Kind.VALIDATION, Effective.FINISHED, True)
    assert run.heartbeat_at is not None


def test_a_keras_network_is_counted_by_tensorflows_profiler(trained: Trained) -> None:
    found = json.loads((trained.folder / "sizes.json").read_text())
    assert found["plain"] == {"architecture": "Keras network (2 Dense)", "params": 88.0, "bytes": 0.0,
                              "operations": 2.0 * (10 * 8 + 8)}
    assert (found["named"]["params"], found["named"]["operations"]) == (18.0, 36.0), "inputs by name count too"
