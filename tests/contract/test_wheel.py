"""The package as a team gets it: built as a wheel, unpacked elsewhere, and run away from this tree."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which the wheel was unpacked; built from a copy, so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in ("console", "services"):
        shutil.copytree(ROOT / package, source / package, ignore=LEFT_OUT)
    built = subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--no-build-isolation", "--wheel-dir", folder, source], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-2000:]
    with zipfile.ZipFile(next(folder.glob("interlock*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def run(installed: Path, at: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script away from the tree, with the unpacked wheel before this environment's other packages."""
    paths = f"import sys; sys.path[:0] = [{str(installed)!r}]; sys.path.append({sysconfig.get_path('purelib')!r}); "
    env = {k: v for k, v in os.environ.items() if not k.startswith(("INTERLOCK_", "PYTHON"))}
    # -S: without it the editable install of this tree would be found first.
    return subprocess.run([sys.executable, "-S", "-c", paths + script, *words], cwd=at, env=env, capture_output=True,
                          text=True, timeout=300)


def test_the_wheel_holds_every_file_that_the_program_reads(installed: Path):
    data = {".md", ".toml", ".mako", ".ttf", ".svg", ".css", ".js", ".py"}
    wanted = {path.relative_to(ROOT) for package in ("console", "services") for path in (ROOT / package).rglob("*")
              if path.suffix in data and "__pycache__" not in path.parts}
    assert {path for path in wanted if not (installed / path).exists()} == set()


def test_the_unpacked_wheel_answers_and_sets_up_a_store(installed: Path, tmp_path: Path):
    said = run(installed, tmp_path, "from console.cli import main; main()", "--help")
    assert said.returncode == 0, said.stderr[-2000:]
    assert "init" in said.stdout
    assert "demo" in said.stdout
    refused = run(installed, tmp_path, "from console.cli import main; main()", "init", "--log", "nowhere")
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr
    assert "Traceback" not in refused.stderr
    made = run(installed, tmp_path, """
import services
from services.adapters.ops_db import OpsDb
from services.adapters.runbook_files import RunbookFiles
assert services.__file__.startswith(sys.path[0]), services.__file__
store = OpsDb("sqlite:///ops.db"); store.migrate(); store.require_current()
print(len(RunbookFiles(None).all()))
""")
    assert made.returncode == 0, made.stderr[-2000:]
    assert int(made.stdout) > 20
