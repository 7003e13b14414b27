import re
from datetime import timedelta

import numpy as np
import pytest

from services.core.measurement import Measurement, Verdict, Why
from services.core.window import DAY, HOUR
from services.drift.gather import looks
from services.drift.measure import Against, Pair, Subject, measure, measure_rates
from services.errors import NotFound, Refused
from services.profiles.baseline import Baseline, Level, Role, Usual
from tests.unit.drift.conftest import NOW, filled, gatherer, profile, rows

SUBJECT = Subject(model="fares", environment="production", version="1")
SHIFTED, SAME = {"mean": 0.6}, {"mean": 0.0}


def verdict(baseline: Baseline, rng: np.random.Generator, looks_: list[dict], n: int = 1000,
            usual: Usual | None = None) -> Measurement:
    """Return the verdict on `amount` from windows drawn newest first."""
    if usual:
        baseline = Baseline(layout=baseline.layout, profile=baseline.profile, roles=baseline.roles,
                            usual={"amount": usual})
    pairs = [Pair(window=w, ours=profile(baseline.layout, rows(rng, n, **how)), theirs=baseline.profile)
             for w, how in zip(looks(DAY, now=NOW), looks_, strict=False)]
    return measure(SUBJECT, {1: pairs}, baseline, Against.TRAINING, at=NOW)[0]


@pytest.mark.parametrize(("newest_first", "expected"), [
    ([SAME, SAME, SAME], Verdict.PASS), ([SHIFTED, SAME, SAME], Verdict.WARN),
    ([SHIFTED, SHIFTED, SAME], Verdict.FAIL), ([SHIFTED, SAME, SHIFTED], Verdict.FAIL),
    ([SHIFTED, SHIFTED, SHIFTED], Verdict.FAIL), ([SAME, SHIFTED, SHIFTED], Verdict.PASS), ([SHIFTED], Verdict.WARN),
])
def test_two_of_three_windows_are_needed_to_fail(
    baseline: Baseline, rng: np.random.Generator, newest_first: list[dict], expected: Verdict
) -> None:
    assert verdict(baseline, rng, newest_first).verdict is expected


def test_a_standing_alarm_clears_only_well_below_its_threshold(baseline: Baseline) -> None:
    rng = np.random.default_rng(1)
    near = next(m for m in iter(lambda: verdict(baseline, rng, [{"mean": 0.185}, SHIFTED, SHIFTED], n=2000), None)
                if m.value is not None and 0.85 * m.detail["critical"] < m.value < m.detail["critical"])
    assert near.verdict is Verdict.FAIL
    assert "is not clear yet" in near.reason


def test_too_few_rows_are_inconclusive_with_the_number_needed(baseline: Baseline, rng: np.random.Generator) -> None:
    found = verdict(baseline, rng, [SAME, SAME, SAME], n=200)
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.TOO_FEW)
    assert f"{found.detail['needed']:,} would show a change of 0.09" in found.reason


def test_few_rows_that_are_plainly_different_still_fail(baseline: Baseline, rng: np.random.Generator) -> None:
    far = {"mean": 4.0}
    assert verdict(baseline, rng, [far, far, far], n=60).verdict is Verdict.FAIL


def test_no_rows_are_inconclusive_and_never_a_pass(baseline: Baseline, rng: np.random.Generator) -> None:
    found = verdict(baseline, rng, [SAME, SAME, SAME], n=0)
    assert (found.verdict, found.why, found.n) == (Verdict.INCONCLUSIVE, Why.NO_DATA, 0)


def test_a_column_that_is_restless_on_ordinary_days_warns_and_never_fails(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    found = verdict(baseline, rng, [SHIFTED] * 3, usual=Usual(training=Level(psi0=0.05, achieved=0.4, blocks=28)))
    assert found.verdict is Verdict.WARN
    assert "as it does on 40% of ordinary days" in found.reason


def test_the_usual_change_of_a_column_sets_its_threshold(baseline: Baseline, rng: np.random.Generator) -> None:
    found = verdict(baseline, rng, [{"mean": 0.35}] * 3, usual=Usual(training=Level(psi0=0.2, achieved=0.0, blocks=28)))
    assert found.verdict is Verdict.PASS
    assert found.detail["psi0"] == 0.2


def test_the_sentence_says_what_moved_and_where(baseline: Baseline, rng: np.random.Generator) -> None:
    found = verdict(baseline, rng, [{"nulls": 0.41}] * 3)
    said = r"amount moved: 4\d% of rows missing, 0% in the training baseline \(effect [\d.]+, alarm from "
    assert re.match(said, found.reason)


def test_predictions_have_names_of_their_own(baseline: Baseline, rng: np.random.Generator) -> None:
    scored = Baseline(layout=baseline.layout, profile=baseline.profile,
                      roles={"amount": Role.PREDICTION, "city": Role.LABEL})
    pair = Pair(window=looks(DAY, now=NOW)[0], ours=baseline.profile, theirs=baseline.profile)
    for against, name in zip(Against, ("prediction_skew", "prediction_drift", "prediction_drift_seasonal"),
                             strict=True):
        assert [m.name for m in measure(SUBJECT, {1: [pair]}, scored, against, at=NOW)] == [name]


def test_unseen_and_out_of_range_values_have_a_rule_of_their_own(baseline: Baseline, rng: np.random.Generator) -> None:
    def judged(bad: int) -> dict[str, Measurement]:
        drawn = rows(rng, 1000)
        drawn["amount"][:bad] = 99.0
        drawn["city"][:bad] = ["xyz"] * bad
        found = measure_rates(SUBJECT, looks(DAY, now=NOW)[0], profile(baseline.layout, drawn), baseline, at=NOW)
        return {m.name: m for m in found}

    one = judged(1)
    assert {m.verdict for m in one.values()} == {Verdict.PASS}
    assert one["unseen_rate"].value == 0.001
    many = judged(30)
    assert {m.verdict for m in many.values()} == {Verdict.FAIL}
    assert many["out_of_range_rate"].reason == "amount: 30 of 1,000 rows out of range (3.0%, allowed 0.5%)"


def test_windows_are_whole_hours_and_overlap_by_three_quarters() -> None:
    first, second, third = looks(DAY, now=NOW + timedelta(minutes=20))
    assert first.end == NOW
    assert (first.length, first.end - second.end, second.end - third.end) == (DAY, 6 * HOUR, 6 * HOUR)
    with pytest.raises(Refused, match="whole number of hours"):
        looks(timedelta(minutes=90), now=NOW)


def test_skew_looks_at_the_version_and_drift_at_everyone(baseline: Baseline, rng: np.random.Generator) -> None:
    shelf = filled(baseline, rng, hours=48)
    shelf.put(NOW - HOUR, profile(baseline.layout, rows(rng, 300)), version="2")
    of = gatherer(baseline, shelf)
    window = looks(DAY, now=NOW)[0]
    assert of.pair(window, Against.TRAINING).ours.rows == 24 * 42
    assert of.pair(window, Against.PREVIOUS).ours.rows == 24 * 42 + 300
    assert of.pair(window, Against.PREVIOUS).theirs.rows == 24 * 42


def test_a_slice_that_the_baseline_does_not_know_is_refused_by_name(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    with pytest.raises(NotFound, match="has no slice city=oslo: it has none"):
        gatherer(baseline, filled(baseline, rng, hours=2), "city=oslo").training()


def test_a_column_of_the_calendar_waits_for_a_whole_week(baseline: Baseline, rng: np.random.Generator) -> None:
    weekly = Baseline(layout=baseline.layout, profile=baseline.profile, roles=baseline.roles,
                      usual={"city": Usual(days=7)})
    for hours, expected in ((24 * 4, Verdict.INCONCLUSIVE), (24 * 12, Verdict.PASS)):
        of = gatherer(weekly, filled(baseline, rng, hours=hours))
        found = {m.column: m for m in of.measured(DAY, Against.TRAINING, now=NOW)}
        assert found["city"].verdict is expected, found["city"].reason
        assert found["amount"].verdict is Verdict.PASS
