"""Use read from files and from a real Prometheus: what is true counts, what cannot be is refused by name."""

import os
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from services.adapters.usage_csv import CsvReader
from services.adapters.usage_files import UsageFiles
from services.adapters.usage_kubernetes import KubernetesReader, quantity
from services.adapters.usage_pools import pools_of
from services.adapters.usage_prometheus import PrometheusUsage
from services.adapters.usage_slurm import SlurmReader, tres
from services.adapters.usage_sources import sources_of
from services.errors import SettingsError, SourceMalformed, SourceUnavailable
from services.quota.pool import Pool
from services.releases.target import Observation
from services.settings.sections import Settings
from tests.ports import free_port
from tests.waiting import until

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
POOLS = {
    "gpu": Pool(name="gpu", resource="gpu", limit=64, unit="GPUs"),
    "gpu-2": Pool(name="gpu-2", resource="gpu", limit=8, unit="GPUs"),
    "ram": Pool(name="ram", resource="ram", limit=512, unit="GiB"),
    "cores": Pool(name="cores", resource="cpu", limit=100, unit="cores"),
}


# -- CSV


def csv_source(tmp_path, text, **more):
    (tmp_path / "usage.csv").write_text(text)
    return UsageFiles("usage:csv", str(tmp_path / "*.csv"), CsvReader(POOLS, **more), POOLS)


def test_four_columns_suffice(tmp_path):
    source = csv_source(tmp_path, "ts,pool,pipeline,used\n2026-03-04T14:00:00Z,gpu,train,8\n")
    (sample,) = source.sample(now=NOW)
    assert (sample.pool, sample.pipeline, sample.used, sample.requested, str(sample.origin)) == (
        "gpu", "train", 8.0, None, "imported")
    assert source.pools == {"gpu"}
    assert source.sample(now=NOW) == [], "a file that did not change is not read again"


def test_impossible_rows_are_refused_by_line_and_the_others_count(tmp_path):
    source = csv_source(tmp_path, """ts,pool,pipeline,used,requested,limit
2026-03-04T14:00:00Z,gpu,train,8,10,64
2026-03-04T14:05:00Z,gpu,train,-8,10,64
2026-03-04T14:10:00Z,gpu,train,,10,64
yesterday,gpu,train,8,10,64
2026-03-04T18:00:00Z,gpu,train,8,10,64
2026-03-04T14:00:00Z,gpu,train,9,10,64
2026-03-04T14:15:00Z,gpu,train,many,10,64
2026-03-04T14:20:00Z,gpu,train,8,10,0
2026-03-04T14:25:00Z,gpu,train,8,10,32
1970-01-01T00:00:00Z,gpu,train,8,10,32
2026-03-04T14:30:00Z,gpu,train,inf,10,32
""")
    assert [s.used for s in source.sample(now=NOW)] == [8.0, 8.0]
    lines = (*range(3, 10), 11, 12)
    assert [fault.partition(": ")[0] for fault in source.faults] == [f"line {n} of usage.csv" for n in lines]
    for fault, said in zip(source.faults, ("used = -8", "used is empty", "not a time", "a clock jumped",
                                           "stand there twice", "not a number", "limit = 0", "never set",
                                           "used = inf"), strict=True):
        assert said in fault
    assert [(limit.value, limit.origin) for limit in source.limits] == [(64.0, "imported"), (32.0, "imported")]


def test_units_are_converted_and_unknown_ones_refused(tmp_path):
    source = csv_source(tmp_path, "ts,pool,pipeline,used,unit\n2026-03-04T14:00:00Z,ram,a,16,GB\n"
                                  "2026-03-04T14:00:00Z,ram,b,16,GiB\n2026-03-04T14:00:00Z,ram,c,16,gigs\n")
    assert [round(s.used, 3) for s in source.sample(now=NOW)] == [14.901, 16.0]
    assert "line 4 of usage.csv: unit 'gigs'" in source.faults[0]


def test_a_pool_that_nobody_declared_and_a_pipeline_in_two_pools_are_named(tmp_path):
    source = csv_source(tmp_path, "ts,pool,pipeline,used\n2026-03-04T14:00:00Z,tpu,train,8\n"
                                  "2026-03-04T14:00:00Z,gpu,train,8\n2026-03-04T14:00:00Z,gpu-2,train,8\n")
    assert {s.pool for s in source.sample(now=NOW)} == {"gpu", "gpu-2"}
    assert "pool tpu is not declared" in source.faults[0]
    assert "train uses gpu and gpu-2 at one moment" in source.faults[1]


@pytest.mark.parametrize(("content", "said"), [(b"when,who\n1,2\n", "has no column ts, pool, pipeline, used"),
                                               (b"ts,pool,pipeline,used\n\xff\xfe,\n", "cannot be read as CSV")])
def test_a_file_that_is_no_such_csv_is_named_and_another_still_counts(tmp_path, content, said):
    (tmp_path / "broken.csv").write_bytes(content)
    source = csv_source(tmp_path, "ts,pool,pipeline,used\n2026-03-04T14:00:00Z,gpu,train,8\n")
    assert len(source.sample(now=NOW)) == 1
    assert said in source.faults[0]
    assert "broken.csv" in source.faults[0]


def test_no_file_at_all_says_where_it_looked(tmp_path):
    with pytest.raises(SourceUnavailable, match="no file matches"):
        UsageFiles("usage:csv", str(tmp_path / "*.csv"), CsvReader(POOLS), POOLS).sample(now=NOW)


# -- Kubernetes


QUOTAS = """{"items": [
  {"metadata": {"name": "compute", "namespace": "ranking", "labels": {"ops.pipeline": "ranking-training"}},
   "status": {"hard": {"requests.cpu": "40", "requests.memory": "128Gi", "requests.nvidia.com/gpu": "60", "pods": "9"},
              "used": {"requests.cpu": "2500m", "requests.memory": "16384Mi", "requests.nvidia.com/gpu": "8",
                       "pods": "3", "limits.cpu": "99"}}},
  {"metadata": {"name": "compute", "namespace": "fraud"}, "status": {"hard": {"nvidia.com/gpu": "50"},
                                                                      "used": {"nvidia.com/gpu": "x"}}},
  {"metadata": {"name": "compute"}}
]}"""


def test_resource_quotas_are_what_was_requested_in_the_pools_units(tmp_path):
    (tmp_path / "quotas.json").write_text(QUOTAS)
    names = {"cpu": "cores", "memory": "ram", "nvidia.com/gpu": "gpu"}
    source = UsageFiles("usage:kubernetes", str(tmp_path / "quotas.json"), KubernetesReader(POOLS, names), POOLS)
    found = {s.pool: s for s in source.sample(now=datetime.now(UTC))}
    assert {pool: s.used for pool, s in found.items()} == {"cores": 2.5, "ram": 16.0, "gpu": 8.0}
    assert (found["gpu"].pipeline, found["gpu"].team, found["gpu"].requested) == ("ranking-training", "ranking", 8.0)
    assert "item 1 of quotas.json: 'x' is not a quantity" in source.faults[0]
    assert "item 2 of quotas.json" in source.faults[1]


def test_quotas_beyond_the_pool_are_said_to_overcommit_it(tmp_path):
    (tmp_path / "quotas.json").write_text(QUOTAS.replace('"60"', '"110"'))
    source = UsageFiles("k", str(tmp_path / "quotas.json"), KubernetesReader(POOLS, {"nvidia.com/gpu": "gpu"}), POOLS)
    source.sample(now=datetime.now(UTC))
    assert any("quotas of gpu add up to 110 of 64 GPUs: the pool is overcommitted" in f for f in source.faults)


@pytest.mark.parametrize(("text", "resource", "value"), [("500m", "cpu", 0.5), ("4", "gpu", 4), ("1Gi", "ram", 1),
                                                         ("1G", "ram", 1e9 / 2**30), ("1e3", "cpu", 1000)])
def test_kubernetes_quantities(text, resource, value):
    assert quantity(text, resource, "here") == pytest.approx(value)


# -- Slurm


SACCT = """JobID|JobName|Account|State|Submit|Start|End|ReqTRES|AllocTRES
1|train|ranking|COMPLETED|2026-03-04T11:00:00|2026-03-04T12:00:00|2026-03-04T13:00:00|gres/gpu=4|cpu=8,mem=16G,gres/gpu=4
2|train|ranking|RUNNING|2026-03-04T14:00:00|2026-03-04T14:20:00|Unknown|gres/gpu=2|cpu=8,mem=16G,gres/gpu=2
3|sweep|fraud|PENDING|2026-03-04T14:30:00|Unknown|Unknown|gres/gpu=8|
4|odd|fraud|FAILED|2026-03-04T11:00:00|2026-03-04T13:00:00|2026-03-04T12:00:00|gres/gpu=1|gres/gpu=1
"""


def test_jobs_become_samples_of_what_was_held_and_waited_for(tmp_path):
    (tmp_path / "sacct.txt").write_text(SACCT)
    source = UsageFiles("usage:slurm", str(tmp_path / "sacct.txt"), SlurmReader(POOLS["gpu"]), POOLS)
    found = {(f"{s.ts:%H:%M}", s.pipeline): s for s in source.sample(now=NOW)}
    assert found["12:45", "train"].used == 4.0
    assert found["11:30", "train"].pending == 4.0
    assert found["14:45", "train"].used == 2.0
    assert found["14:45", "sweep"].pending == 8.0
    assert found["13:30", ""].used == 0.0, "an idle moment is zero, not a gap"
    assert "job 4 ends before it starts" in source.faults[0]


def test_slurms_memory_is_binary():
    assert tres("cpu=4,mem=16G", "ram", "here") == 16.0
    assert tres("cpu=4,mem=512M", "ram", "here") == 0.5
    with pytest.raises(SourceMalformed):
        tres("cpu=4x", "cpu", "here")


# -- Prometheus


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """The address of a real server that scrapes a small exporter every 2 s: a slow scrape is no gap."""
    if shutil.which("prometheus") is None:
        pytest.fail("Prometheus is not installed: install the distribution's package prometheus", pytrace=False)
    folder = tmp_path_factory.mktemp("prometheus")
    registry = CollectorRegistry()
    labels = ["pool", "pipeline", "team"]
    used, asked = Gauge("gpu_used", "", labels, registry=registry), Gauge("gpu_asked", "", labels, registry=registry)
    limit = Gauge("gpu_limit", "", ["pool"], registry=registry)
    for pipeline, value in (("train", 8.0), ("serve", 2.5)):
        used.labels("gpu", pipeline, "ranking").set(value)
        asked.labels("gpu", pipeline, "ranking").set(10.0)
    used.labels("gpu", "broken", "x").set(float("nan"))
    used.labels("undeclared", "train", "x").set(1.0)
    limit.labels("gpu").set(48.0)
    exporter, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    port = free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n  - job_name: gpus\n    static_configs:\n"
        f"      - targets: ['127.0.0.1:{exporter.server_port}']\n")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def scraped():
        assert server.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"{url}/api/v1/query", params={"query": "gpu_limit"}).json()["data"]["result"]
        except (httpx.HTTPError, ValueError):  # while it starts it answers in plain text
            return False

    try:
        until(scraped, within=120, what="a first scrape")
        yield url
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait()
        exporter.shutdown()
        exporter.server_close()
        thread.join()


def test_a_real_prometheus_gives_use_requests_and_limit(prometheus):
    source = PrometheusUsage(prometheus, pools=POOLS, used="gpu_used", requested="gpu_asked", limit="gpu_limit")
    found = {s.pipeline: s for s in source.sample(now=NOW)}
    assert {name: (s.used, s.requested, s.team, s.ts) for name, s in found.items()} == {
        "train": (8.0, 10.0, "ranking", NOW), "serve": (2.5, 10.0, "ranking", NOW)}
    assert [(limit.pool, limit.value) for limit in source.limits] == [("gpu", 48.0)]
    assert any("undeclared is not declared" in f for f in source.faults)
    assert any("is nan" in f for f in source.faults)
    source.sample(now=NOW + timedelta(minutes=1))
    assert source.limits == (), "a limit that did not change is not written again"


def test_labels_and_an_expression_of_the_teams_own(prometheus):
    source = PrometheusUsage(prometheus, pools=POOLS, used="sum by (team) (gpu_used == gpu_used)", pool="gpu",
                             labels={"pipeline": "team"})
    assert {s.pipeline: s.used for s in source.sample(now=NOW)}["ranking"] == 10.5


def test_a_query_that_cannot_be_read_and_a_server_that_is_away_are_said(prometheus):
    with pytest.raises(SourceUnavailable, match="refuses the query"):
        PrometheusUsage(prometheus, pools=POOLS, used="sum by (").sample(now=NOW)
    with pytest.raises(SourceUnavailable, match="does not answer"):
        PrometheusUsage(f"http://127.0.0.1:{free_port()}", pools=POOLS, used="up").sample(now=NOW)


# -- settings


def settings(**usage):
    return Settings.model_validate({"pools": [{"name": "gpu", "resource": "gpu", "limit": 64}], "usage": [usage]})


def test_every_kind_of_source_is_built_from_the_settings():
    for usage in ({"kind": "processes", "pools": {"gpu": "gpu"}}, {"kind": "csv", "path": "*.csv"},
                  {"kind": "prometheus", "url": "http://x", "query": "q"},
                  {"kind": "slurm", "path": "a", "pool": "gpu"},
                  {"kind": "kubernetes", "path": "a", "pools": {"nvidia.com/gpu": "gpu"}}):
        given = settings(**usage)
        (source,) = sources_of(given, pools_of(given), observe=nothing)
        assert source.name.startswith("usage:")


def test_a_source_of_a_pool_that_is_not_declared_is_refused():
    given = settings(kind="slurm", path="a", pool="typo")
    with pytest.raises(SettingsError, match="names pool typo, which is not in"):
        sources_of(given, pools_of(given), observe=nothing)


# -- replicas


def nothing(model, environment):
    return Observation(generation=0)


def serving(observe, *, pool="cores", per_replica=None, target="ray"):
    given = Settings.model_validate({
        "models": {m: {"task": "binary", "log": "log"} for m in ("fares", "eta")},
        "environments": {"production": {"target": target, "cpus": 2, "replicas": 3}, "staging": {"target": "gateway"},
                         "archive": {"target": "alias"}},
        "pools": [{"name": "cores", "resource": "cpu", "limit": 100}, {"name": "gpu", "resource": "gpu", "limit": 8}],
        "pipelines": [{"name": "fares-online", "kind": "serving", "pool": "cores", "team": "pricing"}],
        "usage": [{"kind": "targets", "pool": pool, "per_replica": per_replica}]})
    (source,) = sources_of(given, pools_of(given), observe=observe)
    return source


def test_replicas_of_every_version_count_with_what_one_of_them_takes():
    shown = {("fares", "production"): {"1": 3, "2": 1}, ("eta", "production"): {"7": 2}, ("fares", "staging"): {"2": 1}}
    source = serving(lambda m, e: Observation(generation=1, replicas=shown.get((m, e), {})))
    assert {(s.pipeline, s.team, s.environment): s.used for s in source.sample(now=NOW)} == {
        ("fares-online", "pricing", "production"): 8.0, ("eta-serving", "", "production"): 4.0,
        ("fares-serving", "", "staging"): 1.0}
    assert source.pools == {"cores"}
    assert serving(lambda m, e: Observation(generation=1, replicas=shown.get((m, e), {})), pool="gpu",
                   per_replica=0.5).sample(now=NOW)[1].used == 2.0


def test_an_environment_that_does_not_answer_is_named_and_the_others_count():
    asked = []

    def observe(model, environment):
        asked.append((model, environment))
        if environment == "production":
            raise SourceUnavailable("the Ray cluster does not answer")
        return Observation(generation=1, replicas={"1": 1})

    source = serving(observe)
    assert {s.environment for s in source.sample(now=NOW)} == {"staging"}
    assert source.faults == ("production: the Ray cluster does not answer",)
    assert asked == [("fares", "production"), ("fares", "staging"), ("eta", "staging")], "waits once, for no alias"


def test_replicas_that_cannot_be_counted_are_refused_at_the_start():
    with pytest.raises(SettingsError, match="needs per_replica: how many GPUs of gpu each takes"):
        serving(nothing, pool="gpu")
    given = Settings.model_validate({
        "environments": {"production": {"target": "alias"}}, "usage": [{"kind": "targets", "pool": "cores"}],
        "pools": [{"name": "cores", "resource": "cpu", "limit": 4}]})
    with pytest.raises(SettingsError, match="one of gateway, ray, kserve"):
        sources_of(given, pools_of(given), observe=nothing)
