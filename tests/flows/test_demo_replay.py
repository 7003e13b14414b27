"""The replay asks about each flight once, at its time, and labels what has landed; staging labels follow soon."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from services.demo.features import CATEGORICAL, FEATURES, MODELS
from services.demo.history import request_id
from services.demo.replay import LABEL_DELAY, Fast, Live, payload

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.fixture
def journeys() -> pd.DataFrame:
    """Three flights asked about at 15:00, 15:01 and 15:02; the second is cancelled."""
    frame = pd.DataFrame({name: ["UA"] * 3 if name in CATEGORICAL else [1.0] * 3 for name in FEATURES})
    return frame.assign(
        row=[10, 11, 12], flight_key=["UA1-EWR", "UA2-EWR", "UA3-EWR"],
        wind_gust=[float("nan"), 20.0, 21.0],
        predict_at=pd.to_datetime([NOW, NOW + minutes(1), NOW + minutes(2)], utc=True),
        known_at=pd.to_datetime([NOW + minutes(90), NOW + minutes(61), NOW + minutes(120)], utc=True),
        delayed=[1.0, float("nan"), 0.0], air_time=[60.0, float("nan"), 70.0], absent_reason=["", "cancelled", ""],
    )


class Gateway:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.up = True

    def __call__(self, environment: str, model: str, rows: pd.DataFrame, request_ids: Sequence[str]) -> bool:
        self.asked += [(environment, model, name) for name in request_ids]
        return self.up


def labels(root: Path, model: str) -> pd.DataFrame:
    files = sorted((root / "labels" / model).glob("date=*/*.parquet"))
    return pd.concat([pq.read_table(file, partitioning=None).to_pandas() for file in files], ignore_index=True)


def live(tmp_path: Path, journeys: pd.DataFrame, gateway: Gateway, since: datetime) -> Live:
    return Live(root=tmp_path, journeys=journeys, ask=gateway, cursor={"asked": since, "labelled": since})


def test_a_flight_is_asked_about_once_for_each_model_at_its_time(tmp_path: Path, journeys: pd.DataFrame) -> None:
    gateway = Gateway()
    replay = live(tmp_path, journeys, gateway, NOW - minutes(1))
    assert replay.turn(NOW - timedelta(seconds=1))[0] == 0
    assert replay.turn(NOW)[0] == 1
    assert replay.turn(NOW + timedelta(seconds=30))[0] == 0
    assert gateway.asked == [("production", model, request_id(10)) for model in MODELS]


def test_what_came_due_while_nothing_ran_is_not_asked_about(tmp_path: Path, journeys: pd.DataFrame) -> None:
    gateway = Gateway()
    replay = live(tmp_path, journeys, gateway, NOW - timedelta(hours=5))
    replay.turn(NOW + minutes(30))
    assert gateway.asked == []


def test_a_label_is_written_when_the_flight_has_landed_even_after_a_pause(
    tmp_path: Path, journeys: pd.DataFrame
) -> None:
    replay = live(tmp_path, journeys, Gateway(), NOW - minutes(1))
    assert replay.turn(NOW + minutes(60))[1] == 0
    assert replay.turn(NOW + minutes(95))[1] == 2
    again = live(tmp_path, journeys, Gateway(), replay.cursor["labelled"])
    assert again.turn(NOW + minutes(200))[1] == 1
    found = labels(tmp_path, "flight-delay").set_index("request_id")
    assert set(found.index) == {request_id(row) for row in (10, 11, 12)}
    assert found.loc[request_id(10), "label"] == 1.0
    assert found.loc[request_id(11), "absent_reason"] == "cancelled"
    assert pd.isna(found.loc[request_id(11), "label"])
    assert found.loc[request_id(10), "label_ts"] == pd.Timestamp(NOW + minutes(90))


def test_staging_labels_follow_after_a_few_seconds_for_answered_requests_only(
    tmp_path: Path, journeys: pd.DataFrame
) -> None:
    gateway = Gateway()
    fast = Fast(root=tmp_path, journeys=journeys, ask=gateway, name="x")
    fast.one("flight-delay", NOW)
    gateway.up = False
    fast.one("flight-delay", NOW)
    assert fast.label(NOW) == 0
    assert fast.label(NOW + LABEL_DELAY) == 1
    assert fast.label(NOW + LABEL_DELAY) == 0
    found = labels(tmp_path, "flight-delay")
    assert found["request_id"].tolist() == ["fast-x-0000000"]
    assert found["label_ts"].tolist() == [pd.Timestamp(NOW + LABEL_DELAY)]


def test_staging_goes_round_and_round_with_new_names(tmp_path: Path, journeys: pd.DataFrame) -> None:
    gateway = Gateway()
    fast = Fast(root=tmp_path, journeys=journeys, ask=gateway, name="x")
    for _ in range(7):
        fast.one("air-time", NOW)
    assert len({name for _, _, name in gateway.asked}) == 7
    assert all(environment == "staging" and name.startswith("fast-") for environment, _, name in gateway.asked)


def test_missing_weather_is_sent_as_null_and_ids_travel_with_the_rows(journeys: pd.DataFrame) -> None:
    body = payload(journeys, ["a", "b", "c"])
    columns = body["dataframe_split"]["columns"]
    assert columns == list(FEATURES)
    assert body["dataframe_split"]["data"][0][columns.index("wind_gust")] is None
    assert body["interlock"] == {"request_ids": ["a", "b", "c"], "entity_ids": journeys["flight_key"].tolist()}
