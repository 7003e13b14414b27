"""Every engine counts every row into the same bin: one suite, one nasty fixture, identical counts."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.adapters import ibis_engine, profile_engine
from services.adapters.profile_sql import Source, first_of_repeats, identifier
from services.profiles.count import count_rows
from services.profiles.profile import Layout, Profile, merged
from tests.profiles_fixtures import ANSWERS, count_log, logged_rows, logged_table, nasty_layout, nasty_rows, nasty_table
from tests.spark import cluster

pytestmark = [
    # Ibis 12 calls DuckDB 2 by names that it has renamed.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    # PySpark 4 says so of pandas 3 at import; nothing here hands it a frame.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    # PySpark 4 calls pandas 3 by keywords and options that do nothing any more.
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]

Counter = Callable[[pa.Table, Layout, str], dict[str, Profile]]


def by_ibis(table: Any, layout: Layout, by: str) -> dict[str, Profile]:
    where = {}
    if "id" in table.columns:
        table = ibis_engine.first_of_repeats(table, ["id", by], table["at"])
        where = dict.fromkeys(ANSWERS, table["status"] == "ok")
    columns = {name: table[name] for name in layout.columns}
    found = ibis_engine.count(table, layout, columns, keys=[table[by]], where=where)
    return {names[0]: profile for _, names, profile in found}


@pytest.fixture
def duckdb_native() -> Counter:
    def count(table: pa.Table, layout: Layout, by: str) -> dict[str, Profile]:
        with profile_engine.connect() as connection:
            connection.register("log", table)
            kinds = profile_engine.columns_of(connection, "log", "log")
            logged = "id" in table.column_names
            sources = {name: Source(value=identifier(name), kind=kinds[name],
                                    where="status = 'ok'" if logged and name in ANSWERS else "")
                       for name in layout.columns}
            relation = first_of_repeats("log", "id", identifier(by), identifier("at")) if logged else "log"
            found = profile_engine.count(connection, relation, layout, sources, keys=[identifier(by)])
        return {str(names[0]): profile for _, names, profile in found}

    return count


@pytest.fixture
def duckdb_by_ibis(tmp_path: Path) -> Counter:
    def count(table: pa.Table, layout: Layout, by: str) -> dict[str, Profile]:
        pq.write_table(table, tmp_path / "log.parquet")
        return by_ibis(ibis.duckdb.connect().read_parquet(tmp_path / "log.parquet"), layout, by)

    return count


@pytest.fixture
def postgres(postgres_url: str) -> Counter:
    types = {"d": "float8", "f": "float4", "i": "int4", "n": "numeric(6,2)", "t": "text", "b": "bool", "s": "text",
             "k": "float8", "env": "text", "id": "text", "at": "timestamptz", "status": "text"}
    url = postgres_url.replace("+psycopg", "")

    def count(table: pa.Table, layout: Layout, by: str) -> dict[str, Profile]:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS log")
            cursor.execute(f"CREATE TABLE log ({', '.join(f'{c} {types[c]}' for c in table.column_names)})")
            with cursor.copy("COPY log FROM STDIN") as copy:
                for row in table.to_pylist():
                    copy.write_row(list(row.values()))
        engine = ibis.connect(url)
        try:
            return by_ibis(engine.table("log"), layout, by)
        finally:
            engine.disconnect()

    return count


@pytest.fixture(scope="module")
def spark_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("spark")
    with cluster(folder) as address:
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master(address).appName("interlock-contract")
            .config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1").config("spark.ui.enabled", "false")
            .config("spark.executor.memory", "512m").config("spark.executor.cores", "1")
            .config("spark.sql.shuffle.partitions", "2").config("spark.sql.warehouse.dir", str(folder / "warehouse"))
            .getOrCreate()
        )
        try:
            yield session
        finally:
            session.stop()


@pytest.fixture
def spark(spark_session: Any, tmp_path: Path) -> Counter:
    engine = ibis.pyspark.connect(spark_session)

    def count(table: pa.Table, layout: Layout, by: str) -> dict[str, Profile]:
        # Two files, so that both workers have rows to count.
        half = table.num_rows // 2
        for place, part in enumerate((table.slice(0, half), table.slice(half))):
            pq.write_table(part, tmp_path / f"part{place}.parquet")
        return by_ibis(engine.read_parquet(str(tmp_path)), layout, by)

    return count


@pytest.fixture(params=[
    "duckdb_native", "duckdb_by_ibis", pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("spark", marks=pytest.mark.spark),
])
def counter(request: pytest.FixtureRequest) -> Counter:
    return request.getfixturevalue(request.param)


def assert_same(found: Profile, right: Profile) -> None:
    assert found.rows == right.rows
    for name, part in right.layout.parts.items():
        assert found.counts[part].tolist() == right.counts[part].tolist(), name
    assert found.corrupt.tolist() == right.corrupt.tolist()
    np.testing.assert_allclose(found.moments, right.moments, rtol=1e-9)


def test_each_group_of_the_nasty_fixture_is_counted_like_one_value_at_a_time(counter: Counter) -> None:
    layout, rows = nasty_layout(), nasty_rows()
    found = counter(nasty_table(), layout, "env")
    for environment in ("staging", "production"):
        assert_same(found[environment], count_rows(layout, [r for r in rows if r["env"] == environment]))


def test_the_whole_equals_the_merged_parts(counter: Counter) -> None:
    layout = nasty_layout()
    parts = counter(nasty_table(), layout, "env")
    assert_same(merged(layout, parts.values()), count_rows(layout, nasty_rows()))


def test_a_repeated_request_counts_once_and_a_failed_one_has_no_answer(counter: Counter) -> None:
    layout, rows = nasty_layout(), logged_rows()
    found = counter(logged_table(), layout, "env")
    for environment in ("staging", "production"):
        assert_same(found[environment], count_log(layout, [r for r in rows if r["env"] == environment]))


def test_no_rows_give_no_groups(counter: Counter) -> None:
    assert counter(nasty_table().slice(0, 0), nasty_layout(), "env") == {}


def test_integers_keep_edges_that_lie_between_them(counter: Counter) -> None:
    layout = nasty_layout()
    whole = merged(layout, counter(nasty_table(), layout, "env").values())
    # A cast of the edges to INTEGER would have put 1 and 2 into one bin.
    bins = layout.columns["i"]
    assert whole.column("i").counts[bins.place(1)] == 1
    assert whole.column("i").counts[bins.place(2)] == 3


def test_values_a_hair_beside_an_edge_stay_on_their_side(counter: Counter) -> None:
    layout = nasty_layout()
    edge = layout.columns["d"].uppers[3]
    values = [edge, math.nextafter(edge, 9), math.nextafter(edge, 0)]
    template = nasty_rows()[4]
    rows = [{**template, "d": value} for value in values]
    table = pa.table({name: pa.array([row[name] for row in rows], nasty_table().schema.field(name).type)
                      for name in template})
    assert_same(merged(layout, counter(table, layout, "env").values()), count_rows(layout, rows))


@pytest.mark.parametrize("rows", [nasty_rows(), [{**row, "d": 0.5, "f": 0.5} for row in nasty_rows()], []],
                         ids=["enormous values", "ordinary values", "no rows"])
def test_everything_in_one_bucket_is_counted_like_one_value_at_a_time(rows: list[dict[str, Any]]) -> None:
    layout, kept = nasty_layout(), nasty_table().schema
    table = pa.table({name: pa.array([row[name] for row in rows], kept.field(name).type) for name in kept.names})
    with profile_engine.connect() as connection:
        connection.register("log", table)
        kinds = profile_engine.columns_of(connection, "log", "log")
        sources = {name: Source(value=identifier(name), kind=kinds[name]) for name in layout.columns}
        found = profile_engine.count(connection, "log", layout, sources)
    assert [(bucket, names) for bucket, names, _ in found] == [(None, ())] * bool(rows)
    assert_same(merged(layout, (profile for _, _, profile in found)), count_rows(layout, rows))


@pytest.mark.parametrize("odd", ["odd", "File_Row_Number"])
def test_bins_of_a_large_baseline_are_fitted_on_the_same_rows_each_time_and_on_every_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str,
) -> None:
    monkeypatch.setattr(profile_engine, "SAMPLE", 2_000)
    rows = 48_000
    for name in "ab":  # one row of each hour in turn: every 24th row would be of one hour
        table = pa.table({"hour": np.arange(rows) % 24, "x": np.arange(rows) * 1.0,
                          odd: ["it's {0}"] * rows})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=5_000)
    first, second = (profile_engine.fit_baseline(str(tmp_path), features=["hour", "x"], where=f"{odd} = 'it''s {{0}}'")
                     for _ in range(2))
    assert first.layout == second.layout
    assert len(first.layout.columns["hour"].test_uppers()) == 10
    x = first.layout.columns["x"]
    assert (x.low, x.uppers[-1]) == (0.0, rows - 1.0)  # the ends are those of all rows
    shares = x.fold(first.profile.column("x").counts)[1:-2] / (2 * rows)
    np.testing.assert_allclose(shares, 0.1, atol=0.02)
