"""Run every bench, one after another, each in a process of its own: `make bench`.

Each prints what it measured and the machine it ran on; `--record FILE` hands the file on to those that can write it.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Return how many benches failed."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    failed = 0
    for name in names:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", f"tests.bench.{name}", *sys.argv[1:]]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
