"""What the year of the flights holds shows as what it is: the blizzard, the storms of summer, the seasons.

The fast demo lacks most of the year and the full one takes minutes, so its days are counted here without the home
around them: the same flights, bins, psi0 and test, a smaller model of the same kind.
"""

from datetime import date

import pandas as pd
import pytest

from services.adapters import profile_engine
from services.adapters.profile_sql import Source, identifier
from services.demo.features import DELAY
from services.demo.flights import data_folder, read_journeys
from services.demo.models import answer, train
from services.drift.compare import Comparison, compare
from services.drift.measure import Against, is_restless, level_of
from services.profiles.baseline import LABEL, SCORE, Baseline
from services.profiles.profile import Profile

COLUMNS = {"temp": "temp", LABEL: "delayed", SCORE: "score"}
BLIZZARD = [date(2013, 2, 8), date(2013, 2, 9)]


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    """Return the flights of 2013 with the local time of their departure."""
    journeys = read_journeys(data_folder(), weeks=0)
    return journeys.assign(
        left=journeys["departs"].dt.tz_convert("America/New_York").dt.tz_localize(None), score=float("nan"))


def span(year: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    return year[(year["left"] >= first) & (year["left"] < last)]


def fitted(rows: pd.DataFrame) -> Baseline:
    return profile_engine.fit_baseline(
        rows[["left", *COLUMNS.values()]], features=["temp"], score="score", label="delayed", timestamp="left")


def by_day(baseline: Baseline, rows: pd.DataFrame) -> dict[date, Profile]:
    with profile_engine.connect() as connection:
        connection.register("flown", rows[["left", *COLUMNS.values()]])
        sources = {ours: Source(value=identifier(theirs), kind="DOUBLE") for ours, theirs in COLUMNS.items()}
        found = profile_engine.count(connection, "flown", baseline.layout, sources, time=identifier("left"))
    return {bucket.date(): profile for bucket, _, profile in found if bucket}


def skew(baseline: Baseline, day: Profile, column: str) -> Comparison:
    psi0 = level_of(baseline.usual_of(column), Against.TRAINING).psi0
    return compare(day.column(column), baseline.profile.column(column), psi0=psi0, alpha=0.001)


@pytest.fixture(scope="module")
def winter(year: pd.DataFrame) -> tuple[Baseline, dict[date, Profile]]:
    """Return the baseline of five weeks of winter, and the days of February."""
    baseline = fitted(span(year, "2013-01-01", "2013-02-06"))
    return baseline, by_day(baseline, span(year, "2013-02-01", "2013-03-01"))


def missing(day: Profile) -> float:
    return day.column(LABEL).missing / day.rows


def test_the_blizzard_shows_as_labels_that_are_missing(winter: tuple[Baseline, dict[date, Profile]]) -> None:
    baseline, days = winter
    assert [round(missing(days[day]), 2) for day in BLIZZARD] == [0.51, 0.57]
    assert missing(days[date(2013, 2, 10)]) < 0.04
    for day in BLIZZARD:
        found = skew(baseline, days[day], LABEL)
        assert found.effect.fires
        assert found.effect.effect > 10 * found.effect.critical
    fired = [day for day, profile in days.items() if skew(baseline, profile, LABEL).effect.fires]
    # Every third flight of the 11th was late: the airports were still digging themselves out.
    assert set(fired) - set(BLIZZARD) <= {date(2013, 2, 11), date(2013, 2, 26), date(2013, 2, 27)}


def test_the_blizzard_shows_as_volume_of_labels(winter: tuple[Baseline, dict[date, Profile]]) -> None:
    _, days = winter
    labelled = {day: profile.column(LABEL).n for day, profile in days.items()}
    for day in BLIZZARD:
        week_before, week_after = (labelled[day.replace(day=day.day + by)] for by in (-7, 7))
        assert labelled[day] < 0.51 * min(week_before, week_after)


def test_the_seasons_show_as_what_they_are(year: pd.DataFrame, winter: tuple[Baseline, dict[date, Profile]]) -> None:
    baseline, days = winter
    july = by_day(baseline, span(year, "2013-07-01", "2013-08-01"))
    for day in july.values():
        found = skew(baseline, day, "temp")
        assert found.effect.fires
        assert found.largest is not None
        assert "above the baseline's range" in found.largest.text("the training baseline")
    # Winter's own days differ as well, as weather does: its temperature warns and never fails.
    assert is_restless(level_of(baseline.usual_of("temp"), Against.TRAINING))
    assert max(day.column("temp").out_of_range / day.rows for day in days.values()) < 0.05
    assert min(day.column("temp").out_of_range / day.rows for day in july.values()) > 0.5


def test_the_storms_of_summer_show_in_labels_and_in_predictions(year: pd.DataFrame) -> None:
    spring, summer = span(year, "2013-03-01", "2013-05-15"), span(year, "2013-05-15", "2013-08-16")
    model = train(DELAY, spring[::8], iterations=12)
    spring, summer = (rows.assign(score=answer(DELAY, model, rows)[1]) for rows in (spring, summer))
    baseline = fitted(spring)
    days = by_day(baseline, summer)
    late = summer.groupby(summer["left"].dt.date)["delayed"].mean().sort_values()
    labels, predictions = (
        {day for day, profile in days.items() if skew(baseline, profile, column).effect.fires}
        for column in (LABEL, SCORE))
    worst, calm = set(late.index[-10:]), set(late.index[:40])
    assert {date(2013, 5, 23), date(2013, 6, 13), date(2013, 7, 1), date(2013, 8, 8)} <= worst
    assert worst <= labels
    assert not calm & labels
    # The model knows the weather an hour before: it foresees most storms, and not all.
    assert len(worst & predictions) >= 5
    assert len(calm & predictions) < len(calm) / 2
