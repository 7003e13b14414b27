"""A log that somebody else writes counts like the same rows in our own form: text, Databricks, object storage."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from services.adapters.doctor_logs import try_labels, try_log
from services.adapters.log_ledger import LogLedger
from services.adapters.measurement_table import MeasurementTable
from services.adapters.mirrored_log import MirroredLog
from services.adapters.ops_db import OpsDb
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.core.measurement import Verdict
from services.core.window import DAY, HOUR, TimeWindow
from services.errors import SourceUnavailable
from services.monitor.steps.profiles import ProfilesStep
from services.predictions.ledger import FileState
from services.profiles.profile import Profile, merged
from services.settings import Settings
from services.settings.sections import Model
from tests.conftest import NOW

LOG = "predictions:fares"


def drawn(n: int = 120, *, start: datetime = NOW - 2 * HOUR) -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table({
        "request_id": [f"{start:%d%H}-{i}" for i in range(n)],
        "ts": pa.array([start + timedelta(seconds=i * 3600 / n) for i in range(n)], pa.timestamp("us", "UTC")),
        "model_version": ["1"] * n, "status": ["ok"] * n, "score": rng.random(n),
        "amount": pa.array(rng.normal(0, 1, n), mask=rng.random(n) < 0.1), "city": rng.choice(["ams", "ber"], n),
    })


class House:
    """One foreign log with its mirror, baseline and step."""

    def __init__(self, tmp_path: Path, db: OpsDb, form: str, location: str = "") -> None:
        self.place = tmp_path / "theirs"
        self.place.mkdir()
        self.mirror = tmp_path / "mirror"
        self.settings = Model(task="binary", log=location or str(self.place), format=form, features=["amount", "city"])
        self.ledger, self.profiles, self.baselines = LogLedger(db), ProfileTable(db), BaselineTable(db)
        base = fit_baseline(drawn(5000), features=["amount", "city"], score="score")
        self.baselines.save(base.of_version("fares", "*"), now=NOW)
        self.layout = base.layout
        self.log = MirroredLog("fares", self.settings.log, self.settings, mirror=self.mirror)
        self._save = MeasurementTable(db).save

    def run(self) -> str:
        return ProfilesStep(logs={"fares": self.log}, slices={}, baselines=self.baselines, profiles=self.profiles,
                            ledger=self.ledger, save=self._save).run(now=NOW)

    def counts(self, version: str = "") -> Profile:
        found = self.profiles.cover(self.layout, TimeWindow(NOW - DAY, NOW), model="fares", environment="production",
                                    versions=[version] if version else [])
        return merged(self.layout, (item.profile for item in found))

    def right(self, *tables: pa.Table) -> list[int]:
        """Return the counts of the same rows in our own form."""
        plain = self.mirror.parent / "ours"
        plain.mkdir(exist_ok=True)
        for place, table in enumerate(tables):
            pq.write_table(table, plain / f"{place}.parquet")
        ours = MirroredLog("fares", str(plain), self.settings.model_copy(update={"format": "parquet"}),
                           mirror=self.mirror.parent / "ours-mirror")
        from services.profiles.ports import Ask

        files = ours.inspect(ours.changes({}))
        found, bad = ours.count(files, Ask(layout=self.layout, window=TimeWindow(NOW - DAY, NOW), grain=HOUR))
        assert not bad
        return merged(self.layout, (item.profile for item in found)).counts.tolist()


@pytest.fixture
def home(tmp_path: Path, db: OpsDb) -> Callable[..., House]:
    return lambda form, location="": House(tmp_path, db, form, location)


def texts(table: pa.Table) -> pa.Table:
    return table.set_column(1, "ts", pc.strftime(table["ts"], format="%Y-%m-%dT%H:%M:%SZ"))


def as_lines(table: pa.Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in texts(table).to_pylist()).encode()


def as_csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(texts(table), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(("form", "name", "write"), [
    ("json", "a.jsonl", as_lines), ("json", "a.jsonl.gz", lambda t: gzip.compress(as_lines(t))),
    ("csv", "a.csv", as_csv), ("csv", "deep/a.csv.gz", lambda t: gzip.compress(as_csv(t))),
])
def test_text_counts_like_parquet(home: Callable[..., House], form: str, name: str, write: Callable) -> None:
    house = home(form)
    (house.place / name).parent.mkdir(exist_ok=True)
    (house.place / name).write_bytes(write(drawn()))
    assert "1 changed files" in house.run()
    assert house.counts().counts.tolist() == house.right(drawn())
    assert (house.mirror / f"{name}.parquet").is_file(), "latency and quality read the same copy"
    assert house.run() == "fares: nothing new"


def test_a_changed_file_is_copied_again_and_a_removed_one_is_forgotten(home: Callable[..., House]) -> None:
    house = home("json")
    (house.place / "a.jsonl").write_bytes(as_lines(drawn(60)))
    house.run()
    (house.place / "a.jsonl").write_bytes(as_lines(drawn(80)))
    house.run()
    assert house.counts().rows == 80
    (house.place / "a.jsonl").unlink()
    house.run()
    assert house.counts().rows == 0
    assert not list(house.mirror.rglob("*.parquet"))
    assert house.ledger.files(LOG) == {}


def test_a_lost_copy_is_made_again(home: Callable[..., House]) -> None:
    house = home("json")
    (house.place / "a.jsonl").write_bytes(as_lines(drawn(60)))
    house.run()
    (house.mirror / "a.jsonl.parquet").unlink()
    house.run()
    assert house.counts().rows == 60
    assert (house.mirror / "a.jsonl.parquet").is_file()


@pytest.mark.parametrize(("form", "name", "body"), [
    ("json", "half.jsonl", b'{"ts": "2026-03-04T10:00'), ("databricks", "no.parquet", b"PAR1 no footer"),
    ("parquet", "no.parquet", b"PAR1 no footer"), ("json", "no.jsonl.gz", b"no gzip"),
])
def test_a_file_that_is_not_what_it_is_named_is_quarantined_by_its_own_name(
    home: Callable[..., House], form: str, name: str, body: bytes
) -> None:
    house = home(form)
    (house.place / name).write_bytes(body)
    assert "1 files quarantined" in house.run()
    [(_, file)] = house.ledger.quarantined()
    assert file.path == f"{name}.parquet"
    assert f"cannot be read as {form}" in file.reason
    assert [p.name for p in house.mirror.rglob("*") if p.is_file()] == []


def payload(table: pa.Table, form: str) -> str:
    rows = table.select(["amount", "city"]).to_pylist()
    if form == "dataframe_records":
        return json.dumps({form: rows})
    if form == "inputs":
        return json.dumps({form: {name: [row[name] for row in rows] for name in ("amount", "city")}})
    return json.dumps({form: {"columns": ["amount", "city"], "data": [list(row.values()) for row in rows]}})


def inference_table(table: pa.Table, *, form: str, per_request: int = 1, old: bool = False) -> pa.Table:
    """Return the rows as a Databricks endpoint logs them: whole requests and responses as JSON."""
    records: list[dict[str, Any]] = []
    for start in range(0, table.num_rows, per_request):
        part = table.slice(start, per_request)
        moment = part["ts"].to_pylist()[0]
        record: dict[str, Any] = {
            "databricks_request_id": f"dbx-{start}", "client_request_id": None, "status_code": 200,
            "request": payload(part, form),
            "response": json.dumps({"predictions": [{"score": s} for s in part["score"].to_pylist()]}),
        }
        if old:
            record |= {"timestamp_ms": int(moment.timestamp() * 1000), "execution_time_ms": 12,
                       "request_metadata": [("model_name", "fares"), ("model_version", "3")]}
        else:
            record |= {"request_time": moment, "execution_duration_ms": 12, "served_entity_id": "fares-3"}
        records.append(record)
    kinds = {"request_metadata": pa.map_(pa.string(), pa.string()), "client_request_id": pa.string(),
             "request_time": pa.timestamp("us", "UTC")}
    return pa.table({name: pa.array([r[name] for r in records], kinds.get(name)) for name in records[0]})


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "inputs"])
@pytest.mark.parametrize(("old", "version"), [(True, "3"), (False, "fares-3")])
def test_a_databricks_inference_table_counts_like_its_rows(
    home: Callable[..., House], form: str, old: bool, version: str
) -> None:
    house = home("databricks")
    pq.write_table(inference_table(drawn(), form=form, old=old), house.place / "part-0.parquet")
    house.run()
    assert house.counts(version).counts.tolist() == house.right(drawn())


def test_a_request_of_several_rows_is_as_many_rows_with_ids_of_their_own(home: Callable[..., House]) -> None:
    house = home("databricks")
    pq.write_table(inference_table(drawn(), form="dataframe_split", per_request=5), house.place / "part-0.parquet")
    house.run()
    assert house.counts().rows == 120
    ids = pq.read_table(house.mirror / "part-0.parquet.parquet")["request_id"].to_pylist()
    assert ids[:2] == ["dbx-0-0", "dbx-0-1"]
    assert len(set(ids)) == 120


def test_a_request_without_its_answer_is_counted_and_has_no_prediction(home: Callable[..., House]) -> None:
    house = home("databricks")
    table = inference_table(drawn(40), form="dataframe_split")
    codes = pa.array([500] * 10 + [200] * 30, pa.int64())
    answers = pa.array([None] * 10 + [""] * 5 + table["response"].to_pylist()[15:])
    table = table.set_column(table.schema.get_field_index("status_code"), "status_code", codes)
    table = table.set_column(table.schema.get_field_index("response"), "response", answers)
    pq.write_table(table, house.place / "part-0.parquet")
    house.run()
    assert house.counts().column("amount").rows == 40
    assert house.counts().column("score").rows == 25
    copied = pq.read_table(house.mirror / "part-0.parquet.parquet")
    assert copied["error_type"].value_counts().to_pylist() == [
        {"values": "http 500", "counts": 10}, {"values": "no answer", "counts": 5}, {"values": "", "counts": 25}]


def test_a_request_that_is_no_json_is_one_row_without_features(home: Callable[..., House]) -> None:
    house = home("databricks")
    table = inference_table(drawn(3), form="dataframe_split")
    asked = pa.array(["no json", None, table["request"].to_pylist()[2]])
    pq.write_table(table.set_column(table.schema.get_field_index("request"), "request", asked),
                   house.place / "part-0.parquet")
    house.run()
    assert (house.counts().rows, house.counts().column("city").missing) == (3, 2)


def test_parquet_that_is_no_inference_table_says_so(home: Callable[..., House]) -> None:
    house = home("databricks")
    pq.write_table(drawn(3), house.place / "part-0.parquet")
    house.run()
    [(_, file)] = house.ledger.quarantined()
    assert file.reason == "is no inference table: it has no columns request and response"


@pytest.fixture
def memory() -> Iterator[str]:
    fs = fsspec.filesystem("memory")
    yield "memory://bucket/log"
    fs.rm("/bucket", recursive=True)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a bucket of a real S3 protocol server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
                        "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.mkdir("interlock-log")
    yield "s3://interlock-log/predictions"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def put(location: str, name: str, body: bytes) -> None:
    fs, root = fsspec.core.url_to_fs(location, skip_instance_cache=True)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/{name}", body)


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_a_log_in_object_storage_counts_like_a_folder(home: Callable[..., House], remote: str) -> None:
    house = home("parquet", remote)
    assert house.run() == "fares: the log has no files yet"
    put(remote, "date=2026-03-04/a.parquet", parquet(drawn()))
    assert "1 changed files" in house.run()
    later = drawn(30, start=NOW - HOUR)
    put(remote, "date=2026-03-04/b.parquet", parquet(later))
    put(remote, "date=2026-03-04/_SUCCESS", b"")
    assert "1 changed files" in house.run(), "only the new file is fetched"
    assert house.counts().counts.tolist() == house.right(drawn(), later)
    assert house.run() == "fares: nothing new"
    assert all(f.state is FileState.OK and f.mtime > datetime(2026, 1, 1, tzinfo=UTC)
               for f in house.ledger.files(LOG).values())


@pytest.mark.parametrize(("address", "package"), [("gs://bucket/log", "gcsfs"), ("abfs://bucket/log", "adlfs")])
def test_an_address_whose_package_is_missing_says_which_extra_brings_it(
    home: Callable[..., House], monkeypatch: pytest.MonkeyPatch, address: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = address.partition(":")[0]
    with pytest.raises(SourceUnavailable, match=rf"log {address} of fares: .*Install interlock\[{extra}\]"):
        home("parquet", address).run()


def tried(tmp_path: Path, **model: Any) -> tuple[Verdict, str]:
    """Return what doctor finds of a log."""
    named = {"task": "binary", "log": "log", "features": ["amount", "city"], **model}
    settings = Settings.model_validate({"models": {"fares": named}, "home": {"path": str(tmp_path)}})
    return try_log(settings, "fares", settings.models["fares"])


def test_doctor_reads_the_newest_file_of_a_log_in_object_storage(tmp_path: Path, memory: str) -> None:
    scored = {"columns": {"prediction": "score"}, "log": memory}
    assert tried(tmp_path, **scored) == (
        Verdict.FAIL, f"{memory} has no file of format parquet: check models.fares, or wait for the first one")
    put(memory, "a.parquet", parquet(drawn()))
    verdict, said = tried(tmp_path, **scored)
    assert (verdict, said) == (
        Verdict.PASS, "1 files of format parquet; the newest, a.parquet, holds 120 rows with every column")
    assert tried(tmp_path, log=memory) == (
        Verdict.FAIL, "a.parquet, the newest of 1 files, has no column prediction")
    assert tried(tmp_path, log=memory, features=["fare"], columns={"prediction": "score"})[1].endswith("column fare")
    put(memory, "b.parquet", b"not parquet")
    verdict, said = tried(tmp_path, **scored)
    assert verdict is Verdict.FAIL
    assert said.startswith("b.parquet, the newest of 2 files, ")
    assert not (tmp_path / "mirror").exists(), "nothing is kept"


def test_doctor_reads_the_newest_file_of_labels_in_object_storage(tmp_path: Path, memory: str) -> None:
    model = Model(task="binary", log="log", labels=memory)
    settings = Settings.model_validate({"models": {"fares": model.model_dump(exclude_unset=True)},
                                        "home": {"path": str(tmp_path)}})
    assert try_labels(settings, "fares", model) == (
        Verdict.FAIL, f"{memory} has no file of labels: check models.fares, or wait for the first one")
    ids = drawn().select(["request_id", "ts"]).rename_columns(["request_id", "label_ts"])
    put(memory, "a.parquet", parquet(ids))
    assert try_labels(settings, "fares", model) == (
        Verdict.FAIL, "a.parquet, the newest of 1 files, has no column label")
    put(memory, "b.parquet", parquet(ids.append_column("label", pa.array([1.0] * 120))))
    assert try_labels(settings, "fares", model) == (
        Verdict.PASS, "2 files of labels; the newest, b.parquet, holds 120 rows with every column")


def test_doctor_says_that_times_without_a_zone_are_taken_as_utc(tmp_path: Path) -> None:
    named = drawn().rename_columns(["prediction" if c == "score" else c for c in drawn().column_names])
    (tmp_path / "log").mkdir()
    pq.write_table(named, tmp_path / "log" / "a.parquet")
    with_a_zone = tried(tmp_path, log=str(tmp_path / "log"))
    pq.write_table(named.set_column(1, "ts", named["ts"].cast(pa.timestamp("us"))), tmp_path / "log" / "a.parquet")
    without = tried(tmp_path, log=str(tmp_path / "log"))
    assert with_a_zone == (Verdict.PASS, "1 parquet files with every declared column")
    assert without == (Verdict.PASS, f"{with_a_zone[1]}; its times have no zone and are taken as UTC")


def test_doctor_reads_an_inference_table(tmp_path: Path) -> None:
    place = tmp_path / "theirs"
    place.mkdir()
    pq.write_table(inference_table(drawn(), form="inputs"), place / "a.parquet")
    verdict, said = tried(tmp_path, log=str(place), format="databricks", columns={"prediction": "score"})
    assert verdict is Verdict.PASS, said
    assert said.startswith("1 files of format databricks; the newest, a.parquet, holds 120 rows")


# Ibis 12 calls DuckDB 2 by a name that it has renamed.
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_doctor_opens_a_table_and_names_what_it_lacks(tmp_path: Path) -> None:
    model = Model(task="binary", log="served", format="table", features=["amount", "fare"])
    settings = Settings.model_validate({"models": {"fares": model.model_dump(exclude_unset=True)},
                                        "engine": {"url": f"duckdb://{tmp_path}/theirs.db"}})
    with pytest.raises(SourceUnavailable, match="table served of model fares cannot be opened"):
        try_log(settings, "fares", model)
    with duckdb.connect(f"{tmp_path}/theirs.db") as connection:
        connection.execute("CREATE TABLE served (request_id VARCHAR, ts TIMESTAMP, prediction DOUBLE, amount DOUBLE)")
    assert try_log(settings, "fares", model) == (
        Verdict.FAIL, "table served has no column fare; it has request_id, ts, prediction, amount")


def test_an_address_that_nothing_reads_is_one_line_with_what_to_install(home: Callable[..., House]) -> None:
    with pytest.raises(SourceUnavailable, match=r"log nowhere://x of fares: .*Install interlock\[nowhere\]"):
        home("parquet", "nowhere://x").run()
