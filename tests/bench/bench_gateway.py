"""The gateway beside `mlflow models serve`: same model, same client, one machine, one run.

Run by `python -m tests.bench.bench_gateway [--seconds S] [--record docs/benchmarks.md]`.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from services.adapters.gateway_address import address
from services.adapters.gateway_target import GatewayTarget
from services.settings import load
from tests.bench.load import Result
from tests.gateway_fixtures import read_log
from tests.waiting import until

COLUMNS = [f"f{i}" for i in range(10)]
BODY = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [[i / 10 for i in range(10)]]}}).encode()
TOML = """
[tracking]
uri = "{uri}"
[models.bench]
task = "binary"
log = "log"
[environments.production]
target = "gateway"
[gateway]
port = 0
ack = "{ack}"
timeout_ms = 10000
"""


COMMAND = "from console.cli import main; main()"
UNLOGGED = "from services.adapters.gateway_log import PredictionLog; PredictionLog.append = lambda *_: None; " + COMMAND


def log_model(folder: Path, flavour: str) -> None:
    """Log one small model, versions 1 and 2, and make version 1 champion. Run in a process of its own."""
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature

    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    place = (folder / "artifacts").as_uri()
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("bench", artifact_location=place))
    values = np.random.default_rng(1).normal(size=(500, 10))
    frame, labels = pd.DataFrame(values, columns=COLUMNS), (values[:, 0] > 0).astype(int)
    with mlflow.start_run():
        for _ in range(2):
            if flavour == "sklearn":
                from sklearn.linear_model import LogisticRegression

                mlflow.sklearn.log_model(
                    LogisticRegression().fit(frame, labels), name="model", registered_model_name="bench",
                    signature=infer_signature(frame, labels), pip_requirements=["scikit-learn"])
            else:
                import keras

                net = keras.Sequential([keras.layers.Input((10,)), keras.layers.Dense(16, activation="relu"),
                                        keras.layers.Dense(1, activation="sigmoid")])
                mlflow.tensorflow.log_model(
                    net, name="model", registered_model_name="bench", pip_requirements=["tensorflow"],
                    signature=infer_signature(values.astype("float32"), np.zeros((500, 1), "float32")))
    mlflow.MlflowClient().set_registered_model_alias("bench", "champion", "1")


@contextlib.contextmanager
def started(command: list[str], folder: Path, url: Any) -> Iterator[str]:
    """Run a server until the block ends; yield its address once `/ping` answers."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                               "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}) as process:
        def ready() -> str:
            with contextlib.suppress(httpx.TransportError, OSError, ValueError):
                where = url()
                if httpx.get(f"{where}/ping", trust_env=False).status_code == 200:
                    return str(where)
            return ""

        try:
            yield until(ready, within=240)
        finally:
            process.terminate()
            process.wait(timeout=60)


def gateway(folder: Path, ack: str = "memory", code: str = COMMAND) -> contextlib.AbstractContextManager[str]:
    """Return the gateway over the models in `folder`; `code` starts it."""
    (folder / "interlock.toml").write_text(TOML.format(uri=f"sqlite:///{folder}/mlflow.db", ack=ack))
    where = folder / ".interlock" / "gateway.json"
    where.unlink(missing_ok=True)
    return started([sys.executable, "-c", code, "gateway"], folder,
                   lambda: json.loads(where.read_text())["url"])


def peer(folder: Path) -> contextlib.AbstractContextManager[str]:
    """Return MLflow's own server over the same model."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return started(
        [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/bench/1", "--env-manager", "local",
         "-h", "127.0.0.1", "-p", str(port)], folder, lambda: f"http://127.0.0.1:{port}")


def measure(url: str, path: str, body: bytes, clients: int, seconds: float) -> Result:
    """Return what a client in a process of its own sees, after a short warm-up."""
    host, port = url.removeprefix("http://").split(":")
    for length in (1.0, seconds):
        done = subprocess.run([sys.executable, "-m", "tests.bench.load", host, port, path, body.decode(), str(clients),
                               str(length)], capture_output=True, text=True, check=True)
    per_s, p50, p99, answered, failed = done.stdout.split()
    return Result(float(per_s), float(p50), float(p99), int(answered), int(failed))


def change(folder: Path, url: str, body: bytes) -> float:
    """Return the milliseconds from asking for a new split to the first answer under it, median of 20."""
    target = GatewayTarget(lambda: address(load(str(folder / "interlock.toml")), "production"))
    target.load("bench", "production", "2")
    took = []
    with httpx.Client(trust_env=False) as client:
        for generation in range(1, 21):
            wanted = str(1 + generation % 2)
            started_at = time.perf_counter()
            target.set_weights("bench", "production", {wanted: 100}, generation=generation)
            while client.post(f"{url}/production/bench/invocations", content=body,
                              headers={"content-type": "application/json"}).headers["x-model-version"] != wanted:
                pass
            took.append((time.perf_counter() - started_at) * 1_000)
    target.close()
    return sorted(took)[10]


def run(flavour: str, seconds: float) -> list[str]:
    """Return the lines of the report for one kind of model."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = "import sys; from pathlib import Path; from tests.bench.bench_gateway import log_model; "
        subprocess.run([sys.executable, "-c", code + "log_model(Path(sys.argv[1]), sys.argv[2])", name, flavour],
                       check=True, capture_output=True)
        body = BODY if flavour == "sklearn" else json.dumps({"instances": [[0.1] * 10]}).encode()
        path = "/production/bench/invocations"
        with peer(folder) as url:
            theirs = {n: measure(url, "/invocations", body, n, seconds) for n in (1, 32)}
        with gateway(folder) as url:
            ours = {n: measure(url, path, body, n, seconds) for n in (1, 32)}
            changed = change(folder, url, body)
            target = GatewayTarget(lambda: address(load(str(folder / "interlock.toml")), "production"))
            target.set_weights("bench", "production", {"1": 100}, generation=50)
            target.set_mirror("bench", "production", "2", 100, generation=50)
            shadowed = measure(url, path, body, 32, seconds)
            answered = json.loads(httpx.get(f"{url}/health", trust_env=False).text)["log"]["taken"]
            target.close()
        logged = len(read_log(load(str(folder / "interlock.toml")), "bench"))
        with gateway(folder, ack="disk") as url:
            disk = {n: measure(url, path, body, n, seconds) for n in (1, 32)}
        with gateway(folder, code=UNLOGGED) as url:
            bare = {n: measure(url, path, body, n, seconds) for n in (1, 32)}
        for n in (1, 32):
            lines += [f"{flavour}, {n} client(s)", f"  mlflow models serve  {theirs[n]}",
                      f"  gateway              {ours[n]}   {ours[n].per_s / theirs[n].per_s:.1f} x",
                      f"  gateway, no log      {bare[n]}   logging keeps {ours[n].per_s / bare[n].per_s:.2f} of it",
                      f"  gateway, ack=disk    {disk[n]}   {disk[n].per_s / ours[n].per_s:.2f} of ack=memory"]
        lines += [f"  everything shadowed  {shadowed}   {shadowed.per_s / ours[32].per_s:.2f} of no shadow",
                  f"  weight change to first answer under the new split: median {changed:.1f} ms",
                  f"  requests taken and in the log: {answered} and {logged}"]
    return lines


def main() -> None:
    """Print the report of each kind of model, and append it to a file where one is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--flavours", default="sklearn,keras")
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    for flavour in given.flavours.split(","):
        lines = run(flavour, given.seconds)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        if given.record:
            head = (f"\n## Gateway, {flavour}, {datetime.now(UTC):%Y-%m-%d}\n\n{os.cpu_count()} cores, "
                    f"{platform.machine()}, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}, "
                    f"{given.seconds:g} s each\n\n```\n")
            with given.record.open("a", encoding="utf-8") as file:
                file.write(head + "\n".join(lines) + "\n```\n")


if __name__ == "__main__":
    main()
