"""One line per thing, worst first; absence is never fine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.core.measurement import SEVERITY, Measurement, Pipeline, Verdict, worst
from services.core.overview import overview
from services.core.window import HOUR, TimeWindow

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)


def measured(verdict, subject="m", name="skew", column="", pipeline=Pipeline.SERVING, at=NOW):
    return Measurement(name=name, pipeline=pipeline, subject=subject, window=TimeWindow(NOW - HOUR, NOW), at=at,
                       verdict=verdict, reason=f"{name} {column}", column=column)


def test_of_nothing_the_verdict_is_inconclusive():
    assert worst([]) is Verdict.INCONCLUSIVE


def test_one_unsure_question_keeps_a_line_from_being_fine():
    (line,) = overview([measured(Verdict.PASS, column="a"), measured(Verdict.INCONCLUSIVE, column="b")], {})
    assert (line.verdict, line.measured) == (Verdict.INCONCLUSIVE, 2)


def test_the_fault_that_has_stood_longest_speaks_for_its_line():
    early, late = measured(Verdict.FAIL, column="a"), measured(Verdict.FAIL, column="b")
    (line,) = overview([late, early], {early.key: NOW - timedelta(days=1), late.key: NOW})
    assert (line.reason, line.since, line.failing) == ("skew a (and 1 more)", NOW - timedelta(days=1), 2)


def test_an_outage_speaks_before_an_older_drift_and_stands_first_of_what_fails():
    drift, outage = measured(Verdict.FAIL, column="a"), measured(Verdict.FAIL, name="outage")
    other = measured(Verdict.FAIL, subject="a", column="c")
    since = {drift.key: NOW - timedelta(days=7), other.key: NOW - timedelta(days=9), outage.key: NOW}
    assert [(line.subject, line.name) for line in overview([drift, outage, other], since)] == [
        ("m", "outage"), ("a", "skew")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Verdict)), max_size=20))
def test_lines_come_worst_first_and_none_is_lost(pairs):
    lines = overview([measured(v, subject=s, column=str(i)) for i, (s, v) in enumerate(pairs)], {})
    assert [line.verdict for line in lines] == sorted((line.verdict for line in lines), key=SEVERITY.index)
    assert {line.subject for line in lines} == {s for s, _ in pairs}
    assert sum(line.measured for line in lines) == len(pairs)


def test_of_faults_that_began_together_the_largest_speaks():
    small = replace(measured(Verdict.FAIL, column="a"), value=0.05, detail={"critical": 0.04})
    large = replace(measured(Verdict.FAIL, column="b"), value=0.84, detail={"critical": 0.13})
    (line,) = overview([small, large], {small.key: NOW, large.key: NOW})
    assert line.reason == "skew b (and 1 more)"
