"""Serve the Keras candidate: MLflow runs this file itself ("models from code"), so it imports nothing of ours."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


def arrays(rows: pd.DataFrame, encoding: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the network's inputs: the place of each category (0 is unseen), then numbers with flags for missing."""
    inputs = {}
    for name, known in encoding["categories"].items():
        places = {value: place for place, value in enumerate(known, start=1)}
        inputs[name] = np.asarray([[places.get(value, 0)] for value in rows[name]], dtype="int32")
    columns = []
    for name, mean in encoding["means"].items():
        values = rows[name].to_numpy(dtype="float64", na_value=np.nan)
        missing = np.isnan(values)
        columns += [np.where(missing, 0.0, (values - mean) / encoding["deviations"][name]), missing.astype("float64")]
    inputs["numbers"] = np.stack(columns, axis=1).astype("float32")
    return inputs


class DelayNetwork(PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """Answers with the probability of a delay."""

    def load_context(self, context: Any) -> None:
        """Load network and encoding from the logged files."""
        import keras

        self._network = keras.models.load_model(context.artifacts["network"], compile=False)
        self._encoding = json.loads(Path(context.artifacts["encoding"]).read_text(encoding="utf-8"))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return the probability of a delay per row."""
        del context, params
        late = self._network.predict_on_batch(arrays(model_input, self._encoding))
        return np.asarray(late, dtype="float64").ravel()


mlflow.models.set_model(DelayNetwork())
