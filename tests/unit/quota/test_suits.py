"""How big a model is and what suits it: said with its source, apart for training and serving, never guessed."""

import pytest

from services.quota.suits import ModelSize, Served, in_bytes, said, serves_on, trains_on


@pytest.mark.parametrize(
    ("size", "words"),
    [(ModelSize(architecture="HistGradientBoostingClassifier", params=1e4), "Processors: trees branch"),
     (ModelSize(architecture="LogisticRegression", params=17), "Processors: a linear model"),
     (ModelSize(architecture="Keras network", params=2e4), "at 20,000 parameters (below a million)"),
     (ModelSize(params=2e7), "One accelerator"), (ModelSize(params=7e9), "several devices"),
     (ModelSize(), "Not known without the model's size")],
)
def test_the_architecture_decides_what_suits_training(size, words):
    assert words in trains_on(size)


@pytest.mark.parametrize(
    ("operations", "words"),
    [(250, "Processors: 250 operations are about 0.25 µs on one core"),
     (2e7, "about 20 ms on one core"),
     (2e8, "Several cores, or a share of an accelerator"),
     (4e9, "An accelerator: 4,000,000,000 operations are about 4 s")],
)
def test_operations_per_prediction_decide_what_suits_serving(operations, words):
    assert words in serves_on(ModelSize(operations=operations), None)


def test_a_large_model_may_train_on_an_accelerator_and_be_served_by_processors():
    size = ModelSize(params=2e7, operations=1e7)
    assert trains_on(size).startswith("One accelerator")
    assert serves_on(size, None).startswith("Processors")


def test_measured_latency_stands_beside_the_rule_of_thumb():
    fast = Served(model="flight-delay", qps=0.42, p95_ms=24.6, target_ms=2_000.0)
    words = serves_on(ModelSize(operations=250), fast)
    assert words.endswith("flight-delay answers in 24.6 ms (P95) at 0.42 requests a second, within its 2000 ms.")
    slow = Served(model="flight-delay", qps=0.42, p95_ms=2_500.0, target_ms=2_000.0)
    assert "over its 2000 ms" in serves_on(ModelSize(), slow)
    assert "Nothing serves it yet" in serves_on(ModelSize(), None)


def test_the_size_is_said_as_far_as_it_is_known_and_from_where():
    read = ModelSize(architecture="Keras network (3 Dense)", params=120_000, bytes=2**21, operations=240_000,
                     source="read from flight-delay v12")
    assert said(read) == ("Keras network (3 Dense), 120,000 parameters, 2.0 MiB, 240,000 operations a prediction "
                          "(read from flight-delay v12).")
    assert said(ModelSize(params=5.0)) == "5 parameters."
    assert said(ModelSize()).startswith("Not known: no version was registered")


def test_bytes_are_said_in_binary_units():
    assert [in_bytes(n) for n in (500 * 1024, 3 * 2**20, 5 * 2**30)] == ["500 KiB", "3.0 MiB", "5.0 GiB"]
