"""Tell which scikit-learn models read their columns by position, so that they can be asked with a bare array.

Making a data frame of one row and having scikit-learn take it apart again costs more than most small models do. What
may choose columns by name or type (a ColumnTransformer, a function, a model of somebody else's) keeps its frames.
"""

from collections.abc import Sequence
from typing import Any, Final

_BY_POSITION: Final = (
    "sklearn.linear_model.", "sklearn.tree.", "sklearn.naive_bayes", "sklearn.neighbors.", "sklearn.svm.",
    "sklearn.neural_network.", "sklearn.discriminant_analysis", "sklearn.decomposition.", "sklearn.impute.",
    "sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.preprocessing._data", "sklearn.preprocessing._discretization", "sklearn.preprocessing._polynomial",
)


def take_names(model: Any, names: Sequence[str]) -> bool:
    """Make a fitted model accept arrays whose columns stand in the order of `names`; return whether it does.

    A model that was fitted with other names, or with these in another order, is left as it is.
    """
    parts = _parts(model)
    fitted = getattr(model, "feature_names_in_", None)
    if parts is None or (fitted is not None and list(fitted) != list(names)):
        return False
    for part in parts:
        # scikit-learn warns at every call when a model that knows names gets none.
        vars(part).pop("feature_names_in_", None)
    return True


def _parts(model: Any) -> list[Any] | None:
    """Return the estimators that see the columns one after another, or None where one may look at their names."""
    from sklearn.pipeline import Pipeline

    steps = [step for _, step in model.steps] if type(model) is Pipeline else [model]
    parts = [step for step in steps if step is not None and not isinstance(step, str)]  # "passthrough" is no estimator
    return parts if all(_positional(part) for part in parts) else None


def _positional(part: Any) -> bool:
    known = type(part).__module__.startswith(_BY_POSITION)
    categories = getattr(part, "is_categorical_", None) is not None  # found by their type in a data frame
    return known and not categories and not hasattr(part, "_sklearn_output_config")
