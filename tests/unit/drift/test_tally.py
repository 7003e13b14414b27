from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.drift.measure import Against
from services.drift.tally import failed_share, tally
from services.profiles.baseline import Baseline, Level, Usual
from tests.unit.drift.conftest import NOW, Shelf, profile, rows

END = floor_to(NOW, DAY)


class Baselines:
    """Baselines by version, in memory."""

    def __init__(self, *known: Baseline) -> None:
        self._known = {(b.model, b.version): b for b in known}

    def get(self, model: str, version: str) -> Baseline | None:
        return self._known.get((model, version))


def served(baseline: Baseline, rng: np.random.Generator, *, moved: set[int], days: int = 10, second: int = 0) -> Shelf:
    """Return whole days up to END; `moved` counts them back from the last, `second` is how many version 2 served."""
    shelf = Shelf(baseline.layout)
    for k in range(days, 0, -1):
        for hour in range(24):
            drawn = rows(rng, 42, mean=1.0 if k in moved else 0.0)
            shelf.put(END - k * DAY + hour * HOUR, profile(baseline.layout, drawn), version="2" if k <= second else "1")
    return shelf


def found(baseline: Baseline, shelf: Shelf, *more: Baseline, days: int = 10) -> dict:
    window = TimeWindow(END - days * DAY, END)
    return {t.column: t for t in tally(Baselines(baseline, *more), shelf, "fares", window, Against.TRAINING,
                                       environment="production")}


def test_the_days_that_moved_are_counted_and_named(baseline: Baseline, rng: np.random.Generator) -> None:
    tallies = found(baseline, served(baseline, rng, moved={2, 5}))
    assert (tallies["amount"].days, tallies["amount"].fired) == (10, (END - 5 * DAY, END - 2 * DAY))
    assert tallies["amount"].rate == 0.2
    assert tallies["city"].fired == ()
    assert failed_share(list(tallies.values())) == (2, 20)


def test_a_column_that_moves_on_ordinary_days_counts_as_no_failure(
    baseline: Baseline, rng: np.random.Generator
) -> None:
    restless = replace(baseline, usual={"amount": Usual(training=Level(psi0=0.02, achieved=0.4, blocks=28))})
    tallies = found(restless, served(restless, rng, moved={1, 2, 3}))
    assert (len(tallies["amount"].fired), tallies["amount"].failed) == (3, 0)
    assert list(tallies) == ["city", "amount"]
    assert failed_share(list(tallies.values())) == (0, 10)


def test_each_day_is_held_against_the_version_that_served_it(baseline: Baseline, rng: np.random.Generator) -> None:
    moved = rows(rng, 20_000, mean=1.0)
    trained_anew = replace(baseline, version="2", profile=profile(baseline.layout, moved))
    shelf = served(baseline, rng, moved={1, 2, 3}, second=3)
    assert found(baseline, shelf, trained_anew)["amount"].fired == ()
    assert found(baseline, shelf)["amount"].days == 7, "a version without a baseline is left out"


def test_days_with_too_few_rows_are_neither_fine_nor_failed(baseline: Baseline, rng: np.random.Generator) -> None:
    shelf = Shelf(baseline.layout)
    for k in (3, 2):
        shelf.put(END - k * DAY, profile(baseline.layout, rows(rng, 30)))
    tallies = found(baseline, shelf)
    assert (tallies["amount"].days, tallies["amount"].unsure, tallies["amount"].failed) == (2, 2, 0)


def test_a_window_without_rows_has_no_tallies(baseline: Baseline) -> None:
    assert found(baseline, Shelf(baseline.layout)) == {}
    assert failed_share([]) == (0, 0)


@pytest.mark.parametrize("span", [timedelta(hours=30), timedelta(hours=47)])
def test_only_whole_days_are_judged(baseline: Baseline, rng: np.random.Generator, span: timedelta) -> None:
    shelf = served(baseline, rng, moved=set())
    [one, *_] = tally(Baselines(baseline), shelf, "fares", TimeWindow(END - span, END), Against.TRAINING,
                      environment="production")
    assert one.days == 1
