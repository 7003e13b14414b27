"""What a growing log costs: one more hour of it, and the Drift page's data after ever more rows.

Run by `python -m tests.bench.bench_drift_log [--rows 100000 1000000 10000000] [--record docs/benchmarks.md]`; 100000000
rows are asked for by name, and want 15 GB of disk. The log has 50 features and 30 days, one file per day.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from services.adapters.log_ledger import LogLedger
from services.adapters.ops_db import OpsDb
from services.adapters.parquet_writer import append
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_table import BaselineTable, ProfileTable
from services.core.window import DAY, HOUR, TimeWindow
from services.drift.gather import chosen
from services.drift.grid import grid
from services.drift.measure import Against, compare_column
from services.monitor.steps.profiles import ProfilesStep
from services.settings.sections import Model
from tests.bench import drift_data
from tests.bench.recording import section

DAYS, MODEL = 30, "bench"
NOW = drift_data.START + DAYS * DAY
PER_HOUR = 2_000  # rows in the hour that is added


class Home:
    """One model's log, baseline, store and step, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "log"
        self.db = OpsDb(f"sqlite:///{folder}/ops.db")
        self.db.migrate()
        numbers, categories = drift_data.names()
        self.settings = Model(task="binary", log="log", features=[*numbers, *categories])
        self.baselines, self.profiles = BaselineTable(self.db), ProfileTable(self.db)
        rows = pa.table(drift_data.features(np.random.default_rng(5), 20_000))
        self.baselines.save(fit_baseline(rows, features=self.settings.features).of_version(MODEL, "*"), now=NOW)
        self.step = ProfilesStep(
            logs={MODEL: ParquetLog(MODEL, self.root, self.settings)}, slices={}, baselines=self.baselines,
            profiles=self.profiles, ledger=LogLedger(self.db), save=lambda _: None)

    def hour(self, number: int) -> None:
        """Log one more hour."""
        start = NOW + number * HOUR
        stamps = pa.array([start + i * HOUR / PER_HOUR for i in range(PER_HOUR)], pa.timestamp("us", "UTC"))
        features = drift_data.features(np.random.default_rng(number), PER_HOUR)
        append(self.root, pa.table({"ts": stamps, **features}), time_column="ts", sync=False)

    def page(self) -> tuple[int, int]:
        """Read what the Drift page shows of 30 days; return cells and the rows behind them."""
        of = chosen(self.baselines, self.profiles, MODEL, now=NOW)
        found = grid(of, TimeWindow(NOW - DAYS * DAY, NOW), Against.TRAINING)
        week = of.pair(TimeWindow(NOW - timedelta(days=7), NOW), Against.TRAINING)
        compare_column(found.columns[0], week, of.baseline, Against.TRAINING)
        return len(found.cells), sum(cell.effect.n for cell in found.of(found.columns[0]))


def timed(work: Callable[[], object], *, times: int = 1) -> float:
    """Return the median of the processors' seconds that something takes: those do not depend on what else runs."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return statistics.median(took)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measured(rows: int) -> list[str]:
    """Return the table's line for a log of so many rows."""
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name))
        for path in drift_data.log_days(home.root, rows, days=DAYS, end=NOW):
            assert path.is_file()
        first = timed(lambda: home.step.run(now=NOW))
        idle = timed(lambda: home.step.run(now=NOW))
        added = []
        for number in range(3):
            home.hour(number)
            added.append(timed(lambda k=number: home.step.run(now=NOW + (k + 1) * HOUR)))
        cells, seen = home.page()
        page = timed(home.page, times=15)
        home.db.engine.dispose()
    hour = statistics.median(added)
    say(f"{rows:>12,} rows: first count {first:7.2f} s, nothing new {idle:6.3f} s, one more hour of {PER_HOUR:,} rows "
        f"{hour:6.3f} s, page {page * 1000:6.1f} ms ({cells:,} cells over {seen:,} rows)")
    return [f"{rows:,}", f"{first:.2f} s", f"{idle:.3f} s", f"{hour:.3f} s", f"{page * 1000:.1f} ms"]


def main() -> None:
    """Measure each size, print, and record where asked."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    asked.add_argument("--record", type=Path)
    options = asked.parse_args()
    table = [measured(rows) for rows in options.rows]
    if options.record:
        section(options.record, f"Drift: one more hour, and the page's data, {DAYS} days x 50 features",
                command=f"python -m tests.bench.bench_drift_log --rows {' '.join(map(str, options.rows))}",
                note=f"The hour has {PER_HOUR:,} rows whatever the log before holds. The page's data are the grid of "
                     "every feature and day, and one feature close up, without any cache; target ≤ 50 ms each. "
                     "All times are processor time, of all threads.",
                head=["rows logged before", "first count of all", "pass with nothing new", "one more hour",
                      "page data, median of 15"], rows=table)


if __name__ == "__main__":
    main()
