"""What the mirror reads from a real MLflow store, and how it says that there is none."""

import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import requests
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from urllib3.exceptions import InsecureRequestWarning

from console.commands.monitor import _reading
from services.adapters import inspect_sources, mlflow_client, mlflow_rest
from services.adapters.house_tables import SourceTable
from services.adapters.logged_datasets import LoggedDatasets
from services.adapters.measurement_table import MeasurementTable
from services.adapters.mlflow_baseline import MlflowBaselines
from services.adapters.mlflow_registry import MlflowRegistry
from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.mlflow_settings import PATIENCE
from services.adapters.mlflow_sql import MlflowSql
from services.adapters.ops_db import OpsDb
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.adapters.registry_table import RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.adapters.schema_table import SchemaTable
from services.bootstrap import build, build_steps
from services.core.measurement import Measurement, Verdict, Why
from services.errors import OpsError, SettingsError, SourceMalformed, SourceUnavailable
from services.monitor.steps.datasets import DatasetsStep
from services.monitor.steps.mirror import MirrorStep
from services.settings import load
from services.training.failure_rules import Rules
from services.training.ports import RunFilter
from services.training.run import Effective
from tests.ports import free_port
from tests.training_fixtures import ListedSource

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTILE = "=cmd|'/c calc'!A0 <script>**x**</script> [a](javascript:1)"


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture(autouse=True)
def _no_setting_of_whoever_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MLFLOW_") or name == "NETRC" or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = client.create_experiment("churn", artifact_location=str(folder / "artifacts"))
    ids = {}

    def add(name: str, *, start: datetime, end: datetime | None, tags=(), metrics=(), params=()):
        run = client.create_run(experiment, start_time=ms(start), run_name=name)
        client.log_batch(run.info.run_id, metrics=[Metric(*m) for m in metrics], params=[Param(*p) for p in params],
                         tags=[RunTag(*t) for t in tags])
        if end is not None:
            client.set_terminated(run.info.run_id, "FINISHED", end_time=ms(end))
        ids[name] = run.info.run_id

    hour = timedelta(hours=1)
    add("odd", start=NOW - 3 * hour, end=NOW - 2 * hour, params=[("long", "x" * 6000)], tags=[("note", HOSTILE)],
        metrics=[(name, float(value), ms(NOW), 1) for name, value in
                 (("nan", "nan"), ("inf", "inf"), ("minus", "-inf"))])
    add(HOSTILE, start=NOW - 4 * hour, end=NOW - 3 * hour)
    add("deleted", start=NOW - 5 * hour, end=NOW - 4 * hour)
    add("open", start=NOW - hour / 2, end=None)
    add("ahead", start=NOW + 9 * hour, end=None)
    add("backwards", start=NOW - hour, end=NOW - 2 * hour)
    client.delete_run(ids["deleted"])
    client.log_text(ids["odd"], "MemoryError", "ops/log_tail.txt")
    client.log_text(ids["odd"], "x" * 300_000, "ops/huge.txt")
    frame = pd.DataFrame({"amount": np.random.default_rng(5).normal(0.8, 1, 3_000), "late": 1.0})
    frame.to_parquet(folder / "fares.parquet")
    for source, name, context in ((f"{folder}/fares.parquet", "fares", "training"), ("s3://b/k", HOSTILE, "eval")):
        with warnings.catch_warnings(action="ignore"):  # what MLflow itself calls of pandas, and of itself
            data = mlflow.data.from_pandas(frame, source=source, name=name, targets="late")
        tags = [InputTag("mlflow.data.context", context), InputTag("ops.label", "late")]
        client.log_inputs(ids["odd"], datasets=[DatasetInput(Dataset(**data.to_dict()), tags)])
    client.create_registered_model("m")
    for _ in range(2):
        client.create_model_version("m", f"file://{folder}/artifacts", ids["odd"], tags={"k": HOSTILE})
    client.set_registered_model_alias("m", "champion", "1")
    return uri, ids, client


class Asked(list):
    """The questions that a server was asked, and what it answers instead of what MLflow would."""

    instead: tuple[int, bytes] | None = None
    by_path: Mapping[str, object] | None = None  # what is asked for, such as runs -> the JSON answered
    headers: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def served(store, tmp_path_factory: pytest.TempPathFactory):
    """MLflow's own server over the store, in this process, and the questions that it was asked."""
    client = store[2]
    with warnings.catch_warnings(action="ignore"):  # what MLflow itself calls of its web framework
        from mlflow.server import app, handlers
    asked = Asked()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # as its real server: one connection for many questions
        wbufsize = -1  # an answer goes off in one piece

        def do_POST(self) -> None:
            asked.append((self.client_address, self.headers.get("Authorization")))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, told = asked.instead or _answer(self.path, body, self)
            self.send_response(status)
            for name, value in asked.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST  # noqa: N815 -- the name that the server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def _answer(path: str, body: bytes, question: Server) -> tuple[int, bytes]:
        if asked.by_path is not None:
            return 200, json.dumps(asked.by_path.get(path.partition("?")[0].split("/")[-2], {})).encode()
        reply = app.test_client().open(path, method=question.command, data=body, headers=dict(question.headers))
        return reply.status_code, reply.data

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    with pytest.MonkeyPatch.context() as patched:
        # Credentials of whoever runs the tests would have MLflow's client ask.
        patched.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patched.setitem(sys.modules, "mlflow.server.auth", None)  # each search would try to import it, and fail
        patched.setattr(handlers, "_tracking_store", client._tracking_client.store)
        patched.setattr(handlers, "_model_registry_store", client._get_registry_client().store)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()
        server.server_close()


def run_python(program: str) -> str:
    """Return what a program of another process prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def mirror_of(db: OpsDb, source: MlflowRuns) -> tuple[MirrorStep, RunMirror, RegistryTable]:
    runs, registry = RunMirror(db), RegistryTable(db)
    return MirrorStep(source, runs, registry, MirrorCursor(SourceTable(db)), rules=Rules), runs, registry


def test_every_odd_run_is_read_as_text_and_none_is_dropped(store, db: OpsDb) -> None:
    uri, ids, _ = store
    step, runs, _ = mirror_of(db, MlflowRuns(uri))
    assert step.run(now=NOW).startswith("6 runs read, 6 changed, 2 versions, 1 aliases")
    values = {v.key: v for v in runs.values(ids["odd"])}
    assert [(values[k].text, values[k].number) for k in ("nan", "inf", "minus")] == [
        ("nan", None), ("inf", None), ("-inf", None)]
    assert (len(values["long"].text), values["note"].text) == (6000, HOSTILE)
    assert runs.get(ids[HOSTILE]).name == HOSTILE
    assert runs.get(ids["deleted"]).deleted
    assert runs.get(ids["open"]).effective is Effective.RUNNING
    assert "ahead of ours" in runs.get(ids["ahead"]).evidence
    assert runs.get(ids["backwards"]).duration_s is None
    assert runs.count(RunFilter(deleted=True)) == 6


def test_new_runs_and_a_moved_alias_arrive_with_the_next_pass(store, db: OpsDb) -> None:
    uri, ids, client = store
    step, runs, registry = mirror_of(db, MlflowRuns(uri))
    step.run(now=NOW)
    assert registry.champion("m").version == "1"
    client.set_registered_model_alias("m", "champion", "2")
    client.restore_run(ids["deleted"])
    client.set_tag(ids["odd"], "ops.data_rows", "42")
    fresh = client.create_run(client.get_experiment_by_name("churn").experiment_id, start_time=ms(NOW))
    step.run(now=NOW + timedelta(seconds=40))
    assert registry.champion("m").version == "2"
    assert runs.get(fresh.info.run_id).status == "RUNNING"
    step.run(now=NOW + timedelta(days=1, seconds=50))
    assert (runs.get(ids["deleted"]).deleted, runs.get(ids["odd"]).data_rows) == (False, 42)


@pytest.mark.parametrize("source", ["mlflow", "rest", "fake"])
def test_what_is_known_is_left_out_and_what_ended_or_is_open_is_asked_for_by_that(store, served, source: str) -> None:
    uri, ids, _ = store
    runs = MlflowRuns(served[0] if source == "rest" else uri)
    if source == "fake":
        runs = ListedSource([run for page in runs.everything() for run in page])

    def told(pages) -> set[str]:
        return {run.run_id for page in pages for run in page}

    began = told(runs.started_since(ms(NOW - timedelta(hours=2)), known=()))
    assert {ids["open"], ids["ahead"], ids["backwards"]} <= began
    assert told(runs.started_since(ms(NOW - timedelta(hours=2)), known=[ids["open"], ids["ahead"]])) == (
        began - {ids["open"], ids["ahead"]})
    assert told(runs.ended_since(ms(NOW - timedelta(hours=3)))) == {ids["odd"], ids["backwards"]}
    assert told(runs.ended_since(ms(NOW - timedelta(hours=3)), known=[ids["odd"]])) == {ids["backwards"]}
    assert {ids["open"], ids["ahead"]} <= told(runs.open_runs())
    assert not told(runs.open_runs()) & {ids["odd"], ids["backwards"], ids[HOSTILE], ids["deleted"]}


def test_a_pass_asks_mlflow_six_questions_and_one_more_for_late_tags(store, db: OpsDb) -> None:
    uri, _, client = store
    source = MlflowRuns(uri)
    step, _, _ = mirror_of(db, source)
    step.run(now=NOW)
    asked: list[str] = []

    class Counting:
        def __getattr__(self, name: str):
            asked.append(name)
            return getattr(client, name)

    source._made = Counting()
    step.run(now=NOW)
    registry = ["search_registered_models", "search_model_versions"]
    assert asked == ["search_experiments", *4 * ["search_runs"], *registry]
    asked.clear()
    step.run(now=NOW + timedelta(hours=8))
    asked.clear()
    step.run(now=NOW + timedelta(hours=9))  # no run of the hour before the last look: none is asked for by its id
    assert asked == ["search_experiments", *3 * ["search_runs"], *registry]


def test_a_first_reading_says_how_far_it_is_to_a_person_who_watches(
    store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(io.StringIO):
        def isatty(self) -> bool:
            return True

    (tmp_path / "interlock.toml").write_text(f'[tracking]\nuri = "{store[0]}"\n')
    services = build(load(str(tmp_path / "interlock.toml")))
    services.db.migrate()
    monkeypatch.setattr("sys.stderr", watched := Watched())
    next(s for s in build_steps(services, read=_reading) if s.name == "mirror").run(now=NOW)
    assert re.search(r"mirror +\d runs read", watched.getvalue())


def test_small_texts_are_fetched_and_huge_ones_left_where_they_are(store) -> None:
    uri, ids, _ = store
    assert MlflowRuns(uri).texts(ids["odd"]) == {"ops/log_tail.txt": "MemoryError"}
    assert MlflowRuns(uri).texts(ids["open"]) == {}


def told(source: MlflowRuns) -> dict[str, object]:
    runs = [run for page in source.everything() for run in page]
    return {r.run_id: (r.status, r.start_ms, r.end_ms, r.name, r.deleted, r.experiment, r.experiment_id, r.user,
                       r.artifact_uri, r.params, r.tags, sorted(map(repr, r.metrics)), sorted(map(repr, r.inputs)))
            for r in runs}


def test_the_database_itself_tells_the_same_runs_as_mlflow(store) -> None:
    uri, _, _ = store
    assert told(MlflowSql(uri, sql=uri)) == told(MlflowRuns(uri))


@pytest.mark.parametrize("road", ["plain", "the client's"])
def test_a_server_tells_the_same_runs_and_versions_as_its_store(
    store, served, monkeypatch: pytest.MonkeyPatch, road: str
) -> None:
    if road == "the client's":
        monkeypatch.setenv("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "true")
    direct, rest = MlflowRuns(store[0]), MlflowRuns(served[0])
    assert told(rest) == told(direct)
    assert (rest._plain is not None) == (road == "plain")
    assert (rest.experiments(), rest.registry()) == (direct.experiments(), direct.registry())
    whole = told(direct)
    for module in (mlflow_rest, mlflow_client):
        monkeypatch.setattr(module, "PAGE", 2)
    assert [len(page) for page in rest.everything()][:2] == [2, 2]
    assert told(rest) == whole


def test_the_questions_of_many_passes_go_over_one_connection(store, served, db: OpsDb) -> None:
    address, asked = served
    asked.clear()
    step, _, _ = mirror_of(db, MlflowRuns(address))
    for passed in range(3):
        step.run(now=NOW + timedelta(minutes=passed))
    assert len(asked) > 12
    assert len({address for address, _ in asked}) == 1


def test_a_plain_server_is_asked_without_importing_mlflow(store, served) -> None:
    asks = ("import sys; from services.adapters.mlflow_runs import MlflowRuns; "
            f"print([len(p) for p in MlflowRuns({served[0]!r}).everything()], 'mlflow' in sys.modules)")
    assert run_python(asks) == f"[{len(told(MlflowRuns(store[0])))}] False"


@pytest.mark.parametrize(("settings", "sent"), [
    ({"USERNAME": "ann", "PASSWORD": "grün"}, "Basic YW5uOmdyw7xu"),
    ({"TOKEN": "abc"}, "Bearer abc"),
    ({"TOKEN": "abc\n"}, "Bearer abc"),
    ({"USERNAME": "ann", "PASSWORD": "x", "TOKEN": "abc"}, "Basic YW5uOng="),
    ({}, None),
])
def test_mlflows_own_settings_say_who_asks(served, monkeypatch: pytest.MonkeyPatch, settings, sent) -> None:
    address, asked = served
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    MlflowRuns(address).experiments()
    assert asked[-1][1] == sent


@pytest.mark.parametrize(("settings", "verify", "cert"), [
    ({}, True, None), ({"INSECURE_TLS": "true"}, False, None), ({"INSECURE_TLS": "false"}, True, None),
    ({"SERVER_CERT_PATH": __file__, "CLIENT_CERT_PATH": io.__file__}, __file__, io.__file__),
])
def test_mlflows_own_settings_say_which_certificates_hold(
    monkeypatch: pytest.MonkeyPatch, settings, verify, cert
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # which stand behind MLflow's
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    pages, sent = mlflow_rest.RestPages("https://mlflow", "https://mlflow"), {}

    class Answered(requests.Response):
        def __init__(self) -> None:
            super().__init__()
            self.status_code, self._content = 200, b"{}"

    def send(question: requests.PreparedRequest, **how: object) -> requests.Response:
        sent.update(how)
        if not how["verify"]:  # as urllib3 does, with each question
            warnings.warn("unverified", InsecureRequestWarning, stacklevel=1)
        return Answered()

    monkeypatch.setattr(pages._session, "send", send)
    assert pages.experiments("") == ({}, "")
    assert (sent["verify"], sent["cert"], sent["timeout"]) == (verify, cert, 20)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE"])
def test_what_mlflows_client_alone_can_do_is_left_to_it(tmp_path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mlflow_rest.plain("http://mlflow:5000", "https://models")
    assert not mlflow_rest.plain("http://mlflow:5000", "databricks-uc")
    monkeypatch.setenv(name, "true")
    assert not mlflow_rest.plain("http://mlflow:5000")
    monkeypatch.delenv(name)
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").touch()
    assert not mlflow_rest.plain("http://mlflow:5000")


@pytest.mark.parametrize(("status", "body", "kind", "said"), [
    (401, b"You are not authenticated", SourceUnavailable, r"refuses us .*MLFLOW_TRACKING_USERNAME"),
    (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', SourceUnavailable, "refuses us"),
    (400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "odd"}', SourceMalformed, r"cannot use .*odd"),
    (400, b'{"error_code": "BAD_REQUEST", "message": "Number 4030 or 403"}', SourceMalformed, r"cannot use .*4030"),
    (403, b'{"error_code": "ODD", "message": "no, it timed out"}', SourceUnavailable, r"refuses us .*it timed out"),
    (404, b"<html>not here</html>", SourceMalformed, "cannot use"),
    (429, b"", SourceUnavailable, "it wants fewer questions"),
    (501, b"Connection refused", SourceUnavailable, r"error 501, Connection refused"),
    (503, b"", SourceUnavailable, "the proxy before it answers with errors"),
    (200, b"", SourceMalformed, "other than a JSON object"),
    (200, b'{"status": "maintenance"}', SourceMalformed, "answers without experiments"),
    (200, b'{"experiments": "maintenance"}', SourceMalformed, "experiments is no list"),
    (200, b'{"experiments": [{"experiment_id": null}]}', SourceMalformed, "shape that is not its own"),
    (200, b'{"experiments": [{"id": 1}]}', SourceMalformed, "shape that is not its own"),
])
def test_what_a_server_answers_instead_of_runs_is_one_line(
    served, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, kind, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(served[1], "instead", (status, body))
    with pytest.raises(kind, match=said) as caught:
        MlflowRuns(served[0]).experiments()
    assert "\n" not in str(caught.value)


def test_what_an_answer_leaves_empty_is_read_as_left_out(served, monkeypatch: pytest.MonkeyPatch) -> None:
    address, asked = served
    info = dict.fromkeys(["status", "start_time", "end_time", "run_name", "user_id", "artifact_uri", "lifecycle_stage"])
    pair, metric = {"key": "k", "value": None}, {"key": "k", "value": None, "timestamp": None, "step": None}
    dataset = dict.fromkeys(["name", "digest", "source_type", "source", "profile"])
    full = {"metrics": [metric], "params": [pair], "tags": [pair]}
    runs = [({**info, "run_id": "bare", "experiment_id": "1"}, None, None),
            ({**info, "run_id": "empty", "experiment_id": "1"}, dict.fromkeys(full), {"dataset_inputs": None}),
            ({**info, "run_id": "full", "experiment_id": "1"}, full,
             {"dataset_inputs": [{"dataset": None, "tags": None}, {"dataset": dataset, "tags": [pair]}]})]
    version = dict.fromkeys(["run_id", "creation_timestamp", "status", "source", "description", "tags"])
    monkeypatch.setattr(asked, "by_path", {
        "experiments": {"experiments": [{"experiment_id": "1", "name": None}], "next_page_token": None},
        "runs": {"runs": [{"info": i, "data": d, "inputs": g} for i, d, g in runs], "next_page_token": None},
        "registered-models": {"registered_models": [{"name": "m", "aliases": None}], "next_page_token": None},
        "model-versions": {"model_versions": [{**version, "name": "m", "version": "1"}], "next_page_token": None}})
    source = MlflowRuns(address)
    assert source.experiments() == {"1": ""}
    read = [run for page in source.everything() for run in page]
    assert {(r.status, r.start_ms, r.end_ms, r.name, r.user, r.artifact_uri, r.deleted) for r in read} == {
        ("RUNNING", 0, None, "", "", "", False)}
    assert [(r.run_id, r.params, r.tags, r.metrics, len(r.inputs)) for r in read] == [
        ("bare", {}, {}, (), 0), ("empty", {}, {}, (), 0), ("full", {"k": ""}, {"k": ""}, (("k", 0, 0, 0),), 2)]
    (found,), aliases = source.registry()
    assert ((found.run_id, found.created_at, found.source, found.tags), aliases) == (("", None, "", {}), {})
    wanted = {"experiments": "experiments", "runs": "runs", "registered-models": "registered_models"}
    monkeypatch.setattr(asked, "by_path", {path: {key: None} for path, key in wanted.items()})
    assert (MlflowRuns(address).experiments(), list(source.everything()), source.registry()) == ({}, [], ([], {}))


def test_a_server_in_maintenance_leaves_the_mirror_as_it_was(
    served, db: OpsDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = served
    step, runs, registry = mirror_of(db, MlflowRuns(address))
    step.run(now=NOW)
    before = runs.count(RunFilter(deleted=True)), len(registry.versions("m")), registry.champion("m")
    assert before[0]
    assert before[2]
    monkeypatch.setattr(asked, "instead", (200, b'{"status": "maintenance"}'))
    with pytest.raises(SourceMalformed, match="answers without experiments"):
        step.run(now=NOW + timedelta(days=2))
    assert (runs.count(RunFilter(deleted=True)), len(registry.versions("m")), registry.champion("m")) == before
    for ask in (lambda pages: pages.runs("", names={"1": ""}, order_by=(), deleted=True, token=""),
                lambda pages: pages.models(""), lambda pages: pages.versions("")):
        with pytest.raises(SourceMalformed, match="answers without"):
            ask(mlflow_rest.RestPages(address, address))


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_time_beyond_64_bits_is_one_line(served, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    address, asked = served
    for odd in (2**63, float("inf")):
        monkeypatch.setattr(asked, "by_path", {
            "experiments": {"experiments": [{"experiment_id": "1"}]},
            "runs": {"runs": [{"info": {"run_id": "r", "experiment_id": "1", field: odd}}]}})
        with pytest.raises(SourceMalformed, match="shape that is not its own"):
            list(MlflowRuns(address).everything())


def test_a_server_that_never_ends_its_pages_is_left() -> None:
    pages = iter([("first", "same"), ("second", "same")])  # a third question has no answer
    with pytest.raises(SourceMalformed, match="that it gave before"):
        list(MlflowRuns("http://mlflow")._every(lambda _: next(pages)))


def test_a_server_cannot_have_us_wait_for_hours(served, monkeypatch: pytest.MonkeyPatch) -> None:
    address, asked = served
    slept: list[float] = []
    # Not for every thread of this process: only where both roads wait before they ask again.
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(sleep=slept.append, time=time.time))
    monkeypatch.setattr(asked, "instead", (503, b""))
    monkeypatch.setattr(asked, "headers", {"Retry-After": "21600"})
    asked.clear()
    for ask in (MlflowRuns(address).experiments, lambda: MlflowBaselines(address).versions("m")):
        with pytest.raises(SourceUnavailable, match="the proxy before it answers with errors"):
            ask()
    assert len(asked) == 4
    assert not [seconds for seconds in slept if seconds > 1]


@pytest.mark.parametrize(("name", "value"), [
    *[("MLFLOW_HTTP_REQUEST_TIMEOUT", odd) for odd in ("abc", "0", "inf")],
    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "-1"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1.5"),
    ("MLFLOW_TRACKING_CLIENT_CERT_PATH", "/none.pem"), ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/none.pem"),
    ("MLFLOW_TRACKING_TOKEN", "s3c\nr3t"), ("MLFLOW_TRACKING_TOKEN", "s3c€r3t"),
])
def test_a_setting_that_cannot_be_used_is_named_and_a_secret_one_not_shown(
    served, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        MlflowRuns("http://127.0.0.1:1" if "CLIENT" in name else "https://127.0.0.1:1").experiments()
    assert not re.search("s3c|r3t", str(caught.value))


@pytest.mark.parametrize("name", ["MlflowRuns", "MlflowBaselines", "MlflowRegistry", "inspect_sources"])
def test_whatever_asks_mlflow_is_patient_first(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in PATIENCE:
        monkeypatch.setenv(variable, "kept")  # so that the test leaves none of them behind
        monkeypatch.delenv(variable)
    if name == "inspect_sources":
        with pytest.raises(SourceUnavailable):
            inspect_sources.models("sqlite:////none.db")
    else:
        kinds = {"MlflowRuns": MlflowRuns, "MlflowBaselines": MlflowBaselines, "MlflowRegistry": MlflowRegistry}
        kinds[name]("http://mlflow")
    assert {variable: os.environ.get(variable) for variable in PATIENCE} == PATIENCE


def test_mlflow_reports_its_use_to_nobody_where_only_baselines_are_asked_for() -> None:
    # Tests, and build servers by any of many names, have MLflow silent by themselves.
    asks = ("import os; os.environ.clear(); from services.adapters.mlflow_baseline import MlflowBaselines; "
            "MlflowBaselines('http://127.0.0.1:9')._mlflow(); "
            "from mlflow.telemetry.client import get_telemetry_client; "
            "print(os.environ['MLFLOW_HTTP_REQUEST_MAX_RETRIES'], get_telemetry_client())")
    assert run_python(asks) == "1 None"


def asked_by(name: str, uri: str) -> None:
    """Ask MLflow at an address by one of the ways that the program has."""
    if name.startswith("MlflowRuns"):
        MlflowRuns(uri).experiments()
    elif name == "MlflowBaselines":
        MlflowBaselines(uri).versions("m")
    elif name == "MlflowRegistry":
        MlflowRegistry(uri).alias("m", "champion")
    else:
        inspect_sources.models(uri)


@pytest.mark.parametrize("name", [
    "MlflowRuns", "MlflowRuns by MLflow's client", "MlflowBaselines", "MlflowRegistry", "inspect_sources"])
@pytest.mark.parametrize("answer", [None, (200, b"<html>login</html>"), (400, b"{}"), (200, b"[]")])
def test_the_password_of_an_address_is_in_no_message(
    served, monkeypatch: pytest.MonkeyPatch, name: str, answer: tuple[int, bytes] | None
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    if name.endswith("client"):
        monkeypatch.setenv("MLFLOW_WORKSPACE", "w")  # which has that one ask
    monkeypatch.setattr(served[1], "instead", answer)
    place = served[0].removeprefix("http://") if answer else "127.0.0.1:not-a-port"  # which is quoted whole
    with pytest.raises(OpsError) as caught:
        asked_by(name, f"http://bob:hunter2@{place}")
    assert "127.0.0.1" in str(caught.value)
    assert not re.search("bob|hunter2", str(caught.value))


def test_the_data_that_a_training_logged_is_measured_against_what_serves(store, db: OpsDb) -> None:
    uri, ids, _ = store
    step, runs, registry = mirror_of(db, MlflowRuns(uri))
    step.run(now=NOW)
    evaluated, read = sorted(runs.inputs_of(list(ids.values()))[ids["odd"]], key=lambda i: i.context)
    assert (read.name, read.context, read.source, read.label) == ("fares", "training", "local", "late")
    assert read.rows == 3_000
    assert (evaluated.name, evaluated.uri) == (HOSTILE, "s3://b/k")

    baselines, measurements = BaselineTable(db), MeasurementTable(db)
    trained = pa.table({"amount": np.random.default_rng(6).normal(0, 1, 12_000), "late": [1.0] * 12_000})
    baselines.save(fit_baseline(trained, features=["amount"], label="late").of_version("m", "1"), now=NOW)
    datasets = DatasetsStep(datasets=[], champion_of=lambda _: "1", baselines=baselines, profiles=ProfileTable(db),
                            schemas=SchemaTable(db), measurements=measurements,
                            logged=LoggedDatasets({"m": ""}, registry, runs))

    def found(name: str, column: str = "") -> Measurement:
        return next(m for m, _ in measurements.newest(subject="m-input-fares", name=name) if m.column == column)

    datasets.run(now=NOW)
    assert found("skew", "amount").reason.startswith("amount moved: ")
    assert (found("label_drift", "label").verdict, found("schema").verdict) == (Verdict.PASS, Verdict.PASS)

    there = Path(read.uri)
    there.rename(there.with_suffix(".gone"))
    datasets.run(now=NOW + timedelta(minutes=1))
    assert (found("schema").verdict, found("schema").why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)
    there.with_suffix(".gone").rename(there)
    datasets.run(now=NOW + timedelta(minutes=2))
    assert found("schema").verdict is Verdict.PASS


def test_a_schema_that_nobody_tried_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES ('abc')")
    other.close()
    with pytest.raises(SourceMalformed, match=r"has schema abc, .* empty tracking\.sql"):
        list(MlflowSql("http://127.0.0.1:9", sql=f"sqlite:///{tmp_path}/other.db").everything())


def test_the_database_is_never_written_through_the_fast_road(store) -> None:
    uri, _, _ = store
    with MlflowSql(uri, sql=uri)._engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM runs"))


def test_a_missing_store_is_one_line_and_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"there is no file .*none\.db"):
        MlflowRuns(f"sqlite:///{tmp_path}/none.db").experiments()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    with pytest.raises(SourceUnavailable) as caught:
        MlflowRuns(f"http://127.0.0.1:{port}").experiments()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"MLflow at http://127.0.0.1:{port} does not answer")
    assert len(str(caught.value)) < 600
