"""Candidates are loaded and scored in a child with limits; what hangs, crashes or eats memory is a clear state."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.candidate import Limits, score_apart, score_together
from services.adapters.limited_process import Ended, run_limited
from services.core.measurement import Verdict
from services.validation.judge import Case, judge


def run(code: str, *, seconds: float = 60.0, memory_gib: float = 2.0) -> Ended:
    return run_limited([sys.executable, "-c", code], seconds=seconds, memory_gib=memory_gib)


def test_what_ends_well_is_done():
    assert run("print('fine')").how == "done"


def test_what_hangs_is_killed_with_everything_it_started():
    child = "import time; time.sleep(600)"
    code = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)"
    ended = run(code, seconds=2.0)
    assert ended.how == "hang"
    assert ended.problem(seconds=2.0, memory_gib=2.0) == "no answer within 2 s: it was killed"


def test_what_eats_memory_meets_its_limit_and_not_the_machine():
    ended = run("held = []\nwhile True: held.append(bytearray(64 << 20))", memory_gib=1.0)
    assert ended.how == "memory"
    assert "more than 1 GiB" in ended.problem(seconds=60, memory_gib=1.0)


@pytest.mark.parametrize(("code", "words"), [
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ("raise SystemExit(5)", "exit status 5"),
    ("raise RuntimeError('weights are gone')", "RuntimeError: weights are gone"),
])
def test_what_crashes_is_told_by_its_signal_or_its_last_words(code: str, words: str):
    ended = run(code)
    assert ended.how == "crash"
    assert words in ended.problem(seconds=60, memory_gib=2.0)


def asked(path: Path, data: Path | str = "", **more: object) -> dict[str, object]:
    return {"model": "fares", "version": "1", "task": "binary", "tracking_uri": "", "registry_uri": "",
            "path": str(path), "data": str(data), "label": "late", "slices": ["city"], "rows": 1_000, **more}


def test_a_folder_that_is_no_model_does_not_load_and_fails_its_gate(tmp_path: Path):
    found = score_apart(asked(tmp_path), Limits(seconds=120))
    assert found.kind == "load"
    case = Case(task="binary", candidate=found, champion=None, test_set="t", artefact="a", recorded="", files=1,
                timeout_ms=100.0)
    gates = {gate.name: gate for gate in judge(case)}
    assert gates["loads"].verdict is Verdict.FAIL
    assert gates["scores the test set"].verdict is Verdict.INCONCLUSIVE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real scikit-learn model as MLflow saves it, made in a process of its own."""
    path = tmp_path_factory.mktemp("model") / "saved"
    code = f"""
import warnings; warnings.simplefilter('ignore')
import numpy as np, pandas as pd, mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
x = pd.DataFrame({{'amount': np.linspace(-2, 2, 200)}})
fitted = LogisticRegression().fit(x, (x['amount'] > 0).astype(int))
mlflow.sklearn.save_model(fitted, {str(path)!r}, signature=infer_signature(x, fitted.predict(x)),
                          pip_requirements=['scikit-learn'], serialization_format='cloudpickle')
"""
    ended = run_limited([sys.executable, "-c", code], seconds=300, memory_gib=8.0)
    assert ended.how == "done", ended.words
    return path


def test_a_real_model_is_loaded_scored_timed_and_measured(model: Path, tmp_path: Path):
    data = tmp_path / "test.parquet"
    rng = np.random.default_rng(0)
    amount = rng.normal(0, 1, 300)
    pq.write_table(pa.table({"amount": amount, "late": (amount > 0).astype(float),
                             "city": rng.choice(["ams", "ber"], 300)}), data)
    found = score_apart(asked(model, data), Limits(seconds=300))
    assert found.problem == ""
    assert len(found.prediction) == 300
    assert found.labels is not None
    assert found.score is not None
    assert set(found.slices["city"]) == {"ams", "ber"}
    assert found.inputs == {"amount": "double"}
    assert found.load_s > 0
    assert len(found.latencies_ms) == 35


def test_several_versions_are_scored_behind_one_start_and_one_that_fails_takes_no_other_along(
    model: Path, tmp_path: Path
):
    data = tmp_path / "test.parquet"
    pq.write_table(pa.table({"amount": np.linspace(-2, 2, 50), "late": [0.0, 1.0] * 25, "city": ["ams"] * 50}), data)
    together = score_together([asked(model, data), asked(tmp_path / "gone", data), asked(model, data)],
                              Limits(seconds=300))
    assert [scored.kind for scored in together] == ["", "load", ""]
    assert [len(scored.prediction) for scored in together] == [50, 0, 50]
    np.testing.assert_array_equal(together[0].score, together[2].score)


TROUBLE = """
import os, time
import mlflow.pyfunc

class Trouble(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        {load}
    def predict(self, context, model_input, params=None):
        {predict}
        return [0.5] * len(model_input)

mlflow.models.set_model(Trouble())
"""


def troubled(folder: Path, *, load: str = "pass", predict: str = "pass") -> Path:
    """Return a model folder as MLflow saves one from code, whose own code does what it is told."""
    folder.mkdir()
    (folder / "trouble.py").write_text(TROUBLE.format(load=load, predict=predict))
    (folder / "MLmodel").write_text("""flavors:
  python_function:
    loader_module: mlflow.pyfunc.model
    model_code_path: trouble.py
    python_version: 3.11.7
    streamable: false
model_uuid: 0
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
  params: null
""")
    return folder


@pytest.mark.parametrize(("trouble", "limits", "kind", "words"), [
    ({"predict": "time.sleep(600)"}, Limits(seconds=15), "hang", "no answer within 15 s"),
    ({"load": "held = [bytearray(256 << 20) for _ in range(100)]"}, Limits(seconds=200, memory_gib=6), "memory",
     "6 GiB"),
    ({"load": "raise RuntimeError('weights are gone')"}, Limits(seconds=200), "load", "weights are gone"),
    ({"predict": "os.kill(os.getpid(), 11)"}, Limits(seconds=200), "crash", "SIGSEGV"),
])
def test_a_model_that_hangs_eats_memory_or_does_not_load_fails_its_gate_by_name(
    tmp_path: Path, trouble: dict[str, str], limits: Limits, kind: str, words: str
):
    data = tmp_path / "test.parquet"
    pq.write_table(pa.table({"amount": [0.1] * 10, "late": [1.0] * 10, "city": ["ams"] * 10}), data)
    found = score_apart(asked(troubled(tmp_path / "model", **trouble), data), limits)
    assert found.kind == kind, found.problem
    assert words in found.problem
    case = Case(task="binary", candidate=found, champion=None, test_set="t", artefact="a", recorded="", files=1,
                timeout_ms=100.0)
    stopped = [gate for gate in judge(case) if gate.required and gate.verdict is Verdict.FAIL]
    assert words in stopped[0].reason


def test_a_test_set_without_an_input_or_a_label_is_told(model: Path, tmp_path: Path):
    data = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"amount": [0.1] * 10, "other": [1.0] * 10}), data)
    unlabelled = score_apart(asked(model, data), Limits(seconds=300))
    assert unlabelled.labels is None
    pq.write_table(pa.table({"other": [1.0] * 10}), data)
    lacking = score_apart(asked(model, data), Limits(seconds=300))
    assert lacking.lacks == ("amount",)
