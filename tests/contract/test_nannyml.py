"""Our estimates of quality before labels beside NannyML's, which lives in an environment of its own.

NannyML brings 2 GB and other versions of our libraries: `make nannyml` makes that environment and runs this
file. Without it, or INTERLOCK_NANNYML naming the interpreter of another, nothing is compared.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.loss_estimate import estimate_losses
from services.core.window import DAY, TimeWindow
from services.quality.estimate import calibrate, estimate
from services.quality.estimate_classes import calibrate_classes, estimate_classes
from tests.conftest import NOW
from tests.unit.quality.test_estimate_classes import CLASSES, counted_classes, drawn_classes
from tests.unit.quality.test_scores import counted, drawn

INTERPRETER = os.environ.get("INTERLOCK_NANNYML", "")
pytestmark = pytest.mark.skipif(not INTERPRETER, reason="INTERLOCK_NANNYML names no interpreter that has NannyML")
ROWS = 20_000
ASKED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import nannyml, pandas
known, fresh = pandas.read_parquet(sys.argv[1]), pandas.read_parquet(sys.argv[2])
names = sys.argv[3].split(",")
{made}
made.fit(known)
found = made.estimate(fresh).filter(period="analysis").to_df()
print(json.dumps({{name: float(found[(name, "value")].iloc[0]) for name in names}}))
"""
BINARY = """made = nannyml.CBPE(y_pred_proba="score", y_pred="said", y_true="label", chunk_size=len(fresh),
    problem_type="classification_binary", metrics=names)"""
MULTICLASS = """made = nannyml.CBPE(y_pred_proba={c: "p" + c for c in "012"}, y_pred="said", y_true="label",
    problem_type="classification_multiclass", metrics=names, chunk_size=len(fresh))"""
REGRESSION = """made = nannyml.DLE(feature_column_names=["x", "city"], y_pred="prediction", y_true="label",
    metrics=names, chunk_size=len(fresh))"""


def theirs(folder: Path, made: str, names: list[str], known: pa.Table, fresh: pa.Table) -> dict[str, float]:
    """Return what NannyML estimates of fresh rows after it saw known ones."""
    for name, rows in (("known", known), ("fresh", fresh)):
        pq.write_table(rows, folder / name)
    ended = subprocess.run(
        [INTERPRETER, "-c", ASKED.format(made=made), str(folder / "known"), str(folder / "fresh"), ",".join(names)],
        capture_output=True, text=True, timeout=500, check=False,
        env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"})
    assert ended.returncode == 0, ended.stderr[-2_000:]
    found: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


def agree(ours: dict[str, float], other: dict[str, float], real: dict[str, float], *, within: float) -> None:
    """Print the three side by side (`pytest -s`), and hold ours to theirs."""
    for name, value in other.items():
        print(f"{name}: ours {ours[name]:.4f}, NannyML {value:.4f}, real {real[name]:.4f}")  # noqa: T201
    assert {n: ours[n] for n in other} == pytest.approx(other, abs=within)


def test_two_classes_are_estimated_as_nannyml_does(tmp_path: Path):
    (score, label), (fresh_score, fresh_label) = drawn(21, ROWS), drawn(22, ROWS)
    known, fresh = (pa.table({"score": s, "said": (s >= 0.5).astype(np.int64), "label": y.astype(np.int64)})
                    for s, y in ((score, label), (fresh_score, fresh_label)))
    calibrated = calibrate(counted(score, label))
    assert calibrated is not None
    ours = estimate(counted(fresh_score, fresh_label), calibrated)
    names = {"auc": "roc_auc", "accuracy": "accuracy", "f1": "f1", "recall": "recall", "precision": "precision"}
    found = theirs(tmp_path, BINARY, list(names.values()), known, fresh)
    real = {n: m.value for n, m in counted(fresh_score, fresh_label).metrics().items()}
    # Theirs calibrates on the answers, ours on 241 bins of their scores.
    agree(ours, {name: found[their_name] for name, their_name in names.items()}, real, within=0.005)


def test_several_classes_are_estimated_nearly_as_nannyml_does_from_the_probabilities_of_all(tmp_path: Path):
    seen, asked = drawn_classes(31, ROWS), drawn_classes(32, ROWS)
    known, fresh = (
        pa.table({"said": [str(v) for v in said], "label": [str(v) for v in label],
                  **{f"p{c}": shown[:, c] for c in range(CLASSES)}}) for shown, said, label in (seen, asked))
    calibration = calibrate_classes(counted_classes(*seen))
    assert calibration is not None
    ours = estimate_classes(counted_classes(*asked, labelled=False), calibration)
    names = {"accuracy": "accuracy", "macro_f1": "f1", "macro_recall": "recall", "macro_precision": "precision"}
    found = theirs(tmp_path, MULTICLASS, list(names.values()), known, fresh)
    real = {n: m.value for n, m in counted_classes(*asked).metrics().items()}
    agree(ours, {name: found[their_name] for name, their_name in names.items()}, real, within=0.01)


class Drawn:
    """Stands in for a log: answers whose error grows with x, and lies on the city."""

    def __init__(self) -> None:
        self.known, self.fresh = _answers(41, 0.0), _answers(42, 0.7)

    def labelled_rows(self, _window: TimeWindow, _features: list[str], *, labelled: bool, **_more: Any) -> pa.Table:
        return self.known if labelled else self.fresh


def _answers(seed: int, shift: float) -> pa.Table:
    rng, n = np.random.default_rng(seed), 8_000
    x, city = rng.normal(shift, 1.0, n), rng.integers(0, 3, n)
    error = rng.normal(0.0, np.exp(0.4 * x) + city, n)
    return pa.table({"day": [NOW] * n, "x": x, "city": city.astype(float), "prediction": 10 + x,
                     "label": 10 + x + error})


def test_the_errors_of_a_regression_are_estimated_as_nannyml_does(tmp_path: Path):
    log = Drawn()
    span = TimeWindow(NOW - DAY, NOW)
    [ours] = estimate_losses(log, ["x", "city"], environment="production", reference=span, asked=span)  # type: ignore[arg-type]
    found = theirs(tmp_path, REGRESSION, ["mae"], log.known, log.fresh)
    real = np.abs(log.fresh["label"].to_numpy() - log.fresh["prediction"].to_numpy()).mean()
    agree(ours.metrics, found, {"mae": float(real)}, within=0.05)
