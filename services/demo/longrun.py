"""One long training run, so that the quota has real use to show: small trainings with pauses, niced, with heartbeats.

It takes about a fifth of one core. Told to stop, it ends its run as KILLED.
"""

import logging
import os
import resource
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd

from services import bootstrap
from services.demo import home
from services.demo.datasets import split
from services.demo.features import DELAY
from services.demo.flights import data_folder, read_journeys
from services.demo.tracking import TEAM, RunRecord, Tracker
from services.settings import load

SHARE: Final = 0.2  # of one core
BEAT_S: Final = 60.0
ROWS: Final = 6_000

_log = logging.getLogger("longrun")


def main() -> None:
    """Train until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.environ["OMP_NUM_THREADS"] = "1"  # before scikit-learn loads its threads
    os.nice(10)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = load(sys.argv[1])
    marker = home.marker_of(settings.home_path)
    if marker is None:
        raise SystemExit(f"long training run: {settings.home_path} holds no complete seed: run interlock demo")
    seeded = datetime.fromisoformat(marker["seeded_at"])
    journeys = read_journeys(data_folder(), weeks=int(marker["weeks"]))
    rows = journeys[(journeys["known_at"] < seeded) & (journeys["known_at"] > seeded - timedelta(weeks=4))].tail(ROWS)
    tracker = Tracker(settings.tracking_uri, settings.home_path / "mlartifacts")
    bootstrap.announce(settings, pipeline=f"{DELAY}-longrun", kind="training", team=TEAM[DELAY],
                       environment="production")
    record = RunRecord(
        experiment=DELAY, name="longrun", pipeline=f"{DELAY}-longrun", kind="training", started_at=datetime.now(UTC),
        took_s=0, params={"share_of_a_core": SHARE, "rows": len(rows)},
        tags={"ops.job_ref": f"pid:{os.getpid()}", "ops.data_rows": str(len(rows)),
              "ops.heartbeat": str(int(time.time() * 1000))},
    )
    run_id = tracker.begin(record)
    try:
        _train(tracker, run_id, rows, stop)
    finally:
        tracker.client.set_terminated(run_id, status="KILLED")


def _train(tracker: Tracker, run_id: str, rows: pd.DataFrame, stop: threading.Event) -> None:
    """Train again and again on another part of the rows, pausing four times as long as each took."""
    from services.demo import models

    training, tested = split(rows, cut=rows["known_at"].max(), last=timedelta(days=1))
    beat, step = float("-inf"), 0
    while not stop.is_set():
        before = _cpu_s()
        fitted = models.train(DELAY, training.sample(frac=0.6, random_state=step), iterations=20)
        if time.monotonic() - beat > BEAT_S:
            beat = time.monotonic()
            for key, value in models.test(DELAY, fitted, tested).items():
                tracker.client.log_metric(run_id, key, value, step=step)
            tracker.client.set_tag(run_id, "ops.heartbeat", str(int(time.time() * 1000)))
        step += 1
        stop.wait((_cpu_s() - before) * (1 / SHARE - 1))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
