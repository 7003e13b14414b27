"""Both ways of telling weeks apart, on rows whose truth is known: no change, one column, and only the joint one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.adapters.telling_apart import BASE, ROWS, coder_of, tell_apart
from services.core.window import DAY, TimeWindow
from services.drift.multivariate import LEAST, Apart, How, windows
from tests.conftest import NOW

WEEK, BEFORE = windows(now=NOW)
FEATURES = ["amount", "fare", "city"]
Joint = Callable[[np.random.Generator, int], tuple[Any, Any]]


def together(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    amount = rng.normal(0, 1, n)
    return amount, 0.95 * amount + 0.3 * rng.normal(0, 1, n)


def apart(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Return the same two distributions without their relation."""
    amount, fare = together(rng, n)
    return amount, rng.permutation(fare)


def shifted(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    amount, fare = together(rng, n)
    return amount + 2.5, fare


class Log:
    """Answers drawn per day; stands for the log's own drawing (tests/flows/test_together.py has the real one)."""

    def __init__(self, week: Joint, *, per_day: int = 200) -> None:
        self.week, self.per_day, self.asked = week, per_day, []

    def labelled_rows(self, window: TimeWindow, features: list[str], *, environment: str, rows: int, labelled: bool,
                      ) -> pa.Table | None:
        self.asked.append((window, rows, environment, labelled))
        rng, tables = np.random.default_rng(9), []
        for day in window.buckets(DAY):
            amount, fare = (self.week if window == WEEK else together)(rng, self.per_day)
            tables.append(pa.table({
                "day": [day.start] * self.per_day, "amount": pa.array(amount, mask=rng.random(self.per_day) < 0.02),
                "fare": fare, "city": rng.choice(["ams", "ber", None], self.per_day)}))
        whole = pa.concat_tables(tables)
        return whole.take(np.random.default_rng(1).permutation(whole.num_rows)[:rows])


def told(week: Joint, how: How, **more: Any) -> Apart:
    found = tell_apart(Log(week, **more), FEATURES, WEEK, BEFORE, how, environment="production")
    assert found is not None
    return found


@pytest.mark.parametrize("how", How)
def test_a_week_like_any_other_is_not_told(how: How) -> None:
    found = told(together, how)
    assert not found.fires
    assert found.auc == pytest.approx(0.5, abs=0.05)
    assert len(found.usual) >= 2
    assert all(abs(auc - 0.5) < 0.06 for auc in found.usual)


@pytest.mark.parametrize("how", How)
def test_a_relation_that_broke_is_told_though_no_column_moved(how: How) -> None:
    found = told(apart, how)
    assert found.fires, found
    assert {name for name, _ in found.columns[:2]} == {"amount", "fare"}


def test_a_column_that_moved_is_named_first() -> None:
    found = told(shifted, How.CLASSIFIER)
    assert found.fires, found
    assert "amount" in {name for name, _ in found.columns[:2]}
    assert sum(share for _, share in found.columns) == pytest.approx(1.0)


def test_few_rows_teach_nothing() -> None:
    found = told(together, How.CLASSIFIER, per_day=LEAST // 7 - 5)
    assert (found.n < LEAST, found.usual, found.fires) == (True, (), False)


def test_a_bounded_sample_is_asked_for_and_no_label() -> None:
    log = Log(together, per_day=LEAST // 7 - 5)
    tell_apart(log, FEATURES, WEEK, BEFORE, How.CLASSIFIER, environment="staging")
    assert log.asked == [(BEFORE, BASE, "staging", False), (WEEK, ROWS, "staging", False)]


def test_no_rows_are_no_answer() -> None:
    class Empty:
        def labelled_rows(self, *_: Any, **__: Any) -> None:
            return None

    assert tell_apart(Empty(), FEATURES, WEEK, BEFORE, How.CLASSIFIER, environment="production") is None


def test_columns_become_numbers_and_what_is_missing_stays_so() -> None:
    table = pa.table({"x": [1.0, None, float("inf"), 3.0], "c": ["a", "b", None, "a"], "empty": pa.nulls(4)})
    coder = coder_of(table, ["x", "c", "empty"])
    new = pa.table({"x": [2.0, None], "c": ["b", "never seen"], "empty": pa.nulls(2)})
    matrix = coder.matrix(new)
    assert matrix[:, :2].tolist()[0] == [2.0, 1.0]
    assert np.isnan(matrix[1, 0])
    assert matrix[1, 1] == 2.0, "a place of its own behind the known ones"
    spread, places = coder.spread(matrix)
    assert [name for name, _ in places] == ["x", "c", "empty"]
    assert spread.shape == (2, 2 + 3 + 2)
    assert spread[:, places[0][1]].tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert np.isfinite(spread).all()
