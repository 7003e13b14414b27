"""One drift report of ours, in a process of its own.

Run by `python -m tests.bench.drift_ours everyday|cold BASE WINDOW STORED`.

`everyday` reads the stored baseline and counts the window; `cold` fits the baseline on its file first and stores it.
Prints one JSON line: seconds of the work without imports, the peak of memory, and which columns moved.
"""

import json
import resource
import sys
import time
from pathlib import Path

from services.adapters.profile_engine import count_files, fit_baseline
from services.drift.compare import compare
from services.drift.effect import ALPHA
from services.profiles.baseline import PSI0, Baseline, baseline_from_json
from services.profiles.profile import Profile
from tests.bench.drift_data import names


def counted(baseline: Baseline, path: Path) -> Profile:
    """Return how the rows of a file fall into the baseline's bins."""
    return count_files([path], baseline.layout, {column: column for column in baseline.layout.columns}, name=str(path))


def main() -> None:
    """Do what the first argument says and tell what it took."""
    how, base, window, stored = sys.argv[1], *map(Path, sys.argv[2:])
    began, busy = time.perf_counter(), time.process_time()
    if how == "cold":
        numbers, categories = names()
        baseline = fit_baseline(str(base), features=[*numbers, *categories])
        stored.write_text(baseline.to_json(), encoding="utf-8")
    else:
        baseline = baseline_from_json(stored.read_text(encoding="utf-8"))
    profile = counted(baseline, window)
    found = {c: compare(profile.column(c), baseline.profile.column(c), psi0=PSI0, alpha=ALPHA)
             for c in baseline.layout.columns}
    report = {c: one.detail() for c, one in found.items()}
    took, busy = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": took, "processor_s": busy, "peak_mb": peak, "columns": len(report),
                                 "moved": sorted(c for c, one in found.items() if one.effect.fires)}) + "\n")


if __name__ == "__main__":
    main()
