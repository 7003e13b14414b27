"""A real standalone Spark cluster for the tests: one master and two workers on loopback, stopped by process id."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import until


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Yield the address of a cluster with two registered workers of one core each."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        pytest.fail("pyspark is not installed: pip install --require-hashes -r requirements/spark.lock", pytrace=False)
    home = Path(spec.origin).parent
    port = free_port()
    address = f"spark://127.0.0.1:{port}"
    log = folder / "master.log"
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1",
                   "SPARK_WORKER_DIR": str(folder), "SPARK_DAEMON_MEMORY": "384m", "SPARK_NO_DAEMONIZE": "1"}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *words: str) -> None:
        with (folder / f"{name}.log").open("wb") as out:
            started.append(subprocess.Popen([str(home / "bin" / "spark-class"), *words], env=environment, stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True))

    try:
        start("master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port),
              "--webui-port", str(free_port()))
        _wait(log, "Starting Spark master", 1)
        for number in (1, 2):
            start(f"worker{number}", "org.apache.spark.deploy.worker.Worker", address, "--cores", "1",
                  "--memory", "600m", "--host", "127.0.0.1", "--webui-port", str(free_port()))
        _wait(log, "Registering worker", 2)
        yield address
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=120)


def _wait(log: Path, words: str, times: int) -> None:
    """Return when the log says the words so often; fail with its end when it does not."""
    try:
        until(lambda: log.exists() and len(re.findall(words, log.read_text(errors="replace"))) >= times, within=300,
              what=words)
    except AssertionError as late:
        pytest.fail(f"Spark: {late}: {log.read_text(errors='replace')[-500:] if log.exists() else 'no log'}")
