"""Train the Keras candidate for `flight-delay` and log it as code plus files, so that no class is pickled.

Numbers are standardised with the training's own means, missing becomes the mean and a flag; each category gets a small
embedding. keras_serving.py is what a server runs.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from services.demo.features import CATEGORICAL, DELAY, FEATURES, LABEL, NUMERIC

EPOCHS: Final = 4
BATCH: Final = 512
WIDTH: Final = 24


def encoding_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how features become arrays: categories by place (0 is unseen), means and deviations of numbers."""
    return {
        "features": list(FEATURES),
        "categories": {name: sorted(rows[name].dropna().unique().tolist()) for name in CATEGORICAL},
        "means": {name: float(rows[name].mean()) for name in NUMERIC},
        "deviations": {name: float(rows[name].std() or 1.0) for name in NUMERIC},
    }


def train(rows: pd.DataFrame, encoding: dict[str, Any], *, epochs: int = EPOCHS) -> tuple[Any, list[float]]:
    """Return a fitted Keras model and its loss per epoch."""
    import keras

    from services.demo.keras_serving import arrays

    keras.utils.set_random_seed(7)
    inputs, parts = {}, []
    for name in CATEGORICAL:
        size = len(encoding["categories"][name]) + 1
        inputs[name] = keras.Input((1,), name=name, dtype="int32")
        parts.append(keras.layers.Flatten()(keras.layers.Embedding(size, min(8, size))(inputs[name])))
    inputs["numbers"] = keras.Input((2 * len(NUMERIC),), name="numbers")
    hidden = keras.layers.Concatenate()([*parts, inputs["numbers"]])
    for _ in range(2):
        hidden = keras.layers.Dense(WIDTH, activation="relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="binary_crossentropy")
    labelled = rows[rows[LABEL[DELAY]].notna()]
    history = model.fit(arrays(labelled, encoding), labelled[LABEL[DELAY]].to_numpy(), epochs=epochs, batch_size=BATCH,
                        verbose=0)
    return model, [float(x) for x in history.history["loss"]]


def log(run_id: str, model: Any, encoding: dict[str, Any], folder: Path) -> tuple[str, str]:
    """Log the model with a run; return its address and id."""
    import mlflow
    import mlflow.pyfunc

    from services.demo import keras_serving
    from services.demo.tracking import requirements, signature

    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "network.keras")
    (folder / "encoding.json").write_text(json.dumps(encoding), encoding="utf-8")
    with mlflow.start_run(run_id=run_id, log_system_metrics=False):
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=str(Path(keras_serving.__file__)),
            signature=signature(DELAY, answer="probability"),
            artifacts={"network": str(folder / "network.keras"), "encoding": str(folder / "encoding.json")},
            pip_requirements=requirements("keras", "tensorflow"),
        )
    return str(logged.model_uri), str(logged.model_id)


def scores(model: Any, rows: pd.DataFrame, encoding: dict[str, Any]) -> np.ndarray:
    """Return the probability of a delay per row."""
    from services.demo.keras_serving import arrays

    return np.asarray(model.predict(arrays(rows, encoding), verbose=0, batch_size=4_096)[:, 0], dtype="float64")
