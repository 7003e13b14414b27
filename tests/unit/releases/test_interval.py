"""How sure a metric is comes from the run or from the number of rows, and is never made up."""

import pytest
from scipy.stats import binomtest

from services.releases.evidence import changes
from services.releases.interval import bounds, intervals, wilson
from tests.fakes_target import facts


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (1, 40), (811, 1000), (40, 40)])
def test_a_share_of_rows_has_the_interval_that_scipy_gives_it(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_an_interval_is_the_runs_own_or_follows_from_its_standard_error_or_from_the_tested_rows() -> None:
    metrics = {"auc": 0.8, "auc_low": 0.77, "auc_high": 0.83, "mae": 4.0, "mae_se": 0.1, "val_accuracy": 0.9,
               "log_loss": 0.4}
    found = intervals(metrics, {"data.tested_rows": "1000"}, {})
    assert found["auc"] == (0.77, 0.83)
    assert found["mae"] == pytest.approx((3.804, 4.196), abs=1e-3)
    assert found["val_accuracy"] == wilson(0.9, 1000)
    assert "log_loss" not in found  # rows alone do not tell it
    assert bounds(metrics) == {"auc_low", "auc_high", "mae_se"}


@pytest.mark.parametrize("rows", ["", "many", "-3", "1e3"])
def test_without_a_number_of_rows_nothing_is_made_up(rows: str) -> None:
    assert intervals({"accuracy": 0.9}, {"data.tested_rows": rows}, {}) == {}


def test_what_changes_carries_the_interval_and_not_its_ends_as_metrics_of_their_own() -> None:
    before = facts("m", "1", metrics={"auc": 0.78, "auc_low": 0.76, "auc_high": 0.80})
    after = facts("m", "2", metrics={"auc": 0.79, "auc_low": 0.77, "auc_high": 0.81})
    assert [c for c in changes(after, before) if c["what"] == "metric"] == [
        {"what": "metric", "name": "auc", "champion": 0.78, "candidate": 0.79, "interval": [0.77, 0.81]}]
