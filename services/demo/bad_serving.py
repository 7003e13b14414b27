"""Serve the bad candidate: MLflow runs this file itself ("models from code"), so it imports nothing of ours.

It answers as the version it was made from, but one branch of its code was never run in training: it fails for every
flight from Newark. That is the kind of harm that no metric on a test set shows and that a canary is for.
"""

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class FailsAtNewark(PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """Answers with the class of a delay, and raises where a flight leaves from Newark."""

    def load_context(self, context: Any) -> None:
        """Load the version it was made from out of the logged files."""
        import mlflow.sklearn

        self._sound = mlflow.sklearn.load_model(context.artifacts["sound"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return 0 or 1 per row.

        Raises:
            KeyError: a row is about a flight from Newark.
        """
        del context, params
        if (model_input["origin"] == "EWR").any():
            raise KeyError("EWR")
        return np.asarray(self._sound.predict(model_input), dtype="int64")


mlflow.models.set_model(FailsAtNewark())
