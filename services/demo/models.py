"""The demo's scikit-learn models: one pipeline from data-frame columns to an answer, holding no class of ours.

Any MLflow server can load what is logged. Where a run is written is in tracking.py; the Keras candidate is in
keras_model.py.
"""

from typing import Any, Final

import numpy as np
import pandas as pd

from services.demo.features import AIR_TIME, CATEGORICAL, DELAY, FEATURES, LABEL, NUMERIC

ITERATIONS: Final = 48

# Tree predictors are not on skops' own list of safe types; these are the ones our pipelines are made of.
TRUSTED_TYPES: Final = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


def params_of(model: str, *, iterations: int = ITERATIONS) -> dict[str, float | int]:
    """Return the hyper-parameters of a model's training."""
    rate, leaves = (0.1, 31) if model == DELAY else (0.15, 24)
    return {"max_iter": iterations, "learning_rate": rate, "max_leaf_nodes": leaves, "min_samples_leaf": 40,
            "random_state": 7}


def train(model: str, journeys: pd.DataFrame, *, iterations: int = ITERATIONS) -> Any:
    """Return a fitted scikit-learn pipeline for `model`; rows without a label are left out."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    labelled = journeys[journeys[LABEL[model]].notna()]
    # A category that training never met is treated as missing, which the trees have a branch for.
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("categories", codes, list(CATEGORICAL)), ("numbers", "passthrough", list(NUMERIC))])
    kind = HistGradientBoostingClassifier if model == DELAY else HistGradientBoostingRegressor
    trees = kind(categorical_features=list(range(len(CATEGORICAL))), **params_of(model, iterations=iterations))
    target = labelled[LABEL[model]].to_numpy()
    fitted = Pipeline([("columns", columns), ("trees", trees)])
    return fitted.fit(labelled[list(FEATURES)], target.astype("int64") if model == DELAY else target)


def answer(model: str, fitted: Any, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return prediction and score per row; the score of a regression is missing."""
    inputs = rows[list(FEATURES)]
    if model == AIR_TIME:
        predicted = np.asarray(fitted.predict(inputs), dtype="float64")
        return predicted, np.full(len(predicted), np.nan)
    score = np.asarray(fitted.predict_proba(inputs)[:, 1], dtype="float64")
    return (score >= 0.5).astype("float64"), score


def measure(model: str, prediction: np.ndarray, score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Return the quality of answers whose labels are known."""
    if model == AIR_TIME:
        off = prediction - label
        return {"mae": float(np.abs(off).mean()), "rmse": float(np.sqrt((off**2).mean())), "bias": float(off.mean())}
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    return {
        "auc": float(roc_auc_score(label, score)),
        "average_precision": float(average_precision_score(label, score)),
        "log_loss": float(log_loss(label, score, labels=[0, 1])),
        "brier": float(((score - label) ** 2).mean()),
        "accuracy": float((prediction == label).mean()),
    }


def test(model: str, fitted: Any, tested: pd.DataFrame) -> dict[str, float]:
    """Return the quality on flights that the model was not trained on."""
    labelled = tested[tested[LABEL[model]].notna()]
    prediction, score = answer(model, fitted, labelled)
    return measure(model, prediction, score, labelled[LABEL[model]].to_numpy())


def single_row_latencies_ms(fitted: Any, rows: pd.DataFrame, *, model: str) -> list[float]:
    """Return how long this model took to answer each of `rows` alone, in milliseconds, really measured."""
    import time

    took = []
    for place in range(len(rows)):
        started = time.perf_counter()
        answer(model, fitted, rows.iloc[place : place + 1])
        took.append((time.perf_counter() - started) * 1000)
    return took[1:]  # the first call also warms the caches
