"""Every engine counts every row into the same bin: one suite, one nasty fixture, identical counts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from services.adapters import ibis_engine, profile_engine
from services.adapters.profile_sql import Source, first_of_repeats, identifier, parquet
from services.errors import SourceUnavailable
from services.profiles.bins import NumericBins
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
def sorted_columns(tmp_path: Path) -> Counter:
    def count(table: pa.Table, layout: Layout, by: str) -> dict[str, Profile]:
        found = {}
        for place, value in enumerate(table[by].unique().to_pylist()):
            mine = table.filter(pc.equal(table[by], value))
            # Two files, so that parts are added up.
            files = [tmp_path / f"{place}-{half}.parquet" for half in range(2)]
            for half, file in enumerate(files):
                pq.write_table(mine.slice(half * 3, None if half else 3), file)
            found[value] = profile_engine.count_files(files, layout, {c: c for c in layout.columns}, name="log")
        return found

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


ENGINES = ["duckdb_native", "duckdb_by_ibis", pytest.param("postgres", marks=pytest.mark.postgres),
           pytest.param("spark", marks=pytest.mark.spark)]


@pytest.fixture(params=["sorted_columns", *ENGINES])
def counter(request: pytest.FixtureRequest) -> Counter:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=ENGINES)
def log_counter(request: pytest.FixtureRequest) -> Counter:
    """A data set knows of no requests."""
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


def test_a_repeated_request_counts_once_and_a_failed_one_has_no_answer(log_counter: Counter) -> None:
    layout, rows = nasty_layout(), logged_rows()
    found = log_counter(logged_table(), layout, "env")
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


def table_of(values: pa.Array, rows: int) -> pa.Table:
    return pa.table({"x": values, "there": pa.array([0.5] * rows)})


@pytest.mark.parametrize("values", [
    pa.array(["AA", None, "new", "DL"], pa.large_string()), pa.array(["AA", None, "new", "DL"]).dictionary_encode(),
    pa.array([f"value {i}" for i in range(40_000)] + ["AA"] * 3), pa.array([None, None], pa.string()),
    pa.array([1, None, 2**63 - 1], pa.int64()), pa.array([1, 2**64 - 1], pa.uint64()), pa.array([], pa.float64()),
    pa.array([1, 2**53 + 1, None], pa.int64()), pa.array([3.5, float("nan"), None, -0.0], pa.float32()),
    pa.array([1.5, None], pa.float16()), pa.array([1, 0], pa.timestamp("s")), pa.array([True, None]),
    pa.array(["1", "x", None]), pa.array([b"AA", None]), pa.array(['"AA"', None], pa.json_()),
], ids=lambda values: f"{values.type}-{len(values)}")
@pytest.mark.parametrize("like", ["numbers", "texts"])
def test_whole_files_are_counted_as_the_query_counts_them_whatever_the_type(
    tmp_path: Path, values: pa.Array, like: str,
) -> None:
    bins = nasty_layout().columns["d" if like == "numbers" else "t"]
    layout = Layout({"x": bins, "gone": bins, "there": nasty_layout().columns["d"]})
    file = tmp_path / "part.parquet"
    pq.write_table(table_of(values, len(values)), file)
    with profile_engine.connect() as connection:
        relation = parquet([str(file)])
        kinds = profile_engine.columns_of(connection, relation, "part")
        sources = {c: Source(value=identifier(c), kind=kinds[c]) if c in kinds else profile_engine.NEVER
                   for c in layout.columns}
        by_query = merged(layout, (p for _, _, p in profile_engine.count(connection, relation, layout, sources)))
    assert_same(profile_engine.count_files([file], layout, {c: c for c in layout.columns}, name="part"), by_query)


def test_a_column_that_some_files_lack_or_hold_in_another_type_is_counted_over_all_of_them(tmp_path: Path) -> None:
    layout = Layout(dict.fromkeys(("a.b", "x", "there"), nasty_layout().columns["d"]))
    held = {"first": {"a.b": [1.0, 2.0], "x": [1.0, None]}, "second": {"x": ["2", "no"]}, "third": {"a.b": [3, 3]}}
    files = []
    for name, columns in held.items():
        files.append(tmp_path / f"{name}.parquet")
        pq.write_table(pa.table({**columns, "there": [0.5, 0.5]}), files[-1])
    found = profile_engine.count_files(files, layout, {c: c for c in layout.columns}, name="log")
    assert [(found.column(c).missing, found.column(c).n, found.column(c).corrupt) for c in layout.columns] == [
        (2, 4, 0), (4, 2, 1), (0, 6, 0)]


def test_a_column_of_json_that_looks_like_text_in_the_footer_is_counted(tmp_path: Path) -> None:
    layout = Layout({"j": nasty_layout().columns["t"], "d": nasty_layout().columns["d"]})
    with profile_engine.connect() as connection:
        connection.execute("COPY (SELECT '\"AA\"'::JSON AS j, 0.5::DOUBLE AS d) TO "
                           f"'{tmp_path / 'part.parquet'}' (FORMAT parquet)")
    found = profile_engine.count_files([tmp_path / "part.parquet"], layout, {"j": "j", "d": "d"}, name="log")
    assert (found.column("j").unseen, found.column("d").n) == (1, 1)
    assert profile_engine.fit_baseline(tmp_path / "part.parquet", features=["j", "d"]).profile.rows == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_bytes(b"PAR1 no footer")
    layout = Layout({"x": nasty_layout().columns["d"]})
    with pytest.raises(SourceUnavailable, match=r"log cannot be read: part\.parquet: Parquet magic bytes not found"):
        profile_engine.count_files([tmp_path / "part.parquet"], layout, {"x": "x"}, name="log")


@pytest.mark.parametrize("rows", [1, 2, 39, 41, 400, 1_237])
def test_a_baseline_is_the_same_from_a_file_and_from_a_table(tmp_path: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    numbers = np.round(rng.standard_normal(rows), 2)
    numbers[rng.random(rows) < 0.1] = np.inf
    table = pa.table({"d": pa.array(numbers, mask=rng.random(rows) < 0.1), "i": rng.integers(0, 9, rows),
                      "empty": pa.array([None] * rows, pa.float64()), "t": rng.choice(["AA", "B6", "DL"], rows),
                      "when": pa.array(rng.integers(0, 9, rows), pa.timestamp("s"))})
    pq.write_table(table, tmp_path / "part.parquet", row_group_size=300)
    from_file, from_table = (profile_engine.fit_baseline(source, features=table.column_names)
                             for source in (tmp_path / "part.parquet", table))
    for name, bins in from_table.layout.columns.items():
        mine = from_file.layout.columns[name]
        if isinstance(bins, NumericBins):
            assert mine.center == pytest.approx(bins.center)  # a sum of floats depends on its order
            mine = replace(mine, center=bins.center)
        assert mine == bins, name
        assert from_file.profile.column(name).counts.tolist() == from_table.profile.column(name).counts.tolist()


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("odd", ["odd", "File_Row_Number"])
def test_bins_of_a_large_baseline_are_fitted_on_the_same_rows_each_time_and_on_every_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str, *, filtered: bool,
) -> None:
    monkeypatch.setattr(profile_engine, "SAMPLE", 2_000)
    rows = 48_000
    for name in "ab":  # one row of each hour in turn: every 24th row would be of one hour
        table = pa.table({"hour": np.arange(rows) % 24, "x": np.arange(rows) * 1.0,
                          odd: ["it's {0}"] * rows})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=5_000)
    first, second = (profile_engine.fit_baseline(str(tmp_path), features=["hour", "x"],
                                                 where=f"{odd} = 'it''s {{0}}'" if filtered else "")
                     for _ in range(2))
    assert first.layout == second.layout
    assert len(first.layout.columns["hour"].test_uppers()) == 10
    x = first.layout.columns["x"]
    assert (x.low, x.uppers[-1]) == (0.0, rows - 1.0)  # the ends are those of all rows
    shares = x.fold(first.profile.column("x").counts)[1:-2] / (2 * rows)
    np.testing.assert_allclose(shares, 0.1, atol=0.02)
