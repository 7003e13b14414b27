"""Run every soak, one after another, each in a process of its own: `make soak`. Too long for `make test`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Return how many soaks failed."""
    failed = 0
    for name in sorted(path.stem for path in HERE.glob("soak_*.py")):
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        failed += subprocess.run([sys.executable, "-m", f"tests.soak.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
