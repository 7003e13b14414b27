"""A log that is a table of PostgreSQL: the same counts as the same rows in files, and only changed hours again."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters.log_ledger import LogLedger
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import SLICES, fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.table_log import TableLog
from services.core.window import DAY, HOUR, TimeWindow
from services.errors import SourceMalformed, SourceUnavailable
from services.monitor.steps.profiles import ProfilesStep
from services.predictions.ledger import FileState, LogFile
from services.profiles.baseline import SCORE, Baseline
from services.profiles.ports import Ask
from services.profiles.profile import merged
from services.settings.sections import Columns, Model
from tests.conftest import NOW

pytestmark = pytest.mark.postgres
LOG = Model(task="binary", log="served", format="table", features=["amount", "city"], slices=["city"])


def drawn(n: int, *, ids: str = "r") -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table({
        "ts": pa.array([NOW - DAY + timedelta(seconds=i * 86_400 / n) for i in range(n)], pa.timestamp("us", "UTC")),
        "model_version": rng.choice(["1", "2"], n), "environment": ["production"] * n, "variant": ["champion"] * n,
        "score": rng.random(n), "amount": pa.array(rng.normal(0, 1, n), mask=rng.random(n) < 0.1),
        "city": rng.choice(["ams", "ber", "cdg"], n), "request_id": [f"{ids}{i}" for i in range(n)],
        "status": ["error" if i % 9 == 0 else "ok" for i in range(n)],
    })


def logged_twice() -> pa.Table:
    """Return 800 answers of which 60 came a minute later again with other values, and 40 more without an id."""
    rows, again = drawn(800), drawn(60)
    later = pa.array([stamp + timedelta(minutes=1) for stamp in drawn(800)["ts"].to_pylist()[:60]], rows["ts"].type)
    again = again.set_column(0, "ts", later).set_column(5, "amount", pa.array([9.0] * 60))
    place = rows.column_names.index("request_id")
    nobody = drawn(40).set_column(place, "request_id", pa.array([None] * 40, pa.string()))
    return pa.concat_tables([again, rows, nobody])


@pytest.fixture
def url(postgres_url: str) -> str:
    address = postgres_url.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE served (ts timestamptz, model_version text, environment text, variant text, "
                           "score float8, amount float8, city text, request_id text, status text)")
    return address


@pytest.fixture
def table_log(url: str) -> Iterator[Callable[..., TableLog]]:
    opened = []

    def make(**settings: object) -> TableLog:
        opened.append(TableLog("fares", url, LOG.model_copy(update=settings)))
        return opened[-1]

    yield make
    for log in opened:
        log.close()


def write(url: str, table: pa.Table) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor, \
            cursor.copy("COPY served FROM STDIN") as copy:
        for row in table.to_pylist():
            copy.write_row(list(row.values()))


@pytest.fixture
def baseline() -> Baseline:
    return fit_baseline(drawn(5000), features=["amount", "city"], score="score").of_version("fares", "*")


def test_a_table_counts_like_files(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline, tmp_path: Path
) -> None:
    rows = logged_twice()
    write(url, rows)
    pq.write_table(rows, tmp_path / "rows.parquet")
    ask = Ask(layout=baseline.layout, window=TimeWindow(NOW - DAY, NOW), grain=HOUR, slices=["city"])
    answers = []
    files = ParquetLog("fares", tmp_path, LOG.model_copy(update={"format": "parquet"}))
    for log in (table_log(), files):
        found, bad = log.count(log.inspect(log.changes({})), ask)
        assert not bad
        answers.append({(c.place, c.bucket): (c.profile.rows, c.profile.counts.tolist()) for c in found})
        whole = merged(baseline.layout, (c.profile for c in found if not c.place.slice))
        assert whole.rows == 840, "a repeated request counts once, one without an id each time"
        assert whole.column(SCORE).rows == 840 - 89 - 5, "a failed one has no answer"
    assert answers[0] == answers[1]
    assert len(answers[0]) > 24


def test_a_table_without_a_column_of_ids_or_states_counts_every_row(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline
) -> None:
    write(url, logged_twice())
    ask = Ask(layout=baseline.layout, window=TimeWindow(NOW - DAY, NOW), grain=DAY)
    log = table_log(columns=Columns(request_id="nowhere", status="nowhere"))
    found, _ = log.count(log.inspect(log.changes({})), ask)
    whole = merged(baseline.layout, (c.profile for c in found))
    assert whole.rows == whole.column(SCORE).rows == 900


def test_a_column_with_a_value_per_row_is_cut_into_a_bounded_number_of_slices(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline, tmp_path: Path
) -> None:
    rows = drawn(800)
    other = rows.set_column(rows.column_names.index("city"), "city", pa.array([f"new {i}" for i in range(800)]))
    write(url, other)
    pq.write_table(other, tmp_path / "rows.parquet")
    ask = Ask(layout=baseline.layout, window=TimeWindow(NOW - DAY, NOW), grain=DAY, slices=["city", "amount"])
    for log in (table_log(), ParquetLog("fares", tmp_path, LOG.model_copy(update={"format": "parquet"}))):
        found, _ = log.count(log.inspect(log.changes({})), ask)
        by_slice: dict[str, int] = {}
        for item in found:
            by_slice[item.place.slice] = by_slice.get(item.place.slice, 0) + item.profile.rows
        assert [name for name in by_slice if name.startswith("city")] == ["city="]
        assert sum(name.startswith("amount=") for name in by_slice) == SLICES, "no value at all is one of them"
        assert {by_slice[""], by_slice["city="]} == {800}
        assert sum(n for name, n in by_slice.items() if name.startswith("amount=")) == 800


def test_only_changed_hours_are_counted_again(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline, db: OpsDb
) -> None:
    baselines, profiles = BaselineTable(db), ProfileTable(db)
    baselines.save(baseline, now=NOW)
    step = ProfilesStep(logs={"fares": table_log()}, slices={"fares": ["city"]}, baselines=baselines,
                        profiles=profiles, ledger=LogLedger(db), save=MeasurementTable(db).save)
    write(url, drawn(480))
    assert "24 buckets counted" in step.run(now=NOW)
    assert step.run(now=NOW) == "fares: nothing new"
    write(url, drawn(480, ids="new").slice(0, 3))
    assert "1 buckets counted" in step.run(now=NOW)
    found = profiles.cover(baseline.layout, TimeWindow(NOW - DAY, NOW), model="fares", environment="production")
    assert merged(baseline.layout, (c.profile for c in found)).rows == 483
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM served WHERE ts < %s", [NOW - DAY + HOUR])
    step.run(now=NOW)
    found = profiles.cover(baseline.layout, TimeWindow(NOW - DAY, NOW), model="fares", environment="production")
    assert merged(baseline.layout, (c.profile for c in found)).rows == 460


def test_rows_of_times_to_come_do_not_carry_the_look_past_rows_that_come_now(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline, db: OpsDb
) -> None:
    baselines, profiles = BaselineTable(db), ProfileTable(db)
    baselines.save(baseline, now=NOW)
    step = ProfilesStep(logs={"fares": table_log()}, slices={}, baselines=baselines, profiles=profiles,
                        ledger=LogLedger(db), save=MeasurementTable(db).save)
    rows = drawn(240)
    times = [NOW + 40 * HOUR, NOW + 400 * DAY, "infinity", "9999-12-31", "0001-01-01", "1970-01-01"]
    write(url, rows)
    one = "INSERT INTO served (ts, model_version, environment, variant) VALUES (%s, '1', 'production', 'champion')"
    with psycopg.connect(url) as connection:
        for time in times:
            connection.execute(one, [time])
    step.run(now=NOW)
    with psycopg.connect(url) as connection:
        connection.execute(one, [NOW - 20 * HOUR])
    assert "1 buckets counted" in step.run(now=NOW + HOUR)
    found = profiles.cover(baseline.layout, TimeWindow(NOW - DAY, NOW + 2 * DAY), model="fares",
                           environment="production")
    assert merged(baseline.layout, (c.profile for c in found)).rows == 242


def test_the_last_hour_that_is_looked_at_is_a_whole_one(table_log: Callable[..., TableLog], url: str) -> None:
    now = NOW + timedelta(minutes=20)
    write(url, drawn(1))
    with psycopg.connect(url) as connection:
        for minutes in (-10, 10, 40):
            connection.execute("INSERT INTO served (ts, model_version) VALUES (%s, '1')",
                               [NOW + 2 * DAY + timedelta(minutes=minutes)])
    looked = [file.path for file in table_log().changes({}, now=now).look]
    assert looked == [(NOW - DAY).strftime("hour=%Y-%m-%dT%H"), (NOW + 47 * HOUR).strftime("hour=%Y-%m-%dT%H")]


def test_hours_of_impossible_times_leave_a_ledger_that_has_them(
    table_log: Callable[..., TableLog], url: str, baseline: Baseline, db: OpsDb
) -> None:
    baselines, ledger = BaselineTable(db), LogLedger(db)
    baselines.save(baseline, now=NOW)
    log = table_log()
    step = ProfilesStep(logs={"fares": log}, slices={}, baselines=baselines, profiles=ProfileTable(db),
                        ledger=ledger, save=MeasurementTable(db).save)
    write(url, drawn(24))
    for moment in (datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)):
        ledger.save(log.name, [LogFile(path=moment.strftime("hour=%Y-%m-%dT%H"), size=1, mtime=moment,
                                       state=FileState.OK, first=moment, last=moment, versions={"1": 1})], now=NOW)
    assert "24 buckets counted" in step.run(now=NOW)
    assert len(ledger.files(log.name)) == 24
    assert step.run(now=NOW) == "fares: nothing new"


def test_a_table_that_is_not_there_or_has_no_time_is_one_line(table_log: Callable[..., TableLog]) -> None:
    with pytest.raises(SourceUnavailable, match=r"table other of model fares cannot be opened"):
        table_log(log="other").changes({})
    with pytest.raises(SourceMalformed, match=r"has no column event_time: name the time column"):
        table_log(columns=Columns(timestamp="event_time")).changes({})


def test_an_empty_table_has_no_hours(table_log: Callable[..., TableLog]) -> None:
    log = table_log()
    assert log.inspect(log.changes({})) == []
