"""Load one registered version with MLflow and answer rows with it. Runs in a worker process only.

Native flavours are preferred to pyfunc: a classifier's probabilities are what the log and the canary judge live on, and
pyfunc hides them. Everything heavy is imported inside.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.adapters.bare_rows import take_names
from services.gateway.signature import Column, Signature, stacked

# For these, predict() is argmax of predict_proba() by construction, so one pass gives both.
_ARGMAX: Final = frozenset({
    "HistGradientBoostingClassifier", "GradientBoostingClassifier", "RandomForestClassifier", "ExtraTreesClassifier",
    "DecisionTreeClassifier", "LogisticRegression", "GaussianNB", "KNeighborsClassifier",
})


@dataclass(frozen=True, slots=True)
class Output:
    """What a model said about some rows: the answer to the client, and the log's prediction and score.

    `answers` has one item per row, JSON-ready. `prediction` and `score` are floats, NaN where there is none; `score` is
    the probability of the positive class (binary) or of the predicted one (multiclass), None for a regression.
    """

    answers: list[Any]
    prediction: list[float]
    score: list[float] | None


class LoadedModel:
    """A model in memory. `predict` takes typed columns, or one array, of any number of rows."""

    def __init__(self, path: Path, *, task: str) -> None:
        """Load the model in `path`, an MLflow model folder."""
        from mlflow.models import Model

        description = Model.load(str(path))
        self.task = task
        self.signature = _signature(description)
        self.example = _example(path)
        self._named_tensors = any(column.type == "tensor" for column in self.signature.columns)
        self._sklearn: Any = None
        self._bare = False
        self._pyfunc: Any = None
        if "sklearn" in description.flavors:
            import mlflow.sklearn
            import sklearn

            sklearn.set_config(skip_parameter_validation=True)  # of constructor arguments: fixed when it was fitted
            self._sklearn = mlflow.sklearn.load_model(str(path))
            self._bare = take_names(self._sklearn, [column.name for column in self.signature.columns])
        elif self.signature.dtype and "tensorflow" in description.flavors:
            import mlflow.tensorflow

            self._network = _compiled(mlflow.tensorflow.load_model(str(path)), self.signature)
        else:
            import mlflow.pyfunc

            self._pyfunc = mlflow.pyfunc.load_model(str(path))

    def predict(self, rows: Any, params: Mapping[str, Any]) -> Output:
        """Answer rows: a mapping of typed columns, or one array of all of them. Only a pyfunc takes `params`."""
        given = rows if self._named_tensors else stacked(rows) if isinstance(rows, dict) else rows
        if self._sklearn is not None:
            bare = self._bare and isinstance(given, np.ndarray)
            return self._by_sklearn(given if bare else self._frame(given))
        if self._pyfunc is not None:
            return self._by_shape(self._pyfunc.predict(self._frame(given), params=dict(params) or None))
        return self._by_shape(self._network(given))

    def _frame(self, rows: Any) -> Any:
        """Return what a model that may look at names wants: a data frame, where the signature has columns."""
        if self._named_tensors or not (isinstance(rows, dict) or self.signature.columns):
            return rows
        import pandas as pd

        if not isinstance(rows, dict):
            return pd.DataFrame(rows, columns=[column.name for column in self.signature.columns])
        return pd.DataFrame({
            name: pd.Series(cells, dtype="str") if isinstance(cells, list) and _is_text(cells) else cells
            for name, cells in rows.items()
        })

    def _by_sklearn(self, frame: Any) -> Output:
        model = self._sklearn
        if self.task == "regression" or not hasattr(model, "predict_proba"):
            labels = np.asarray(model.predict(frame))
            return Output(plain(labels), _numbers(labels, getattr(model, "classes_", None)), None)
        chances = np.asarray(model.predict_proba(frame))
        final = model[-1] if hasattr(model, "steps") else model
        classes = model.classes_
        if type(final).__name__ in _ARGMAX:
            labels = classes[chances.argmax(axis=1)]
        else:
            labels = np.asarray(model.predict(frame))
        score = chances[:, -1] if chances.shape[1] == 2 else chances.max(axis=1)
        return Output(plain(labels), _numbers(labels, classes), [float(v) for v in score])

    def _by_shape(self, raw: Any) -> Output:
        """Read prediction and score out of whatever a pyfunc or a network returns."""
        values = np.asarray(raw.to_numpy() if hasattr(raw, "to_numpy") else raw)
        answers = raw.to_dict(orient="records") if hasattr(raw, "columns") else plain(values)
        flat = values.reshape(len(values), -1)
        if self.task in ("regression", "") or flat.dtype.kind not in "fiub":
            return Output(answers, _numbers(flat[:, 0], None), None)
        if flat.shape[1] == 1:
            column = flat[:, 0].astype(float)
            if flat.dtype.kind in "iub":
                return Output(answers, [float(v) for v in column], None)
            return Output(answers, [float(v >= 0.5) for v in column], [float(v) for v in column])
        best = flat.argmax(axis=1)
        score = flat[:, 1] if flat.shape[1] == 2 else flat.max(axis=1)
        return Output(answers, [float(v) for v in best], [float(v) for v in score])


def fetch(model: str, version: str, *, tracking_uri: str, registry_uri: str) -> Path:
    """Return the local folder of a registered version, downloaded where it is not on this machine."""
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(registry_uri or tracking_uri)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{model}/{version}"))


def champions(models: Sequence[str], *, tracking_uri: str, registry_uri: str) -> dict[str, str]:
    """Return the version under the alias `champion` of each model that has one."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri or tracking_uri)
    found = {}
    for model in models:
        try:
            found[model] = str(client.get_model_version_by_alias(model, "champion").version)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
    return found


def plain(values: Any) -> list[Any]:
    """Return an array as nested lists that JSON can carry: what is not finite becomes null."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return _nulled(array.tolist())
    found: list[Any] = array.tolist()
    return found


def _nulled(values: list[Any]) -> list[Any]:
    return [_nulled(v) if isinstance(v, list) else v if math.isfinite(v) else None for v in values]


def _numbers(labels: Any, classes: Any) -> list[float]:
    """Return labels as numbers: themselves, or their place among the classes where they are text."""
    array = np.asarray(labels)
    if array.dtype.kind in "fiub":
        return [float(v) for v in array.ravel()]
    order = {label: float(i) for i, label in enumerate(classes)} if classes is not None else {}
    return [order.get(label, math.nan) for label in array.ravel().tolist()]


def _compiled(network: Any, signature: Signature) -> Callable[[Any], Any]:
    """Return a Keras model as a function of one array, traced once: in Python each of its layers costs a call."""
    import tensorflow as tf

    if getattr(network, "run_eagerly", False):  # asked for by who made it: it cannot be traced
        return lambda rows: network(rows, training=False).numpy()
    shape = [None if size == -1 else size for size in signature.shape]
    traced = tf.function(lambda rows: network(rows, training=False),
                         input_signature=[tf.TensorSpec(shape, signature.dtype)])
    return lambda rows: traced(tf.convert_to_tensor(rows)).numpy()


def _is_text(cells: list[Any]) -> bool:
    return all(cell is None or isinstance(cell, str) for cell in cells)


def _signature(description: Any) -> Signature:
    schema = description.signature.inputs if description.signature else None
    if schema is None:
        return Signature()
    if schema.is_tensor_spec():
        if len(schema.inputs) > 1 or schema.inputs[0].name:
            return Signature(columns=tuple(Column(spec.name, "tensor") for spec in schema.inputs))
        return Signature(dtype=str(schema.inputs[0].type), shape=tuple(int(s) for s in schema.inputs[0].shape))
    return Signature(columns=tuple(
        Column(str(spec.name) if spec.name is not None else str(i), getattr(spec.type, "name", "any"),
               bool(spec.required))
        for i, spec in enumerate(schema.inputs)
    ))


def _example(path: Path) -> bytes | None:
    """Return the logged example as a request body, or None when the model was logged without one."""
    file = path / "serving_input_example.json"
    return file.read_bytes() if file.is_file() else None
