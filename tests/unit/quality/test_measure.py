from datetime import timedelta

import numpy as np

from services.core.measurement import Verdict, Why
from services.core.window import DAY
from services.quality.binary import BinaryScores
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay, unpack
from services.quality.measure import Subject, label_coverage, mature_window, quality
from tests.conftest import NOW
from tests.unit.quality.test_scores import counted, drawn

SUBJECT = Subject(model="fares", environment="production", version="1", task="binary")
MATURITY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)


def day(back: int, scores: BinaryScores, coverage: Coverage | None = None) -> ScoreDay:
    return ScoreDay(model="fares", environment="production", version="1", variant="champion", slice="",
                    day=MIDNIGHT - back * DAY, scores=scores,
                    coverage=coverage or Coverage(rows=scores.n, labelled=scores.n))


def random_labels(seed: int, n: int) -> BinaryScores:
    score, _ = drawn(seed, n)
    return counted(score, np.random.default_rng(seed).integers(0, 2, n))


def test_the_mature_week_ends_where_the_last_label_should_be_here():
    window = mature_window(MATURITY, now=NOW)
    assert window.end == MIDNIGHT - DAY
    assert window.length == 7 * DAY


def test_quality_far_below_the_validation_score_fails_with_both_numbers():
    days = [day(k, random_labels(k, 400)) for k in range(2, 9)]
    found = quality(SUBJECT, days, MATURITY, {"auc": 0.85}, at=NOW)
    assert found.verdict is Verdict.FAIL
    assert "0.85 was its validation score" in found.reason
    assert found.n == 2_800


def test_quality_as_validated_passes_and_carries_every_metric():
    days = [day(k, counted(*drawn(k, 400))) for k in range(2, 9)]
    found = quality(SUBJECT, days, MATURITY, {"auc": 0.83}, at=NOW)
    assert found.verdict is Verdict.PASS, found.reason
    assert {"auc", "log_loss", "brier", "f1", "calibration_error"} <= set(found.detail["metrics"])
    assert found.detail["calibration"]


def test_below_sixty_percent_of_its_labels_a_week_is_unsure_however_bad():
    days = [day(k, random_labels(k, 400), Coverage(rows=1_000, labelled=400)) for k in range(2, 9)]
    found = quality(SUBJECT, days, MATURITY, {"auc": 0.85}, at=NOW)
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.LATE)
    assert label_coverage(SUBJECT, days, MATURITY, 0, at=NOW).verdict is Verdict.FAIL


def test_labels_that_will_never_come_do_not_make_a_week_unsure():
    covered = Coverage(rows=1_000, labelled=400, absent={"cancelled": 600})
    days = [day(k, counted(*drawn(k, 400)), covered) for k in range(2, 9)]
    assert quality(SUBJECT, days, MATURITY, {"auc": 0.83}, at=NOW).verdict is Verdict.PASS
    assert label_coverage(SUBJECT, days, MATURITY, 0, at=NOW).verdict is Verdict.PASS


def test_immature_days_are_never_judged():
    found = quality(SUBJECT, [day(k, random_labels(k, 400)) for k in (0, 1)], MATURITY, {"auc": 0.85}, at=NOW)
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)


def test_without_a_validation_score_the_weeks_before_are_the_measure_and_without_both_nothing_is_said():
    before = [day(k, counted(*drawn(k, 400))) for k in range(9, 30)]
    bad = [day(k, random_labels(k, 400)) for k in range(2, 9)]
    assert quality(SUBJECT, before + bad, MATURITY, {}, at=NOW).verdict is Verdict.FAIL
    assert quality(SUBJECT, bad, MATURITY, {}, at=NOW).verdict is Verdict.INCONCLUSIVE


def test_contradicting_early_and_unknown_labels_are_told():
    covered = Coverage(rows=100, labelled=95, contradicting=3, early=2)
    found = label_coverage(SUBJECT, [day(3, BinaryScores(), covered)], MATURITY, 4, at=NOW)
    assert found.verdict is Verdict.WARN
    for words in ("3 contradict themselves", "2 were known too early", "4 labels belong to no logged request"):
        assert words in found.reason


def test_a_day_survives_being_stored():
    found = day(1, counted(*drawn(1, 50)), Coverage(rows=60, labelled=50, absent={"cancelled": 3}))
    coverage, scores = unpack("binary", found.pack())
    assert coverage == found.coverage
    assert scores.to_json() == found.scores.to_json()
