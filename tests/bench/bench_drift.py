"""Our drift report beside Evidently's, over the same two files on the same machine.

Run by `python -m tests.bench.bench_drift [--rows 1000000] [--peer FOLDER] [--record docs/benchmarks.md]`. The peer does
not run on the pandas of this project: the bench makes it an environment of its own, by package name, in `--peer`
(`.bench/evidently` by default), and uses that again the next time. At the full size the peer takes six minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import drift_data
from tests.bench.recording import section

ROOT = Path(__file__).parents[2]
PEER = ("evidently==0.7.23", "pandas==3.0.6")  # the newest pandas that it works on


@dataclass(frozen=True)
class Result:
    """What one process took: seconds of the work, of processors for it, of the whole process; its peak of memory."""

    what: str
    inner_s: float
    processor_s: float
    whole_s: float
    peak_mb: float
    answer: dict[str, Any]


def peer(folder: Path) -> Path:
    """Return the peer's Python; make its environment where there is none."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.is_file():
        sys.stdout.write(f"making an environment with {' and '.join(PEER)} in {folder}\n")
        sys.stdout.flush()
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *PEER], check=True)
        ready.touch()
    return python


def run(what: str, command: list[str]) -> Result:
    """Run one side in a process of its own and print its line."""
    began = time.perf_counter()
    # It asks no server whether it may count, and finds our modules whatever folder it starts in.
    env = {**os.environ, "DO_NOT_TRACK": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    whole = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    found = Result(what, answer["seconds"], answer["processor_s"], whole, answer["peak_mb"], answer)
    sys.stdout.write(f"{what:<44} {found.inner_s:9.2f} s in process {found.processor_s:9.2f} s of processors "
                     f"{whole:9.2f} s whole {found.peak_mb:8.0f} MB\n")
    sys.stdout.flush()
    return found


def lines(ours: list[Result], theirs: Result, *, rows: int) -> list[list[str]]:
    """Return the table: each side, and how much faster and smaller ours is."""
    targets = {"everyday": "≥ 150 x", "cold": "≥ 60 x"} if rows >= 1_000_000 else {}
    table = []
    for one in [*ours, theirs]:
        ratios = ["", "", "", ""] if one is theirs else [
            f"{theirs.inner_s / one.inner_s:.0f} x", f"{theirs.processor_s / one.processor_s:.0f} x",
            f"{theirs.whole_s / one.whole_s:.0f} x", f"1/{theirs.peak_mb / one.peak_mb:.1f}"]
        table.append([one.what, f"{one.inner_s:.2f} s", f"{one.processor_s:.2f} s", f"{one.whole_s:.2f} s",
                      f"{one.peak_mb:,.0f} MB", *ratios,
                      next((t for word, t in targets.items() if word in one.what), "")])
    return table


def main() -> None:
    """Write the files, run both sides, print, and record where asked."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--peer", type=Path, default=ROOT / ".bench" / "evidently")
    asked.add_argument("--record", type=Path)
    options = asked.parse_args()
    other = peer(options.peer)
    columns = drift_data.NUMBERS + drift_data.CATEGORIES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, window, stored = folder / "base.parquet", folder / "window.parquet", folder / "baseline.json"
        drift_data.write(base, options.rows, seed=1)
        drift_data.write(window, options.rows, seed=2, shift=0.3)
        mine = [sys.executable, "-m", "tests.bench.drift_ours"]
        files = [str(base), str(window)]
        ours = [run(f"Interlock, {how}", [*mine, word, *files, str(stored)])
                for word, how in (("cold", "cold: edges and both files"), ("everyday", "everyday: stored baseline"))]
        theirs = run("Evidently 0.7.23", [str(other), str(ROOT / "tests/bench/drift_peer.py"), *files])
    moved = ours[1].answer["moved"]
    sys.stdout.write(f"moved by .3 sigma: {drift_data.MOVED} of {columns}; found: {', '.join(moved)}\n")
    head = ["what", "in process", "processors", "whole process", "peak memory", "faster in process",
            "less of processors", "faster whole", "memory", "target in process"]
    table = lines(ours, theirs, rows=options.rows)
    for row in table:
        sys.stdout.write("  ".join(f"{cell:<14}" for cell in row) + "\n")
    if options.record:
        title = f"Drift report, {options.rows:,} rows x {columns} columns in each of two files"
        section(options.record, title, command=f"python -m tests.bench.bench_drift --rows {options.rows}", head=head,
                rows=table, note=f"{drift_data.NUMBERS} numbers, {drift_data.CATEGORIES} categories; Evidently in its "
                f"own environment ({', '.join(PEER)}), its drift preset with its defaults. Both sides read the files.")


if __name__ == "__main__":
    main()
