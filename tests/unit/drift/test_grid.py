from dataclasses import replace
from datetime import timedelta

import numpy as np

from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.drift.gather import looks
from services.drift.grid import grid
from services.drift.measure import Against, compare_column
from services.profiles.baseline import Baseline, Level, Usual
from tests.unit.drift.conftest import NOW, filled, gatherer, profile, rows


def test_what_moved_stands_first_and_says_since_when(baseline: Baseline, rng: np.random.Generator) -> None:
    shelf = filled(baseline, rng, hours=24 * 7)
    since = floor_to(NOW, DAY) - 2 * DAY
    shelf.items = [i for i in shelf.items if i.bucket.start < since]
    for k in range(48):
        shelf.put(since + k * HOUR, profile(baseline.layout, rows(rng, 42, mean=0.8)))
    found = grid(gatherer(baseline, shelf), TimeWindow(NOW - timedelta(days=6), NOW), Against.TRAINING)
    assert found.columns == ("amount", "city")
    assert found.since("amount") == since
    assert found.since("city") is None
    assert [cell.effect.fires for cell in found.of("amount")][-2:] == [True, True]


def test_the_last_cell_of_a_short_range_is_the_window_of_the_verdict(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    of = gatherer(baseline, filled(baseline, rng, hours=60))
    found = grid(of, TimeWindow(NOW - DAY, NOW), Against.TRAINING)
    assert found.step == HOUR
    pair = of.pair(looks(DAY, now=NOW)[0], Against.TRAINING)
    for column in found.columns:
        cells = found.of(column)
        assert len(cells) == 24
        assert cells[-1].effect == compare_column(column, pair, baseline, Against.TRAINING).effect


def test_a_day_that_is_not_over_is_no_cell(baseline: Baseline, rng: np.random.Generator) -> None:
    found = grid(gatherer(baseline, filled(baseline, rng, hours=24 * 6)), TimeWindow(NOW - timedelta(days=5), NOW),
                 Against.TRAINING)
    assert max(cell.bucket.end for cell in found.cells) == floor_to(NOW, DAY)
    assert {cell.effect.n for cell in found.cells} == {24 * 42}


def test_a_column_of_the_calendar_is_shown_by_weeks(baseline: Baseline, rng: np.random.Generator) -> None:
    weekly = replace(baseline, usual={"city": Usual(days=7)})
    found = grid(gatherer(weekly, filled(baseline, rng, hours=24 * 15)), TimeWindow(NOW - timedelta(days=5), NOW),
                 Against.TRAINING)
    assert {cell.effect.n for cell in found.of("city")} == {7 * 24 * 42}
    assert {cell.effect.n for cell in found.of("amount")} == {24 * 42}


def test_a_week_whose_week_before_is_not_whole_is_no_cell(baseline: Baseline, rng: np.random.Generator) -> None:
    weekly = replace(baseline, usual={"city": Usual(days=7)})
    of = gatherer(weekly, filled(baseline, rng, hours=24 * 16 + 15))
    window = TimeWindow(NOW - timedelta(days=12), NOW)
    began = floor_to(NOW, DAY) - 16 * DAY
    found = grid(of, window, Against.PREVIOUS).of("city")
    assert found
    assert min(cell.bucket.end for cell in found) >= began + 14 * DAY
    assert {cell.effect.m for cell in found} == {7 * 24 * 42}
    assert len(grid(of, window, Against.TRAINING).of("city")) > len(found)


def test_the_same_hours_of_four_weeks_and_the_day_before_are_baselines_too(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    of = gatherer(baseline, filled(baseline, rng, hours=24 * 35, per_hour=20))
    window = TimeWindow(NOW - timedelta(days=3), NOW)
    for against, times in ((Against.SEASONAL, 4), (Against.PREVIOUS, 1)):
        last = grid(of, window, against).of("amount")[-1]
        assert (last.effect.n, last.effect.m) == (480, 480 * times)
        assert not last.effect.fires


def test_nothing_counted_gives_an_empty_grid(baseline: Baseline, rng: np.random.Generator) -> None:
    found = grid(gatherer(baseline, filled(baseline, rng, hours=0)), TimeWindow(NOW - DAY, NOW), Against.TRAINING)
    assert (found.cells, found.columns) == ((), ())


def test_what_moves_on_ordinary_days_too_stands_below_what_does_not(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    shelf = filled(baseline, rng, hours=24)
    for k in range(24 * 5, 24, -1):
        shelf.put(NOW - k * HOUR, profile(baseline.layout, rows(rng, 42, mean=1.0)))
    restless = replace(baseline, usual={"amount": Usual(training=Level(psi0=0.02, achieved=0.6, blocks=28))})
    found = grid(gatherer(restless, shelf), TimeWindow(NOW - timedelta(days=5), NOW), Against.TRAINING)
    assert found.columns == ("city", "amount")
    assert found.restless == {"amount"}
