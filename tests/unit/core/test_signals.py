"""A model's signals: the worst question speaks, a signal without an answer is unsure, neighbours stay out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.defaults import SHIPPED
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.signals import SIGNALS, concerns, signals, worst_first
from services.core.window import HOUR, TimeWindow
from tests.conftest import NOW

MODEL = "fares"


def measured(name: str, verdict: Verdict = Verdict.PASS, **more: object) -> Measurement:
    return Measurement(**{"name": name, "pipeline": Pipeline.SERVING, "subject": MODEL, "environment": "production",
                          "window": TimeWindow(NOW - HOUR, NOW), "at": NOW, "verdict": verdict, "value": 1.0,
                          "reason": f"{name} is {verdict}", **more})  # type: ignore[arg-type]


def told(*found: Measurement) -> dict[str, object]:
    pairs = [(m, NOW - timedelta(minutes=place)) for place, m in enumerate(found)]
    return {s.name: s for s in signals(pairs, MODEL, environment="production")}


def test_a_signal_that_nobody_measured_is_unsure_and_never_fine():
    for signal in told().values():
        assert (signal.verdict, signal.speaker, signal.reason) == (Verdict.INCONCLUSIVE, None, "never measured")


def test_the_worst_question_speaks_and_says_how_many_more_there_are():
    found = told(measured("missing_rate", column="a"), measured("missing_rate", Verdict.FAIL, column="b"),
                 measured("unseen_rate", Verdict.FAIL, column="c"))["data checks"]
    assert found.verdict is Verdict.FAIL
    assert found.reason == "missing_rate is fail (and 1 more)"
    assert (found.asked, found.failing) == (3, 2)


def test_one_unsure_question_keeps_a_signal_from_being_fine():
    assert told(measured("outage"), measured("log_freshness", Verdict.INCONCLUSIVE))["delivery"].verdict \
        is Verdict.INCONCLUSIVE


def test_a_small_slice_does_not_speak_for_the_model_but_the_worst_slice_of_drift_does():
    found = told(measured("quality"), measured("quality", Verdict.INCONCLUSIVE, slice="city=ams"),
                 measured("drift"), measured("worst_slice", Verdict.WARN, slice="city=ber"))
    assert found["quality"].verdict is Verdict.PASS
    assert found["drift"].verdict is Verdict.WARN


@pytest.mark.parametrize(("subject", "environment", "pipeline", "mine"), [
    (MODEL, "production", Pipeline.SERVING, True),
    (MODEL, "", Pipeline.VALIDATION, True),
    (MODEL, "staging", Pipeline.SERVING, False),
    ("fares-training", "production", Pipeline.TRAINING, True),
    ("fares-keras-training", "", Pipeline.TRAINING, True),
    ("fares-training", "", Pipeline.DATA, False),
    ("fare", "production", Pipeline.SERVING, False),
    ("faresx-training", "production", Pipeline.TRAINING, False),
])
def test_what_concerns_a_model_is_its_own_and_its_pipelines(
    subject: str, environment: str, pipeline: Pipeline, mine: bool
):
    m = replace(measured("outage"), subject=subject, environment=environment, pipeline=pipeline)
    assert concerns(m, MODEL, "production") is mine


@given(st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=8))
def test_a_signal_is_as_bad_as_the_worst_of_its_questions(verdicts: list[Verdict]):
    from services.core.measurement import worst

    found = told(*(measured("missing_rate", v, column=str(i)) for i, v in enumerate(verdicts)))["data checks"]
    assert found.verdict is worst(verdicts)
    assert found.failing == verdicts.count(Verdict.FAIL)


def test_the_worst_signal_stands_first_and_equals_keep_the_order_of_asking():
    pairs = [(measured("error_share", Verdict.FAIL), NOW), (measured("outage"), NOW),
             (measured("latency_p95_ms"), NOW)]
    order = [s.name for s in worst_first(signals(pairs, MODEL, environment="production"))]
    assert order[0] == "errors"
    assert order.index("delivery") < order.index("latency")
    assert order.index("volume") < order.index("delivery"), "unsure stands above fine"


def test_every_measurement_of_a_signal_is_one_that_a_rule_reads():
    known = {rule.measurement for rule in SHIPPED}
    assert {name for names in SIGNALS.values() for name in names} - known == set()
