from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.core.measurement import Verdict, Why
from services.core.window import DAY
from services.quality.binary import bin_of
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay, unpack
from services.quality.estimate_classes import calibrate_classes, estimate_classes
from services.quality.foresee import estimated_quality
from services.quality.measure import Subject
from services.quality.multiclass import ClassScores
from tests.conftest import NOW

SUBJECT = Subject(model="fares", environment="production", version="1", task="multiclass")
MIDNIGHT = NOW.replace(hour=0)
CLASSES = 3

Array = np.ndarray[Any, np.dtype[Any]]


def drawn_classes(seed: int, n: int, *, sharp: float = 1.5, trust: float = 0.8) -> tuple[Array, Array, Array]:
    """Return (chances of each class, class said, label). `trust` below 1 makes the model surer than it should be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, sharp, (n, CLASSES)) + np.array([0.6, 0.0, -0.4])
    shown = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = np.exp(trust * logits) / np.exp(trust * logits).sum(axis=1, keepdims=True)
    label = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, CLASSES - 1)
    return shown, shown.argmax(axis=1), label


def counted_classes(shown: Array, said: Array, label: Array, *, labelled: bool = True) -> ClassScores:
    places = [(str(s), bin_of(float(row.max()))) for row, s in zip(shown, said, strict=True)]
    if not labelled:
        return ClassScores(asked=Counter(places))
    return ClassScores(
        table=Counter((str(y), str(s)) for y, s in zip(label, said, strict=True)), asked=Counter(places),
        known=Counter(places), right=Counter(p for p, s, y in zip(places, said, label, strict=True) if s == y))


def test_expected_cells_estimate_the_metrics_of_every_class_without_one_label():
    calibration = calibrate_classes(counted_classes(*drawn_classes(1, 20_000)))
    fresh = drawn_classes(2, 20_000)
    assert calibration is not None
    found = estimate_classes(counted_classes(*fresh, labelled=False), calibration)
    real = counted_classes(*fresh).metrics()
    assert set(found) == {"accuracy", "macro_precision", "macro_recall", "macro_f1"}
    for name, value in found.items():
        assert value == pytest.approx(real[name].value, abs=0.015), name
    assert estimate_classes(ClassScores(), calibration) == {}


def test_the_cells_of_a_hand_made_week_are_what_arithmetic_says():
    """Class 0 was right 9 times of 10 and else 1; class 1 always: 100 and 50 new answers are 90 and 50 right ones."""
    place = bin_of(0.7)
    week = ClassScores(table={("0", "0"): 450, ("1", "0"): 50, ("1", "1"): 300},
                       known={("0", place): 500, ("1", place): 300}, right={("0", place): 450, ("1", place): 300})
    calibration = calibrate_classes(week)
    assert calibration is not None
    found = estimate_classes(ClassScores(asked={("0", place): 100, ("1", place): 50}), calibration)
    assert found["accuracy"] == pytest.approx(140 / 150)
    assert found["macro_recall"] == pytest.approx((1 + 50 / 60) / 2)
    assert found["macro_precision"] == pytest.approx((0.9 + 1) / 2)


def test_a_class_that_was_said_rarely_is_calibrated_with_all_others():
    place = bin_of(0.7)
    week = ClassScores(table={("0", "0"): 480, ("1", "0"): 120, ("2", "2"): 5},
                       known={("0", place): 600, ("2", place): 5}, right={("0", place): 480, ("2", place): 5})
    calibration = calibrate_classes(week)
    assert calibration is not None
    assert calibration.chance("2", place) == pytest.approx(485 / 605)
    assert calibration.others("2") == {"0": 0.5, "1": 0.5}
    assert calibration.others("0") == {"1": 1.0}


@pytest.mark.parametrize("scores", [
    counted_classes(*drawn_classes(3, 100)), counted_classes(*drawn_classes(3, 900), labelled=False), ClassScores(),
    ClassScores(table={("0", "0"): 900}, known={("0", 130): 900}, right={("0", 130): 900}),
])
def test_few_labels_or_answers_that_were_all_right_calibrate_nothing(scores: ClassScores):
    assert calibrate_classes(scores) is None


def day(back: int, scores: ClassScores, *, labelled: bool = True) -> ScoreDay:
    n = sum(scores.asked.values())
    return ScoreDay(model="fares", environment="production", version="1", variant="champion", slice="",
                    day=MIDNIGHT - back * DAY, coverage=Coverage(rows=n, labelled=n if labelled else 0), scores=scores)


def test_an_estimate_of_classes_passes_while_nothing_changed_and_warns_when_the_model_grows_unsure():
    days = [day(k, counted_classes(*drawn_classes(k, 500), labelled=k > 1), labelled=k > 1) for k in range(38)]
    steady = estimated_quality(SUBJECT, days, timedelta(days=1), at=NOW)
    assert steady is not None
    assert (steady.verdict, steady.unit) == (Verdict.PASS, "macro_f1"), steady.reason
    assert 0 < steady.detail["error"] < 0.05
    unsure = [day(k, counted_classes(*drawn_classes(k, 500, sharp=0.3), labelled=k > 1), labelled=k > 1)
              for k in range(7)]
    worse = estimated_quality(SUBJECT, [*unsure, *days[7:]], timedelta(days=1), at=NOW)
    assert worse is not None
    assert worse.verdict is Verdict.WARN, worse.reason


def test_without_probabilities_nothing_is_estimated_and_without_labels_it_is_unsure():
    bare = [day(k, ClassScores(table={("0", "0"): 80, ("1", "0"): 20})) for k in range(30)]
    assert estimated_quality(SUBJECT, bare, timedelta(days=1), at=NOW) is None
    early = [day(k, counted_classes(*drawn_classes(k, 200), labelled=False), labelled=False) for k in range(5)]
    found = estimated_quality(SUBJECT, early, timedelta(days=1), at=NOW)
    assert found is not None
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)


def test_counts_merge_and_a_day_that_was_kept_without_scores_is_read():
    one, two = counted_classes(*drawn_classes(4, 300)), counted_classes(*drawn_classes(5, 300))
    both = one.merge(two)
    assert sum(both.known.values()) == 600
    assert unpack("multiclass", day(1, both).pack())[1] == both
    assert ClassScores.from_json({"table": [["0", "1", 4]]}) == ClassScores(table={("0", "1"): 4})
