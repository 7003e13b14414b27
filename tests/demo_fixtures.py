"""A demo home, seeded once per test session by the command itself and shared by every worker.

`demo_home` is for reading only. A test that writes takes `demo_copy`, a folder of its own with the same seed.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.settings import Settings, load


@dataclass(frozen=True)
class DemoHome:
    """The folder in which `interlock demo --fast --no-serve` ran."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "interlock.toml"

    @property
    def settings(self) -> Settings:
        return load(str(self.config), environ={})

    @property
    def home(self) -> Path:
        return self.folder / ".interlock"

    def interlock(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, as a person would."""
        command = [sys.executable, "-m", "console.cli", *words]
        return subprocess.run(command, cwd=self.folder, env=clean_environment(), capture_output=True, text=True,
                              timeout=850)


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")}


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> DemoHome:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    found = DemoHome(shared / "demo-home")
    with (shared / "demo-home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found.home / "seed.json").exists():
            found.folder.mkdir(exist_ok=True)
            seeded = found.interlock("demo", "--fast", "--no-serve")
            # 1: a step of the first pass failed. tests/flows/test_demo_home.py says which; the seed is complete.
            assert seeded.returncode in {0, 1}, seeded.stderr
            assert (found.home / "seed.json").exists(), seeded.stderr
    return found


@pytest.fixture
def demo_copy(demo_home: DemoHome, tmp_path: Path) -> DemoHome:
    """The same seed in a folder of the test's own. Model artefacts stay where they were logged."""
    shutil.copytree(demo_home.folder, tmp_path / "demo")
    return DemoHome(tmp_path / "demo")
