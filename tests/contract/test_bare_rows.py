"""scikit-learn models that are asked with a bare array answer as they answer a data frame."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from services.adapters.bare_rows import take_names

NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(np.random.default_rng(3).normal(size=(60, 3)), columns=NAMES)
LABELS = (FRAME["a"] + FRAME["c"] > 0).astype(int)


class Mine(LogisticRegression):
    """A model of somebody else's, which may do anything with its rows."""


@pytest.mark.parametrize("model", [
    LogisticRegression(), RandomForestClassifier(n_estimators=3), GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3), GaussianNB(), KNeighborsClassifier(), DecisionTreeClassifier(),
    make_pipeline(SimpleImputer(), StandardScaler(), PolynomialFeatures(), LogisticRegression()),
    make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(2,), solver="lbfgs")),
], ids=lambda model: type(model[-1] if hasattr(model, "steps") else model).__name__)
def test_an_array_is_answered_as_its_data_frame_was(model):
    model.fit(FRAME, LABELS)
    of_frame = model.predict_proba(FRAME), model.predict(FRAME)
    assert take_names(model, NAMES)
    np.testing.assert_array_equal(model.predict_proba(FRAME.to_numpy()), of_frame[0])
    np.testing.assert_array_equal(model.predict(FRAME.to_numpy()), of_frame[1])


@pytest.mark.parametrize("model", [
    Mine(),
    make_pipeline(make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough"), LogisticRegression()),
    make_pipeline(FunctionTransformer(lambda rows: rows[["a"]]), LogisticRegression()),
    make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform="pandas"),
], ids=["somebody else's", "by name", "a function", "frames inside"])
def test_what_may_look_at_names_keeps_its_data_frames(model):
    model.fit(FRAME, LABELS)
    assert not take_names(model, NAMES)
    assert list(model.feature_names_in_) == NAMES


def test_columns_in_another_order_than_the_models_are_never_taken_by_position():
    model = LogisticRegression().fit(FRAME, LABELS)
    assert not take_names(model, ["b", "a", "c"])


def test_categories_that_are_known_by_the_type_of_a_frames_column_keep_their_data_frames():
    frame = FRAME.assign(b=pd.Categorical(["x", "y"] * 30))
    model = HistGradientBoostingClassifier(max_iter=2).fit(frame, LABELS)
    assert not take_names(model, NAMES)
