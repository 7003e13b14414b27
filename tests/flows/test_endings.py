"""Every way a training process can end, really ended, and how the mirror reads it."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.adapters.house_tables import SourceTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.ops_db import OpsDb
from services.adapters.registry_table import RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.monitor.steps.mirror import MirrorStep
from services.monitor.steps.training import TrainingStep
from services.training.failure_rules import Rules
from services.training.run import Effective

E = Effective
# ending -> MLflow's status and what really happened, for a bare run, under `with`, and under our client
WANTED = {
    "nothing": (("FINISHED", E.FINISHED), ("FINISHED", E.FINISHED), ("FINISHED", E.FINISHED)),
    "exception": (("FINISHED", E.FINISHED_BUT_CRASHED), ("FAILED", E.FAILED), ("FAILED", E.FAILED)),
    "exit0": (("FINISHED", E.FINISHED), ("FAILED", E.FINISHED), ("FINISHED", E.FINISHED)),
    "exit1": (("FINISHED", E.FINISHED_BUT_CRASHED), ("FAILED", E.FAILED), ("FAILED", E.FAILED)),
    "sigint": (("FINISHED", E.KILLED), ("FAILED", E.KILLED), ("KILLED", E.KILLED)),
    "sigterm": (("KILLED", E.KILLED), ("FAILED", E.KILLED), ("KILLED", E.KILLED)),
    "sigkill": (("RUNNING", E.SUSPECTED_DEAD),) * 3,
    "_exit": (("RUNNING", E.SUSPECTED_DEAD),) * 3,
}
CASES = [(ending, style, *WANTED[ending][i]) for ending in WANTED for i, style in enumerate(("bare", "with", "client"))]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("endings")
    uri = f"sqlite:///{folder}/mlflow.db"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_LOGGING_LEVEL": "ERROR",
             "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("endings.py")), uri, "endings"], cwd=folder,
                          capture_output=True, text=True, env={**os.environ, **quiet}, timeout=500)
    ids = {tuple(line.split()[:2]): line.split()[2] for line in done.stdout.splitlines() if len(line.split()) == 3}
    assert len(ids) == len(CASES), done.stderr[-2000:]
    store = OpsDb(f"sqlite:///{folder}/ops.db")
    store.migrate()
    mirror, cursor = RunMirror(store), MirrorCursor(SourceTable(store))
    step = MirrorStep(MlflowRuns(uri), mirror, RegistryTable(store), cursor, rules=Rules)
    judged = TrainingStep(mirror, MeasurementTable(store), mirror_as_of=cursor.as_of, objectives={})
    later = datetime.fromtimestamp(time.time(), tz=UTC) + timedelta(minutes=6)  # as if the monitor looked then
    for _ in range(2):
        step.run(now=later)
        judged.run(now=later)
    return mirror, ids


@pytest.mark.parametrize(("ending", "style", "mlflow", "wanted"), CASES)
def test_the_effective_status_is_right_for_every_ending(ended, ending: str, style: str, mlflow: str, wanted: E) -> None:
    mirror, ids = ended
    run = mirror.get(ids[ending, style])
    assert (run.status, run.effective) == (mlflow, wanted), run.evidence


def test_a_crash_leaves_its_reason_its_record_and_its_last_lines(ended) -> None:
    mirror, ids = ended
    run = mirror.get(ids["exception", "client"])
    assert (run.failure.cls, run.failure.type, run.failure.exit_code) == ("traceback", "KeyError", 1)
    texts = mirror.artifacts(run.run_id)
    record = json.loads(texts["ops/failure.json"])
    assert (record["type"], record["class"], record["owner"]) == ("KeyError", "traceback", "code")
    assert "in end" in record["traceback"]
    assert "loading exception" in texts["ops/log_tail.txt"]


def test_a_bare_crash_is_explained_too(ended) -> None:
    mirror, ids = ended
    run = mirror.get(ids["exception", "bare"])
    assert run.evidence == "MLflow says FINISHED, but the run recorded KeyError: 'wind_speed'"
    assert run.failure.fingerprint == mirror.get(ids["exception", "with"]).failure.fingerprint


def test_the_client_says_what_a_run_asked_for_and_the_others_stay_unattributed(ended) -> None:
    mirror, ids = ended
    ours, bare = mirror.get(ids["nothing", "client"]), mirror.get(ids["nothing", "bare"])
    assert (ours.pipeline, ours.attributed, ours.req_gpu) == ("churn", True, 2.0)
    assert (bare.pipeline, bare.attributed) == ("endings", False)
    assert bare.heartbeat_at is not None


def test_a_vanished_process_is_a_lost_process(ended) -> None:
    mirror, ids = ended
    assert mirror.get(ids["sigkill", "bare"]).failure.cls == "lost_process"
    assert mirror.get(ids["sigkill", "bare"]).effective is E.SUSPECTED_DEAD
