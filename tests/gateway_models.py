"""Log the models that the gateway's tests serve. Run in a process of its own: the tests never import MLflow."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder


def log_models(folder: Path) -> None:
    """Log and register the test models in `folder`.

    `tiny`: versions 1, 2 (constant regressions), 3 (raises on x = 13, hangs on x = 99, dies on x = 66, keeps
    60 MB on x = 77), 4 (unloadable).
    `yes-no`: version 1, a logistic regression on x, color.
    """
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    place = (folder / "artifacts").as_uri()
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("tests", artifact_location=place))
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "color": ["red", "blue", "red", "blue"]})
    signature = infer_signature(frame, np.array([0.0]))

    kept: list[bytes] = []

    def troubled(rows: Any) -> Any:
        if (rows["x"] == 77).any():
            kept.append(b"x" * 60_000_000)
        if (rows["x"] == 13).any():
            raise ValueError("thirteen")
        if (rows["x"] == 99).any():
            time.sleep(3600)
        if (rows["x"] == 66).any():
            os._exit(1)
        return rows[["x"]]

    def constant(value: float) -> Any:
        return DummyRegressor(strategy="constant", constant=value).fit(frame[["x"]], np.zeros(4))

    models = [("tiny", constant(10.0)), ("tiny", constant(20.0)),
              ("tiny", make_pipeline(FunctionTransformer(troubled), constant(30.0))), ("tiny", constant(40.0)),
              ("yes-no", make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["color"]),
                                                               remainder="passthrough"),
                                       LogisticRegression()).fit(frame, [0, 0, 1, 1]))]
    with mlflow.start_run():
        for number, (name, model) in enumerate(models):
            example = frame.head(1) if name == "yes-no" else None
            info = mlflow.sklearn.log_model(
                model, name=f"model{number}", signature=signature, input_example=example, registered_model_name=name,
                serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
            if number == 3:
                path = Path(mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri))
                (path / "model.pkl").write_bytes(b"broken")
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("tiny", "champion", "1")
    client.set_registered_model_alias("yes-no", "champion", "1")


if __name__ == "__main__":
    log_models(Path(sys.argv[1]))
