import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from services.quality.binary import BINS, BinaryScores, auc, average_precision, bin_of, calibration
from services.quality.coverage import Coverage
from services.quality.metric import share_metric, worse_by
from services.quality.multiclass import ClassScores
from services.quality.regression import SUMS, RegressionScores


def counted(score: np.ndarray, label: np.ndarray) -> BinaryScores:
    positive, negative, yes, no = (np.zeros(BINS, np.int64) for _ in range(4))
    for s, y in zip(score, label, strict=True):
        place = bin_of(float(s))
        (positive if y else negative)[place] += 1
        (yes if s >= 0.5 else no)[place] += 1
    loss = -np.log(np.where(label == 1, score, 1 - score))
    brier = (score - label) ** 2
    said = score >= 0.5
    return BinaryScores(
        positive=positive, negative=negative, yes=yes, no=no,
        sums={"log_loss": loss.sum(), "log_loss2": (loss**2).sum(), "brier": brier.sum(), "brier2": (brier**2).sum()},
        cells={"tp": int((said & (label == 1)).sum()), "fp": int((said & (label == 0)).sum()),
               "tn": int((~said & (label == 0)).sum()), "fn": int((~said & (label == 1)).sum())},
    )


def drawn(seed: int, n: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-rng.normal(shift, 1.5, n)))
    return score, (rng.random(n) < score).astype(int)


@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_metrics_from_counts_agree_with_scikit_learn_for_balanced_and_for_rare_classes(shift: float):
    score, label = drawn(1, 30_000, shift)
    found = counted(score, label).metrics()
    assert abs(found["auc"].value - sk.roc_auc_score(label, score)) < 0.002
    assert abs(found["average_precision"].value - sk.average_precision_score(label, score)) < 0.006
    assert np.isclose(found["log_loss"].value, sk.log_loss(label, score))
    assert np.isclose(found["brier"].value, sk.brier_score_loss(label, score))
    assert np.isclose(found["f1"].value, sk.f1_score(label, score >= 0.5))
    assert np.isclose(found["recall"].value, sk.recall_score(label, score >= 0.5))


def test_the_interval_of_the_auc_holds_the_truth_about_95_times_in_100():
    score, label = drawn(2, 200_000)
    truth = sk.roc_auc_score(label, score)
    inside = 0
    for k in range(200):
        part = slice(k * 1_000, (k + 1) * 1_000)
        found = auc(counted(score[part], label[part]))
        inside += found is not None and (found.low or 0) <= truth <= (found.high or 1)
    assert 180 <= inside <= 200


def test_four_answers_have_the_auc_that_a_hand_counts():
    # Positives .8 and .4, negatives .6 and .2: three of four pairs are in order.
    found = counted(np.array([0.8, 0.4, 0.6, 0.2]), np.array([1, 1, 0, 0]))
    assert (auc(found) or pytest.fail("none")).value == 0.75
    assert np.isclose(average_precision(found), (1.0 + 2 / 3) / 2)


def test_one_class_has_no_auc_and_no_answer_no_metric():
    assert "auc" not in counted(np.array([0.3, 0.4]), np.array([1, 1])).metrics()
    assert BinaryScores().metrics() == {}
    assert calibration(BinaryScores()) == []


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 60))
def test_the_scores_of_the_whole_are_the_sum_of_the_parts(seed: int, a: int, b: int):
    score, label = drawn(seed, a + b)
    parts = counted(score[:a], label[:a]).merge(counted(score[a:], label[a:]))
    whole = counted(score, label)
    assert (parts.positive == whole.positive).all()
    assert parts.cells == whole.cells
    assert np.isclose(parts.sums["log_loss"], whole.sums["log_loss"])
    assert BinaryScores.from_json(parts.to_json()).to_json() == parts.to_json()


def test_scores_that_are_right_are_calibrated_and_shifted_ones_are_not():
    score, label = drawn(5, 40_000)
    assert counted(score, label).metrics()["calibration_error"].value < 0.02
    off = np.clip(score + 0.15, 0, 0.999)
    assert counted(off, label).metrics()["calibration_error"].value > 0.08


def test_errors_of_one_minus_one_and_four_have_mae_two():
    e = np.array([1.0, -1.0, 4.0])
    label = np.array([10.0, 20.0, 30.0])
    sums = dict.fromkeys(SUMS, 0.0) | {
        "error": e.sum(), "absolute": np.abs(e).sum(), "square": (e**2).sum(), "fourth": (e**4).sum(),
        "label": label.sum(), "label2": (label**2).sum(), "q50": (np.abs(e) / 2).sum(), "q50_2": (e**2 / 4).sum()}
    found = RegressionScores(n=3, sums=sums).metrics()
    assert found["mae"].value == 2.0
    assert np.isclose(found["rmse"].value, np.sqrt(6))
    assert np.isclose(found["bias"].value, 4 / 3)
    assert np.isclose(found["r2"].value, sk.r2_score(label, label + e))
    assert np.isclose(found["quantile_loss_50"].value, 1.0)
    assert RegressionScores().metrics() == {}


def test_classes_agree_with_scikit_learn():
    rng = np.random.default_rng(4)
    label = rng.integers(0, 3, 900)
    said = np.where(rng.random(900) < 0.7, label, rng.integers(0, 3, 900))
    table: dict[tuple[str, str], int] = {}
    for a, b in zip(label, said, strict=True):
        table[str(a), str(b)] = table.get((str(a), str(b)), 0) + 1
    found = ClassScores(table=table)
    assert np.isclose(found.metrics()["macro_f1"].value, sk.f1_score(label, said, average="macro"))
    assert np.isclose(found.classes()["1"]["precision"].value, sk.precision_score(label, said, average=None)[1])
    assert ClassScores.from_json(found.to_json()).table == table


def test_absent_is_not_late_in_the_coverage():
    found = Coverage(rows=100, labelled=60, absent={"cancelled": 20})
    assert (found.never, found.due, found.waiting) == (20, 80, 20)
    assert found.share == 0.75
    assert "20 will never come (20 cancelled)" in found.text()
    assert Coverage(rows=5, absent={"cancelled": 5}).share is None


def test_wilsons_interval_of_eight_in_ten():
    found = share_metric(8, 10)
    assert np.isclose([found.low, found.high], [0.4902, 0.9433], atol=1e-3).all()


def test_worse_is_positive_whichever_way_is_better():
    assert worse_by("auc", 0.70, 0.74) > 1 > worse_by("auc", 0.73, 0.74)
    assert worse_by("mae", 12.0, 10.0) > 1
    assert worse_by("mae", 9.0, 10.0) < 0
