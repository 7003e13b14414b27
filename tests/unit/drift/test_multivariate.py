from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from services.core.measurement import Verdict, Why
from services.core.window import DAY
from services.drift.measure import Subject
from services.drift.multivariate import FLOOR, LEAST, MARGIN, Apart, How, measured, windows
from tests.unit.drift.conftest import NOW

SUBJECT = Subject(model="fares", environment="production", version="1")
QUIET = Apart(auc=0.55, n=1_000, m=4_000, usual=(0.52, 0.56, 0.5, 0.53))


def verdict(found: Apart | None, how: How = How.CLASSIFIER) -> tuple[Verdict, str]:
    week, _ = windows(now=NOW)
    m = measured(SUBJECT, week, how, found, at=NOW)
    return m.verdict, m.reason


def test_the_standard_error_is_that_of_hanley_and_mcneil_s_example() -> None:
    # q1 = .7 / 1.3 = .538, q2 = .98 / 1.7 = .576; (.21 + 99 * .0485 + 99 * .0865) / 10,000 = .001357
    assert Apart(auc=0.7, n=100, m=100).error == pytest.approx(0.0368, abs=2e-4)


def test_the_standard_error_is_the_spread_of_drawn_ones() -> None:
    from sklearn.metrics import roc_auc_score

    rng, y = np.random.default_rng(3), np.repeat([1, 0], 200)
    drawn = [roc_auc_score(y, np.concatenate((rng.normal(0.7, 1, 200), rng.normal(0, 1, 200)))) for _ in range(300)]
    assert Apart(auc=float(np.mean(drawn)), n=200, m=200).error == pytest.approx(np.std(drawn), rel=0.15)


def test_the_window_is_the_last_closed_week_and_the_four_before_it_do_not_touch_it() -> None:
    week, before = windows(now=NOW)
    assert (week.length, before.length, before.end) == (7 * DAY, 28 * DAY, week.start)
    assert NOW - week.end < DAY
    assert week.end.hour == 0


def test_a_week_that_differs_no_more_than_those_before_passes() -> None:
    assert verdict(QUIET)[0] is Verdict.PASS
    often = replace(QUIET, auc=0.8, usual=(0.79, 0.6, 0.7, 0.81))
    assert often.allowed == pytest.approx(0.81 + MARGIN)
    assert verdict(often)[0] is Verdict.PASS, "weeks are that different here"


def test_a_week_that_differs_more_fails_and_names_what_tells_it() -> None:
    moved = replace(QUIET, auc=0.75, columns=(("amount", 0.7), ("city", 0.26), ("rest", 0.04)))
    found, reason = verdict(moved, How.AUTOENCODER)
    assert found is Verdict.FAIL
    assert reason.startswith("autoencoder tells this week from the four before, most by amount (70%), city (26%): AUC")
    assert "rest" not in reason
    assert f"alarm from {FLOOR:.2f}" in reason


def test_a_difference_within_chance_is_none() -> None:
    few = Apart(auc=0.64, n=LEAST, m=LEAST, usual=(0.5, 0.5))
    assert few.auc > few.allowed
    assert verdict(few)[0] is Verdict.PASS


@pytest.mark.parametrize(("found", "said"), [
    (None, "no rows are too few"),
    (replace(QUIET, n=LEAST - 1), f"{LEAST - 1} rows against 4,000 are too few, {LEAST} on each side are needed"),
    (replace(QUIET, usual=(0.5,)), "fewer than two weeks before have rows to say what is usual"),
    (replace(QUIET, auc=1.0, usual=(0.99, 0.6)), "tells any week from the others: nothing can be seen"),
])
def test_what_nobody_can_say_is_inconclusive(found: Apart | None, said: str) -> None:
    verdict_, reason = verdict(found)
    assert verdict_ is Verdict.INCONCLUSIVE
    assert said in reason


def test_the_measurement_carries_its_evidence() -> None:
    week, _ = windows(now=NOW)
    m = measured(SUBJECT, week, How.CLASSIFIER, replace(QUIET, columns=(("amount", 1.0),)), at=NOW + timedelta(hours=1))
    assert (m.name, m.column, m.unit, m.n, m.value) == ("multivariate_drift", "domain classifier", "AUC", 1_000, 0.55)
    assert m.detail["usual"] == [0.52, 0.56, 0.5, 0.53]
    assert m.detail["columns"] == [{"column": "amount", "share": 1.0}]
    assert measured(SUBJECT, week, How.CLASSIFIER, None, at=NOW).why is Why.TOO_FEW
