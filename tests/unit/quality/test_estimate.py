from datetime import timedelta

import numpy as np
from sklearn.isotonic import IsotonicRegression

from services.core.measurement import Verdict, Why
from services.core.window import DAY
from services.quality.binary import BINS, BinaryScores, bin_of
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay
from services.quality.estimate import calibrate, estimate
from services.quality.foresee import estimated_quality
from services.quality.measure import Subject
from tests.conftest import NOW
from tests.unit.quality.test_scores import counted, drawn

SUBJECT = Subject(model="fares", environment="production", version="1", task="binary")
MIDNIGHT = NOW.replace(hour=0)


def day(back: int, scores: BinaryScores, labelled: bool = True) -> ScoreDay:
    none = np.zeros(BINS, np.int64)
    shown = scores if labelled else BinaryScores(positive=none, negative=none, yes=scores.yes, no=scores.no)
    n = int((scores.yes + scores.no).sum())
    return ScoreDay(model="fares", environment="production", version="1", variant="champion", slice="",
                    day=MIDNIGHT - back * DAY, coverage=Coverage(rows=n, labelled=n if labelled else 0), scores=shown)


def test_counts_by_bin_calibrate_as_the_answers_one_by_one_would_and_keep_their_mean():
    score, label = drawn(9, 4_000)
    found = counted(score, label)
    ours = calibrate(found)
    places = np.array([bin_of(float(s)) for s in score])
    theirs = IsotonicRegression().fit(places, label)
    assert ours is not None
    there = np.unique(places)
    assert np.allclose(ours[there], theirs.predict(there))
    assert (np.diff(ours) >= 0).all()
    assert np.isclose((ours * (found.positive + found.negative)).sum(), label.sum())


def test_expected_counts_estimate_the_metrics_without_one_label():
    score, label = drawn(10, 40_000)
    calibrated = calibrate(counted(score, label))
    fresh_score, fresh_label = drawn(11, 40_000)
    fresh = counted(fresh_score, fresh_label)
    assert calibrated is not None
    found, real = estimate(fresh, calibrated), fresh.metrics()
    for name in ("auc", "accuracy", "f1", "recall", "brier"):
        assert abs(found[name] - real[name].value) < 0.015, name
    assert estimate(BinaryScores(), calibrated) == {}


def test_few_labels_or_one_class_calibrate_nothing():
    score, label = drawn(12, 100)
    assert calibrate(counted(score, label)) is None
    assert calibrate(counted(np.full(900, 0.4), np.zeros(900))) is None


def test_scores_that_lost_their_spread_are_told_as_probably_worse_before_any_label():
    days = [day(k, counted(*drawn(k, 900))) for k in range(2, 40)]
    rng = np.random.default_rng(0)
    flat = rng.uniform(0.45, 0.55, 900)
    fresh = [day(k, counted(flat, (rng.random(900) < flat).astype(int)), labelled=k > 1) for k in range(7)]
    days = [d for d in days if (MIDNIGHT - d.day) / DAY >= 7] + fresh
    found = estimated_quality(SUBJECT, days, timedelta(days=1), at=NOW)
    assert found is not None
    assert found.verdict is Verdict.WARN, found.reason
    assert found.detail["error"] is not None
    assert any(d["realised"] is not None for d in found.detail["days"])


def test_an_estimate_carries_its_own_past_error_and_passes_while_nothing_changed():
    days = [day(k, counted(*drawn(k, 900)), labelled=k > 1) for k in range(40)]
    found = estimated_quality(SUBJECT, days, timedelta(days=1), at=NOW)
    assert found is not None
    assert found.verdict is Verdict.PASS, found.reason
    assert 0 < found.detail["error"] < 0.05


def test_without_a_month_of_labels_there_is_no_estimate():
    days = [day(k, counted(*drawn(k, 900)), labelled=False) for k in range(5)]
    found = estimated_quality(SUBJECT, days, timedelta(days=1), at=NOW)
    assert found is not None
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)
