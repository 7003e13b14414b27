"""Connecting a team's own MLflow and log: what init proposes and writes, what doctor finds, on real files."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from services.adapters import inspect_sources

COLUMNS = """SELECT 'r' || i AS inference_id, TIMESTAMP '2026-03-04 12:00:00' + i * INTERVAL 1 MINUTE AS event_time,
    '3' AS served_version, 'AA' AS carrier, i % 24 AS dep_hour, i % 2 AS y_pred, i / 100.0 AS probability"""

REGISTER = """
import os, sys
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.pyfunc import PythonModel

class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        return [0] * len(model_input)

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(experiment_id=mlflow.create_experiment("e", artifact_location=sys.argv[2]))
signature = ModelSignature(inputs=Schema([ColSpec("string", "carrier"), ColSpec("long", "dep_hour"),
                                          ColSpec("double", "wind")]), outputs=Schema([ColSpec("long")]))
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="model", python_model=Echo(), signature=signature, pip_requirements=[],
                            registered_model_name="delay")
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A team's own sources: a registry with one signed model, and a Parquet log in a shape of their own."""
    folder = tmp_path_factory.mktemp("team")
    uri = f"sqlite:///{folder}/mlflow.db"
    subprocess.run([sys.executable, "-W", "ignore", "-c", REGISTER, uri, f"file://{folder}/artifacts"], check=True,
                   capture_output=True, cwd=folder)
    (folder / "log").mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({COLUMNS} FROM range(200) t(i)) TO '{folder}/log/a.parquet' (FORMAT parquet)")
    return folder, uri


def interlock(cwd, *words):
    env = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
    return subprocess.run([sys.executable, "-m", "console.cli", *words], cwd=cwd, env=env, capture_output=True,
                          text=True, timeout=400)


def test_from_nothing_to_a_first_true_page_in_three_commands(team, tmp_path):
    folder, uri = team
    done = interlock(tmp_path, "init", "--tracking", uri, "--log", str(folder / "log"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["model"] == "delay"
    assert found["task"] == "binary"
    assert found["columns"]["timestamp"] == "event_time"
    assert found["features"] == ["carrier", "dep_hour"]
    assert found["not_logged"] == ["wind"]
    passed = interlock(tmp_path, "monitor", "--once")
    assert "delay" in interlock(tmp_path, "status", "--json").stdout, passed.stdout + passed.stderr
    checked = {i["what"]: i["verdict"] for i in json.loads(interlock(tmp_path, "doctor", "--json").stdout)["items"]}
    assert checked["tracking"] == "pass"
    assert checked["log of delay"] == "pass"
    assert checked["labels of delay"] == "inconclusive"


@pytest.mark.parametrize("moment", ["TIMESTAMP '2026-03-04 12:00:00'", "TIMESTAMPTZ '2026-03-04 12:00:00+00'"])
def test_a_log_is_sampled_whether_its_times_have_a_zone_or_not(tmp_path, moment):
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {moment} AS ts, 0.5::DECIMAL(4, 2) AS score, 1 AS prediction) "
                           f"TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    found = inspect_sources.log(str(tmp_path))
    assert found.rows[0]["ts"].replace(tzinfo=UTC) == datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert found.variety("prediction") == (1, True)


def test_the_preview_shows_the_mapping_and_the_first_rows(team, tmp_path):
    folder, uri = team
    shown = interlock(tmp_path, "init", "--tracking", uri, "--log", str(folder / "log"), "--yes").stdout
    assert "event_time" in shown
    assert "r0" in shown
    assert "feature wind is in the signature and not in the log" in shown
    assert "interlock doctor" in shown


@pytest.mark.parametrize(("words", "says"), [
    (["--tracking", "sqlite:////nowhere/mlflow.db", "--log", "LOG"], "there is no file /nowhere/mlflow.db"),
    (["--log", "/nowhere"], "no Parquet, JSON lines or CSV file lies in /nowhere"),
    (["--log", "LOG", "--model", "other"], "other"),
    (["--log", "LOG", "--task", "guess"], "choose one of binary, multiclass, regression"),
    (["--log", "LOG", "--column", "timestamp"], "write OURS=THEIRS"),
])
def test_what_cannot_be_used_is_refused_in_one_line(team, tmp_path, words, says):
    folder, uri = team
    words = [str(folder / "log") if w == "LOG" else w for w in words]
    words = words if "--tracking" in words else [*words, "--tracking", uri]
    done = interlock(tmp_path, "init", *words, "--yes")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "interlock.toml").exists()


def test_settings_that_exist_are_never_overwritten(team, tmp_path):
    (tmp_path / "interlock.toml").write_text("[home]\n")
    done = interlock(tmp_path, "init", "--tracking", team[1], "--log", str(team[0] / "log"), "--yes")
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "interlock.toml").read_text() == "[home]\n"


def test_doctor_names_every_fault_and_goes_on(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.parquet").write_bytes(b"not parquet")
    (tmp_path / "interlock.toml").write_text(
        '[tracking]\nuri = "http://127.0.0.1:9"\n[models.m]\ntask = "binary"\nlog = "log"\n')
    done = interlock(tmp_path, "doctor", "--json")
    found = {i["what"]: i for i in json.loads(done.stdout)["items"]}
    assert done.returncode == 1
    assert "run interlock monitor --once" in found["ops store"]["says"]
    assert "does not answer" in found["tracking"]["says"]
    assert "cannot be read as parquet" in found["log of m"]["says"]
    assert found["on call"]["verdict"] == "warn"
