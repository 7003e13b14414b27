"""The same hours of other weeks, where the clock was changed in between: New York ends winter time on 8 March 2026."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.core.window import DAY, HOUR, WEEK, TimeWindow
from services.drift.gather import Gatherer
from services.drift.grid import grid
from services.drift.measure import Against, compare_column
from services.profiles.baseline import Baseline
from tests.unit.drift.conftest import Shelf, gatherer, profile

NEW_YORK = ZoneInfo("America/New_York")
AFTER = datetime(2026, 3, 10, tzinfo=NEW_YORK).astimezone(UTC)  # a Tuesday's midnight there, 04:00 in UTC
PER_HOUR = 50


@pytest.fixture
def local(baseline: Baseline, rng: np.random.Generator) -> Gatherer:
    """Return a model whose city follows the hour on New York's clock: from 18 to 21 it is always ams."""
    shelf, known = Shelf(baseline.layout), {}
    for evening in (True, False):
        city = ["ams" if evening else "ber"] * PER_HOUR
        known[evening] = profile(baseline.layout, {"amount": rng.normal(size=PER_HOUR), "city": city})
    for k in range(45 * 24):
        start = AFTER - 30 * DAY + k * HOUR
        shelf.put(start, known[18 <= start.astimezone(NEW_YORK).hour < 21])
    return gatherer(replace(baseline, zone=NEW_YORK), shelf)


def effect(of: Gatherer, window: TimeWindow) -> float:
    return compare_column("city", of.pair(window, Against.SEASONAL), of.baseline, Against.SEASONAL).effect.effect


def test_an_evening_is_compared_with_evenings_before_the_clock_was_changed(local: Gatherer) -> None:
    evening = TimeWindow(AFTER + 18 * HOUR, AFTER + 21 * HOUR)
    assert effect(local, evening) == 0.0
    in_utc = replace(local, baseline=replace(local.baseline, zone=UTC))
    assert effect(in_utc, evening) > 0.2


def test_the_cells_of_a_short_range_keep_to_the_clock_as_well(local: Gatherer) -> None:
    cells = grid(local, TimeWindow(AFTER, AFTER + DAY), Against.SEASONAL).of("city")
    assert len(cells) == 24
    assert {cell.effect.effect for cell in cells} == {0.0}


def test_days_are_compared_with_weeks_on_their_side_of_the_change_only(local: Gatherer) -> None:
    midnight = AFTER.replace(hour=0)
    cells = {cell.bucket.start: cell for cell in grid(
        local, TimeWindow(midnight - 3 * DAY, midnight + 14 * DAY), Against.SEASONAL).of("city")}
    first, second = cells[midnight], cells[midnight + WEEK]
    assert (first.effect.m, first.unsure) == (0, True)
    assert second.effect.m == 24 * PER_HOUR
    assert cells[midnight - 3 * DAY].effect.m == 3 * 24 * PER_HOUR


def test_a_slice_has_no_hours_to_look_beside(local: Gatherer) -> None:
    of = replace(local, subject=replace(local.subject, slice="city=ams"))
    day = TimeWindow(AFTER.replace(hour=0), AFTER.replace(hour=0) + DAY)
    assert of.weeks_before(day) == []
    assert of.weeks_before(day.shifted(timedelta(weeks=2))) == [day.shifted(k * WEEK) for k in (1, 0)]
