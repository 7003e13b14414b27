"""Quota pages over a year of 5-minute samples of 20 pools with 200 pipelines each: data time, target 100 ms.

What a page reads are roll-ups, so these are written directly: a year by day, the last 35 days by hour, and the newest
moment as samples. The samples themselves, 420 million of them, would only be read by nobody. Run by
`python -m tests.bench.bench_quota [--record docs/benchmarks.md]`.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.adapters.ops_db import OpsDb
from services.adapters.quota_table import QuotaTable
from services.core.window import DAY, HOUR, TimeWindow
from services.quota.fit import check
from services.quota.history import history, now_held
from services.quota.loads import loads
from services.quota.pool import Pool, Sample
from tests.bench.recording import section

POOLS, PIPELINES, DAYS, HOURLY_DAYS = 20, 200, 365, 35
TARGET_MS = 100
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def fill(file: Path) -> list[Pool]:
    """Write the roll-ups and return the pools."""
    db = OpsDb(f"sqlite:///{file}")
    db.migrate()
    names = [f"pool-{i}" for i in range(POOLS)]
    QuotaTable(db).write((
        Sample(ts=NOW - timedelta(minutes=1), pool=pool, pipeline=f"pipeline-{j}", kind="training", team=f"t{j % 16}",
               used=1.0, requested=2.0) for pool in names for j in range(PIPELINES)), roll_up=False)
    db.engine.dispose()
    raw = sqlite3.connect(file)
    raw.execute("PRAGMA synchronous=OFF")
    source = random.Random(1)
    spread = [source.random() * 2 for _ in range(PIPELINES)]
    for grain, count, step in (("day", DAYS, DAY), ("hour", HOURLY_DAYS * 24, HOUR)):
        hours = step / HOUR
        starts = [int((NOW - step * (count - i)).timestamp() * 1_000_000) for i in range(count)]
        for pool in range(1, POOLS + 1):
            first = (pool - 1) * PIPELINES + 1
            raw.executemany(
                "INSERT INTO quota_rollups (pool_id, grain, series_id, start, n, used_hours, used_max, used_p95, "
                "requested_hours, requested_max) VALUES (?,?,?,?,?,?,?,?,?,?)",
                ((pool, grain, first + j, start, 12, spread[j] * hours, 2.0, 1.9, 2 * hours, 2.0)
                 for j in range(PIPELINES) for start in starts))
            total = sum(spread) * hours
            raw.executemany(
                "INSERT INTO quota_pool_rollups (pool_id, grain, start, ticks, hours, used_hours, used_max, used_p95, "
                "requested_hours, requested_max, attributed_hours, over_ticks, origin) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,'real')",
                ((pool, grain, start, 12, hours, total, 400.0, 390.0, 400 * hours, 400.0, total, 0)
                 for start in starts))
    raw.commit()
    raw.close()
    return [Pool(name=name, resource="gpu", limit=512, unit="GPUs") for name in names]


def timed(call: object, *, times: int = 15) -> float:
    """Return the median of so many calls in milliseconds of processor time: the load of the machine leaves it alone."""
    took = []
    for _ in range(times):
        started = time.process_time()
        call()
        took.append(1000 * (time.process_time() - started))
    return sorted(took)[times // 2]


def main() -> int:
    """Print one line per page, record where asked, and return how many miss the target."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--record", type=Path)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="il-quota-") as folder:
        pools = fill(Path(folder) / "ops.db")
        store = QuotaTable(OpsDb(f"sqlite:///{folder}/ops.db"))
        found = {"Quota, who holds a pool now": timed(lambda: now_held(store, pools[7], now=NOW))}
        for days in (1, 7, 30, 90, 365):
            window = TimeWindow.last(timedelta(days=days), now=NOW)
            found[f"Quota and Report, one pool over {days} d"] = timed(
                lambda window=window: history(store, pools[7], window))
        found["Planner, loads and fit of one pool"] = timed(
            lambda: check(pools[7], loads(pools[7], [], store, {}, now=NOW), limit=512, now=NOW), times=5)
    for what, took in found.items():
        sys.stdout.write(f"quota  {what:<38} {took:7.1f} ms   target {TARGET_MS} ms   "
                         f"{'met' if took <= TARGET_MS else 'MISSED'}\n")
    if options.record:
        section(options.record, "Quota pages", command="python -m tests.bench.bench_quota",
                note=f"Data time of one page in processor time, median; a year of roll-ups of {POOLS} pools with "
                     f"{PIPELINES} pipelines each, as samples of every 5 minutes leave them.",
                head=("page", "ms", "target"),
                rows=[(what, f"{took:.1f}", f"{TARGET_MS}") for what, took in found.items()])
    return sum(took > TARGET_MS for took in found.values())


if __name__ == "__main__":
    sys.exit(main())
