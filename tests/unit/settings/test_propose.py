import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.settings import Settings
from services.settings.propose import KNOWN_AS, propose, render

FOREIGN = ["event_time", "inference_id", "served_version", "carrier", "origin", "dep_hour", "y_pred", "probability",
           "execution_duration_ms"]


def test_a_foreign_log_is_recognised_by_the_names_it_uses():
    found = propose("flight-delay", log_columns=FOREIGN, inputs=["carrier", "origin", "dep_hour"],
                    distinct_predictions=2, whole_predictions=True)
    assert found.columns == {
        "request_id": "inference_id", "timestamp": "event_time", "version": "served_version",
        "latency_ms": "execution_duration_ms", "prediction": "y_pred", "score": "probability",
    }
    assert found.features == ["carrier", "origin", "dep_hour"]
    assert found.task == "binary"
    assert found.usable


def test_what_the_log_lacks_is_said_with_its_consequence():
    found = propose("m", log_columns=["id", "ts", "prediction", "x"], inputs=["x", "y"])
    assert found.not_logged == ["y"]
    assert found.lacking["latency_ms"] == "latency stays unsure"
    assert "environment" in found.lacking


def test_a_log_without_a_prediction_is_not_usable():
    found = propose("m", log_columns=["id", "ts", "x"], inputs=["x"])
    assert found.missing == ["prediction"]
    assert not found.usable


def test_a_column_that_is_a_feature_is_a_feature_first():
    found = propose("m", log_columns=["id", "ts", "time", "status", "prediction"], inputs=["time", "status"])
    assert found.columns["timestamp"] == "ts"
    assert "status" not in found.columns
    assert found.features == ["time", "status"]


def test_what_the_person_says_wins():
    found = propose("m", log_columns=["id", "ts", "when", "prediction"], given={"timestamp": "when"},
                    task="multiclass", distinct_predictions=2, whole_predictions=True)
    assert found.columns["timestamp"] == "when"
    assert found.task == "multiclass"


@pytest.mark.parametrize(("distinct", "whole", "task"), [
    (2, True, "binary"), (1, True, "binary"), (7, True, "multiclass"), (51, True, "regression"),
    (2, False, "regression"), (None, False, "regression"),
])
def test_the_task_is_guessed_from_the_predictions(distinct, whole, task):
    found = propose("m", log_columns=["id", "ts", "prediction"], distinct_predictions=distinct, whole_predictions=whole)
    assert found.task == task


def test_without_a_signature_every_column_left_over_is_a_feature():
    assert propose("m", log_columns=["id", "ts", "prediction", "a", "b"]).features == ["a", "b"]


def test_what_is_written_is_read_back_as_proposed():
    found = propose("flight-delay", log_columns=FOREIGN, inputs=["carrier", "origin"])
    settings = Settings.model_validate(tomllib.loads(render(
        found, tracking="http://127.0.0.1:5000", log="/data/log", labels="/data/labels", file_format="json",
        user="somebody")))
    model = settings.models["flight-delay"]
    assert model.columns.timestamp == "event_time"
    assert model.columns.request_id == "inference_id"
    assert model.features == ["carrier", "origin"]
    assert model.format == "json"
    assert settings.roles[0].subject == "somebody"


@given(st.text(min_size=1), st.lists(st.text(min_size=1), unique=True, max_size=6))
def test_any_name_can_be_written_and_read_back(name, features):
    name = "".join(c for c in name if c.isprintable()) or "m"
    features = [f for f in ("".join(c for c in f if c.isprintable()) for f in features) if f]
    found = propose(name, log_columns=["id", "ts", "prediction", *features], inputs=features)
    read = tomllib.loads(render(found, tracking="sqlite:///x.db", log="l"))
    assert list(read["models"]) == [name]
    assert read["models"][name]["features"] == list(found.features)


def test_no_two_of_our_columns_read_the_same_column_of_the_log():
    every = [name for names in KNOWN_AS.values() for name in names]
    found = propose("m", log_columns=every)
    assert len(set(found.columns.values())) == len(found.columns) == len(KNOWN_AS)
