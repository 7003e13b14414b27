"""The mirror beside MLflow's own search: first sync, 100 new runs, and the Training page's data.

Run by `python -m tests.bench.bench_mirror [--runs N] [--no-rest] [--record docs/benchmarks.md]`. Every line gives wall
and CPU seconds of this process, because the two differ where the machine has other work.
"""

import argparse
import os
import platform
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx

from services.adapters.house_tables import SourceTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.mlflow_runs import MlflowRuns
from services.adapters.mlflow_sql import MlflowSql
from services.adapters.ops_db import OpsDb
from services.adapters.registry_table import RegistryTable
from services.adapters.run_mirror import MirrorCursor, RunMirror
from services.core.window import TimeWindow
from services.monitor.steps.mirror import MirrorStep
from services.monitor.steps.training import TrainingStep
from services.training.failure_rules import Rules
from tests.waiting import until

PARAMS, METRICS, TAGS = 10, 10, 5
TURNS = 5
Line = tuple[str, float, float, str]


def seed(path: Path, count: int, *, start: datetime, every: timedelta, experiment: int, seed_: int) -> None:
    """Write runs as MLflow would have, straight into its tables."""
    rng = random.Random(seed_)
    runs, params, tags, metrics = [], [], [], []
    for i in range(count):
        run, began = UUID(int=rng.getrandbits(128)).hex, int((start + i * every).timestamp() * 1000)
        status = "FAILED" if rng.random() < 0.05 else "FINISHED"
        took = int(1_800_000 * rng.lognormvariate(0, 0.08))
        runs.append((run, f"run {i}", "JOB", "train.py", "", "u", status, began, began + took, "", "active",
                     f"/none/{run}", experiment))
        params += [(f"param_{k}", str(rng.random()), run) for k in range(PARAMS)]
        told = {"ops.pipeline": f"pipeline-{i % 20}", "ops.pipeline_kind": "training", "ops.team": "bench",
                "ops.data_rows": "1000", "mlflow.source.git.commit": "c" * 40}
        tags += [(key, value, run) for key, value in told.items()]
        metrics += [(f"metric_{k}", rng.random(), began + took, 100, 0, run) for k in range(METRICS)]
    with sqlite3.connect(path) as db:
        db.executemany("INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, "
                       "start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES "
                       "(?,?,?,?,?,?,?,?,?,?,?,?,?)", runs)
        db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)", params)
        db.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)
        db.executemany("INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES "
                       "(?,?,?,?,?,?)", metrics)
    db.close()


def timed(what: str, work: Callable[[], object], target: str = "") -> Line:
    """Do something once and return what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    line = (what, time.perf_counter() - wall, time.process_time() - cpu, target)
    sys.stdout.write(f"{line[0]:<58} {line[1]:9.3f} s {line[2]:9.3f} CPU-s   {target}\n")
    sys.stdout.flush()
    return line


def house(folder: Path, name: str, source: MlflowRuns, *, bar: int = 0) -> tuple[OpsDb, MirrorStep, TrainingStep]:
    """Return an empty ops store with the two steps on it."""
    db = OpsDb(f"sqlite:///{folder}/{name}.db")
    db.migrate()
    runs, cursor = RunMirror(db), MirrorCursor(SourceTable(db))

    def told(done: int) -> None:
        if bar and sys.stderr.isatty():
            sys.stderr.write(f"\r{'#' * (40 * done // bar):<40} {done:,} of {bar:,} runs")

    mirror = MirrorStep(source, runs, RegistryTable(db), cursor, rules=Rules, told=told)
    return db, mirror, TrainingStep(runs, MeasurementTable(db), mirror_as_of=cursor.as_of, objectives={})


def page(db: OpsDb, now: datetime) -> Callable[[], object]:
    """Return the reading behind the Training page, without Streamlit's cache."""
    from console import session
    from console.queries import training

    class Home:
        runs, measurements = RunMirror(db), MeasurementTable(db)

    session.services = lambda: Home  # type: ignore[assignment,return-value]
    return lambda: training.overview.__wrapped__("pipeline-3", TimeWindow.last(timedelta(days=365), now=now))


@contextmanager
def server(uri: str, folder: Path) -> Iterator[str]:
    """Run `mlflow server` with one worker on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--backend-store-uri", uri, "--workers", "1",
               "--host", "127.0.0.1", "--port", str(port), "--artifacts-destination", str(folder / "artifacts")]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/health"), within=180, what="an answer of the server")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def both(folder: Path, name: str, uri: str, database: Path, count: int, *, limits: tuple[str, str]) -> list[Line]:
    """Measure first sync, increment and idle pass through one address."""
    now = datetime.now(UTC)
    db, mirror, training = house(folder, name, MlflowRuns(uri), bar=count)
    lines = [timed(f"{name}: first sync of {count:,} runs", lambda: mirror.run(now=now), limits[0])]
    lines.append(timed(f"{name}: pass with nothing new", lambda: mirror.run(now=now + timedelta(hours=2))))
    found = []
    for turn in range(TURNS):
        later = now + timedelta(hours=3 + 2 * turn)
        mirror.run(now=later)  # a monitor at work has looked just before; after hours it looks at more again
        seed(database, 100, start=later, every=timedelta(seconds=1), experiment=1,
             seed_=int.from_bytes(f"{name}{turn}".encode()))
        found.append(timed(f"{name}: 100 new runs, median of {TURNS}",
                           lambda moment=later + timedelta(hours=1): mirror.run(now=moment), limits[1]))
    lines.append(sorted(found, key=lambda line: line[1])[TURNS // 2])
    if name == "direct":
        lines.append(timed("judge and measure 20 pipelines", lambda: training.run(now=now + timedelta(hours=4))))
        ask = page(db, now)
        ask()
        lines.append(timed("the Training page's data, one pipeline of 20", ask, "≤ 0.1 s"))
        lines.append(timed("the run list, newest 200", lambda: RunMirror(db).find(limit=200), "≤ 0.1 s"))
    return lines


def main() -> None:
    """Seed, measure, print, and record where asked."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--runs", type=int, default=20_000)
    asked.add_argument("--no-rest", action="store_true", help="leave out the server, which takes minutes")
    asked.add_argument("--record", type=Path)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database, uri = folder / "mlflow.db", f"sqlite:///{folder}/mlflow.db"
        import mlflow

        client = mlflow.MlflowClient(uri)
        client.create_experiment("bench")
        start = datetime.now(UTC) - timedelta(days=300)
        seed(database, options.runs, start=start, every=timedelta(days=299) / options.runs, experiment=1, seed_=1)
        now = datetime.now(UTC)
        fast, sql, _ = house(folder, "sql", MlflowSql(uri, sql=uri))
        lines = [timed(f"database: first sync of {options.runs:,} runs", lambda: sql.run(now=now), "≤ 5 s")]
        served = shutil.copy(database, folder / "served.db")  # the new runs of the direct turns are not in it
        lines += both(folder, "direct", uri, database, options.runs, limits=("≤ 60 s", "≤ 0.3 s"))

        def search(where: mlflow.MlflowClient, limit: int) -> None:
            token, done = None, 0
            while done < limit:
                found = where.search_runs(["1"], max_results=min(1_000, limit), page_token=token)
                done, token = done + len(found), found.token
                if not token:
                    break

        lines.append(timed("MLflow's own search, newest 200", lambda: search(client, 200)))
        lines.append(timed(f"MLflow's own search, {options.runs:,} runs", lambda: search(client, options.runs)))
        if not options.no_rest:
            with server(f"sqlite:///{served}", folder) as address:
                lines += both(folder, "REST", address, served, options.runs, limits=("≤ 120 s", "≤ 0.6 s"))
        fast.engine.dispose()
    if options.record:
        record(options.record, lines, options.runs)


def record(path: Path, lines: list[Line], count: int) -> None:
    """Replace this bench's section of the benchmark document."""
    head = f"## Mirror of MLflow, {count:,} runs\n"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    busy = f"{os.getloadavg()[2]:.1f} processes wanted a core over the last quarter of an hour"
    body = (f"{head}\n{datetime.now(UTC):%Y-%m-%d}, {machine}; each run has {PARAMS} params, {METRICS} metrics, {TAGS} "
            f"tags. CPU is this process's alone; {busy}.\n\n| what | wall | CPU | target |\n|---|---|---|---|\n"
            + "".join(f"| {what} | {wall:.3f} s | {cpu:.3f} s | {target} |\n" for what, wall, cpu, target in lines))
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Benchmarks\n"
    before, found, after = old.partition(head)
    rest = after[after.index("\n## ") + 1 :] if found and "\n## " in after else ""
    path.write_text(f"{before.rstrip()}\n\n{body}\n{rest}".rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
