"""Read how big a logged model is: parameters, bytes, and floating-point operations per prediction.

Runs in a process of its own (model_size_child.py): it unpickles. A multiply-add is two operations, a tree's comparison
is one. Parameters are the numbers a fitted model keeps: weights, thresholds, leaf values, stored neighbours.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

# Where a search or a wrapper keeps what it fitted.
_WRAPPED: Final = ("best_estimator_", "regressor_", "estimator_")
# What lies beside a model and is no part of it.
_BESIDE: Final = ("MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml", "registered_model_meta",
                  "input_example.json", "serving_input_example.json", "input_example.npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read; a number is None where this kind of model has none that can be told."""

    architecture: str
    params: float | None
    operations: float | None
    bytes: float


def read(folder: Path) -> Read:
    """Return the size of the model in an MLflow model folder."""
    from mlflow.models import Model

    flavors = Model.load(str(folder)).flavors
    if "sklearn" in flavors:
        import mlflow.sklearn

        return of_sklearn(mlflow.sklearn.load_model(str(folder)), size=_bytes(folder))
    network = next((f for suffix in ("*.keras", "*.h5") for f in sorted(folder.rglob(suffix))), None)
    if network is not None:
        import keras

        return of_keras(keras.models.load_model(network, compile=False), size=_bytes(folder))
    if "tensorflow" in flavors:
        import mlflow.tensorflow

        return of_keras(mlflow.tensorflow.load_model(str(folder)), size=_bytes(folder))
    loader = flavors.get("python_function", {}).get("loader_module", "")
    return Read(architecture=str(loader).rpartition(".")[2], params=None, operations=None, bytes=_bytes(folder))


def of_sklearn(model: Any, *, size: float = 0.0) -> Read:
    """Return the size of a fitted scikit-learn estimator or pipeline, its parts added up."""
    counted = [_counted(part) for part in _parts(model)]
    return Read(architecture=type(_final(model)).__name__,
                params=float(sum(p for p, _ in counted)), operations=float(sum(o for _, o in counted)), bytes=size)


def of_keras(network: Any, *, size: float = 0.0) -> Read:
    """Return the size of a Keras network; its operations as TensorFlow's profiler counts them for one row."""
    import keras

    kinds: dict[str, int] = {}
    for layer in network.layers:
        if layer.weights:
            kinds[type(layer).__name__] = kinds.get(type(layer).__name__, 0) + 1
    layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return Read(architecture=f"Keras network ({layers})" if layers else "Keras network",
                params=float(network.count_params()), bytes=size,
                operations=_flops(network) if keras.backend.backend() == "tensorflow" else None)


def _flops(network: Any) -> float | None:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    profiler = tf.compat.v1.profiler
    try:
        # Dimensions that vary (the length of a text) count as one: the result is per step then.
        row = tf.nest.map_structure(
            lambda i: tf.TensorSpec([1, *(d or 1 for d in i.shape[1:])], i.dtype, name=i.name),
            network.inputs[0] if len(network.inputs) == 1 else network.input)
        called = tf.function(lambda x: network(x, training=False)).get_concrete_function(row)
        graph = convert_variables_to_constants_v2(called).graph
        wanted = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
        return float(profiler.profile(graph=graph, options=wanted.build()).total_float_ops)
    except (ValueError, TypeError, AttributeError, NotImplementedError, tf.errors.OpError):
        return None  # a network that TensorFlow cannot draw as one graph: its operations are not known


def _parts(model: Any) -> Iterator[Any]:
    """Yield the fitted leaves of a pipeline or a wrapper, the final estimator last."""
    inner = _inside(model)
    if inner is None:
        yield model
        return
    for part in inner:
        if part is not None and not isinstance(part, str):
            yield from _parts(part)


def _inside(model: Any) -> Iterable[Any] | None:
    if hasattr(model, "steps"):
        return [step for _, step in model.steps]
    if hasattr(model, "transformers_"):
        return [fitted for _, fitted, _ in model.transformers_]
    if hasattr(model, "calibrated_classifiers_"):
        return [c.estimator for c in model.calibrated_classifiers_]
    # Before `estimator_`, which in an ensemble is the pattern of its members and not fitted.
    if hasattr(model, "estimators_"):
        members = list(np.asarray(model.estimators_, dtype=object).ravel())
        return [*members, *([model.final_estimator_] if hasattr(model, "final_estimator_") else [])]
    return next(([getattr(model, name)] for name in _WRAPPED if hasattr(model, name)), None)


def _final(model: Any) -> Any:
    """Return the estimator that answers: the last step of a pipeline, what a search or a wrapper chose."""
    if hasattr(model, "steps"):
        return _final(model.steps[-1][1])
    inner = next((getattr(model, name) for name in ("best_estimator_", "regressor_") if hasattr(model, name)), None)
    return model if inner is None else _final(inner)


def _counted(part: Any) -> tuple[float, float]:
    """Return parameters and operations per row of one fitted estimator."""
    for mark, count in _COUNTS:
        if hasattr(part, mark):
            return count(part)
    # Scalers, encoders, naive Bayes: every stored number is used once per row.
    kept = sum(np.size(value) for name, value in vars(part).items()
               if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype.kind in "fiu")
    return float(kept), 2.0 * kept


def _perceptron(part: Any) -> tuple[float, float]:
    weights = sum(np.size(w) for w in part.coefs_)
    return float(weights + sum(np.size(b) for b in part.intercepts_)), 2.0 * weights


def _vectors(part: Any) -> tuple[float, float]:
    kept = np.size(part.support_vectors_) + np.size(part.dual_coef_)
    return float(kept), 2.0 * kept


def _neighbours(part: Any) -> tuple[float, float]:
    kept = np.size(part._fit_X)  # noqa: SLF001 -- the rows it keeps have no public name
    return float(kept), 3.0 * kept  # a difference, a square and a sum per number


def _linear(part: Any) -> tuple[float, float]:
    return float(np.size(part.coef_) + np.size(part.intercept_)), 2.0 * np.size(part.coef_)


def _boosted(part: Any) -> tuple[float, float]:
    return _added(_histogram_tree(p.nodes) for step in part._predictors for p in step)  # noqa: SLF001 -- as above


def _tree(tree: Any) -> tuple[float, float]:
    """A split keeps a feature and a threshold, a leaf its value; a row passes as many splits as its leaf is deep."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child > 0:
                depth[child] = depth[node] + 1
    leaf = tree.children_left < 0
    return _path(leaf, depth, tree.weighted_n_node_samples)


def _histogram_tree(nodes: Any) -> tuple[float, float]:
    return _path(nodes["is_leaf"].astype(bool), nodes["depth"], nodes["count"])


def _path(leaf: Any, depth: Any, rows: Any) -> tuple[float, float]:
    passed = float(np.average(depth[leaf], weights=np.maximum(rows[leaf], 1e-12)))
    return 2.0 * float((~leaf).sum()) + float(leaf.sum()), passed


def _added(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    params = operations = 0.0
    for more_params, more_operations in pairs:
        params, operations = params + more_params, operations + more_operations
    return params, operations


def _bytes(folder: Path) -> float:
    return float(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.name not in _BESIDE))


# What marks a fitted estimator of a family, most telling first.
_COUNTS: Final[tuple[tuple[str, Callable[[Any], tuple[float, float]]], ...]] = (
    ("_predictors", _boosted), ("tree_", lambda part: _tree(part.tree_)), ("coefs_", _perceptron),
    ("support_vectors_", _vectors), ("_fit_X", _neighbours), ("coef_", _linear),
)
