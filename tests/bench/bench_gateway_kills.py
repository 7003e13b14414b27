"""What a kill costs under load: the canary's worker, the monitor, the gateway itself. Loss and recovery, measured.

Run by `python -m tests.bench.bench_gateway_kills [--clients N] [--record docs/benchmarks.md]`; two to three minutes.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from services import bootstrap
from services.adapters.gateway_address import address
from services.adapters.gateway_target import GatewayTarget
from services.releases.release import Place
from services.settings import load
from tests.bench.bench_gateway import COLUMNS
from tests.gateway_clients import Answered, Clients
from tests.gateway_fixtures import read_log
from tests.waiting import until

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
dead_man = "{dead_man}"
timeout_ms = 10000
"""
BODY = {"dataframe_split": {"columns": COLUMNS, "data": [[0.5] * len(COLUMNS)]}}
SPLIT = {"1": 50.0, "2": 50.0}
WHERE = ("bench", "production")


@dataclass
class Home:
    """A home with a gateway as its own process, and later a monitor."""

    folder: Path
    ack: str = "memory"
    dead_man: str = "600s"  # long where no monitor runs, so that the timer does not end the canary meanwhile
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        toml = TOML.format(uri=f"sqlite:///{self.folder}/mlflow.db", ack=self.ack, dead_man=self.dead_man)
        (self.folder / "interlock.toml").write_text(toml)
        self.settings = load(str(self.folder / "interlock.toml"))
        self.target = GatewayTarget(lambda: address(self.settings, "production"))

    def run(self, *words: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{words[0]}.log").open("ab") as out:
            return subprocess.Popen([sys.executable, "-c", "from console.cli import main; main()", *words],
                                    cwd=self.folder, stdout=out, stderr=out)

    @property
    def url(self) -> str:
        return str(json.loads((self.folder / ".interlock" / "gateway.json").read_text())["url"])

    def get(self, path: str) -> Any:
        return httpx.get(self.url + path, trust_env=False).json()

    def workers(self) -> list[dict[str, Any]]:
        found = address(self.settings, "production")
        shown = httpx.get(f"{found.url}/control", headers={"Authorization": f"Bearer {found.token}"}, trust_env=False)
        return list(shown.json()["workers"])

    def start(self, port: int = 0) -> None:
        """Start the gateway and return when it answers; on the port of before, so that clients find it again."""
        (self.folder / ".interlock" / "gateway.json").unlink(missing_ok=True)
        self.process = self.run("gateway", "--port", str(port))
        until(self.answers, within=120, what="the gateway")

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError, OSError, ValueError):
            return httpx.get(f"{self.url}/ping", trust_env=False).status_code == 200
        return False

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(timeout=60)

    def split(self, generation: int) -> None:
        for version in SPLIT:
            self.target.load(*WHERE, version)
        self.target.set_weights(*WHERE, SPLIT, generation=generation)


@contextlib.contextmanager
def asked(home: Home, clients: int) -> Iterator[Clients]:
    """Keep so many clients asking."""
    with Clients(f"{home.url}/production/bench/invocations", count=clients, body=BODY) as crowd:
        crowd.after(50 * clients)
        yield crowd


def first(crowd: Clients, moment: float, good: Callable[[Answered], bool]) -> float:
    """Return the seconds from a moment to the first good answer to a request that was asked after it.

    What was answered just before a kill may be read just after it: it says nothing about who comes back.
    """
    def answered() -> Answered | None:
        return next((one for one in crowd.since(moment) if one.asked >= moment and good(one)), None)

    found: Answered = until(answered, within=180, what="the first good answer")
    return found.at - moment


def missing(home: Home, crowd: Clients) -> tuple[int, int, int]:
    """Return how many requests were answered, how many of those the log lacks, and how many it holds twice."""
    answered = {one.name for one in crowd.answers if one.status == 200}
    rows = [(row["request_id"], row["variant"]) for row in read_log(home.settings, "bench")]
    return len(answered), len(answered - {name for name, _ in rows}), len(rows) - len(set(rows))


def worker_killed(home: Home, clients: int) -> list[str]:
    """Kill the canary's worker while it has half of the traffic."""
    home.start()
    home.split(1)
    with asked(home, clients) as crowd:
        victim = next(w["pids"][0] for w in home.workers() if w["version"] == "2")
        moment = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        until(lambda: any(w["version"] == "2" and w["pids"] not in ([], [victim]) and w["healthy"]
                          for w in home.workers()), within=120, what="the next worker")
        healthy = time.monotonic()
        back = healthy - moment + first(crowd, healthy, lambda one: one.version == "2")
        crowd.settle()
        during = crowd.since(moment)
    failed = sum(one.status != 200 for one in during)
    home.stop()
    answered, lost, twice = missing(home, crowd)
    return ["canary's worker killed (the champion answers for it meanwhile)",
            f"  {failed} of {len(during)} requests failed; a new worker answers after {back:.2f} s",
            f"  {answered} answered, {lost} missing in the log, {twice} twice"]


def monitor_killed(home: Home, clients: int) -> list[str]:
    """Kill the monitor while a canary has half of the traffic, then start another one."""
    home.start()
    generation = home.target.observe(*WHERE).generation + 1
    home.split(generation)
    services = bootstrap.build(home.settings)
    services.db.migrate()
    place = Place(model="bench", environment="production", champion="1", weights=SPLIT, generation=generation)
    services.releases.system(lambda book: (book.set_place(place), []), fence=0)
    monitor = home.run("monitor")
    try:
        with asked(home, clients) as crowd:
            until(lambda: services.releases.places()[0].observed_at, within=120, what="the monitor's first look")
            moment = time.monotonic()
            monitor.kill()
            monitor.wait()
            until(lambda: home.target.observe(*WHERE).weights == {"1": 100.0}, within=60, what="the dead-man timer")
            alone = time.monotonic() - moment
            moment_again = time.monotonic()
            monitor = home.run("monitor")
            until(lambda: home.target.observe(*WHERE).weights == SPLIT, within=180, what="the next monitor")
            again = time.monotonic() - moment_again
            crowd.settle()
            during = crowd.since(moment)
    finally:
        monitor.terminate()
        monitor.wait(timeout=60)
    home.stop()
    answered, lost, twice = missing(home, crowd)
    failed = sum(one.status != 200 for one in during)
    return ["monitor killed (dead_man 10 s; its lease is free for the next one after 15 s)",
            f"  {failed} of {len(during)} requests failed; the canary is back at 0 after {alone:.1f} s",
            f"  the canary has its share again {again:.1f} s after the next monitor's start",
            f"  {answered} answered, {lost} missing in the log, {twice} twice"]


def gateway_killed(home: Home, clients: int) -> list[str]:
    """Kill the gateway, start it again at once on the same port."""
    home.start()
    home.split(home.target.observe(*WHERE).generation + 1)
    port = int(home.url.rsplit(":", 1)[1])
    assert home.process
    with asked(home, clients) as crowd:
        home.process.kill()
        home.process.wait()
        moment = time.monotonic()
        home.start(port)
        back = first(crowd, moment, lambda one: one.status == 200)
        both = max(first(crowd, moment, lambda one, v=version: one.version == v) for version in SPLIT)
        crowd.settle()
        during = crowd.since(moment)
        counted = home.get("/health")["log"]["lost"]
    kept = home.target.observe(*WHERE).weights == SPLIT
    home.stop()
    answered, lost, twice = missing(home, crowd)
    refused = sum(one.status != 200 for one in during)
    return [f"gateway killed, ack={home.ack}, and started again at once: {refused} tries failed meanwhile",
            f"  first answer after {back:.1f} s, both versions after {both:.1f} s; weights kept: {kept}",
            f"  {answered} answered, {lost} missing in the log, {counted} counted as lost, {twice} twice"]


KILLS = ((worker_killed, "memory", "600s"), (gateway_killed, "memory", "600s"), (gateway_killed, "disk", "600s"),
         (monitor_killed, "memory", "10s"))


def main() -> None:
    """Print the report, and append it to a file where one is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = f"from pathlib import Path; from tests.bench.bench_gateway import log_model; log_model(Path({name!r}), "
        subprocess.run([sys.executable, "-c", code + "'sklearn')"], check=True, capture_output=True)
        for kill, ack, dead_man in KILLS:
            home = Home(folder, ack, dead_man)
            try:
                found = kill(home, given.clients)
            finally:
                if home.process and home.process.poll() is None:
                    home.process.kill()
                home.target.close()
            sys.stdout.write("\n".join(found) + "\n")
            sys.stdout.flush()
            lines += found
    if given.record:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        head = (f"\n## Gateway killed under load, {datetime.now(UTC):%Y-%m-%d}\n\n`python -m "
                f"tests.bench.bench_gateway_kills --clients {given.clients}`: {machine}, load average "
                f"{os.getloadavg()[0]:.1f}\n\n```\n")
        with given.record.open("a", encoding="utf-8") as file:
            file.write(head + "\n".join(lines) + "\n```\n")


if __name__ == "__main__":
    main()
