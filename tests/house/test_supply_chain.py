"""What is installed is what the locks pin, and the audit sees what is not."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.metadata import PathDistribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / ".ci" / "audit"
# Parts of a package that is asked for, and the peer of one bench, which needs an environment of its own.
PARTS = {"pydantic_core": "pydantic", "botocore": "boto3"}
ELSEWHERE = {"evidently"}
HASH = "--hash=sha256:" + "0" * 64


@pytest.fixture(scope="module")
def audit():
    loader = SourceFileLoader("ci_audit", str(AUDIT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ci_audit", loader))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


def test_every_package_is_pinned_by_hashes_and_installed_as_locked():
    done = subprocess.run([sys.executable, str(AUDIT), "--fast"], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout  # inconclusive: nothing was found, and not everything was asked
    assert ": 0 faults" in done.stdout
    assert "were not looked up" in done.stdout, "what was not done must be said"


@pytest.mark.parametrize("line", ["pandas>=3\n", "pandas==3.1\n", "pandas\n", "pandas @ file:///x\n",
                                  f"pandas==3.1 \\\n    {HASH[:-1]}\n", "-e .\n"])
def test_a_line_without_one_version_and_its_hashes_is_found(audit, line):
    assert audit.pins(line)[1] == [line.splitlines()[0]]


@pytest.mark.parametrize("line", [f"pandas==3.1.1 \\\n    {HASH}\n",
                                  f"uvicorn[standard]==1 \\\n    {HASH} \\\n    {HASH}\n",
                                  f"colorama==0.4 ; sys_platform == 'win32' \\\n    {HASH}\n"])
def test_a_pinned_line_passes(audit, line):
    assert audit.pins(line)[1] == []


def test_an_installed_file_that_was_changed_or_removed_is_found(audit, tmp_path):
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (tmp_path / "thing.py").write_text("x = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    digest = "X3ZW1Vt6UTnRXHF0UUeIVqCqUGFHEj3_VmQWUDVnHIY"
    (info / "RECORD").write_text(f"thing.py,sha256={digest},6\nthing-1.0.dist-info/RECORD,,\n")
    found = audit.changed(PathDistribution(info))
    assert found == ["thing.py was changed"]
    (tmp_path / "thing.py").unlink()
    assert audit.changed(PathDistribution(info)) == ["thing.py is missing"]


@pytest.mark.parametrize(("answer", "known", "says"), [
    ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "1 packages looked up, 0 known"),
    ('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]}', 1, "a 1: X-1"),
    ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', None, "not looked up for 1 of 1"),
    ("", None, "not looked up: boom"),
])
def test_a_lookup_that_knew_no_package_is_not_taken_for_a_clean_one(audit, tmp_path, monkeypatch, answer, known, says):
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\necho boom >&2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found, words = audit.lookup()
    assert found == known
    assert says in words


def test_an_untouched_package_passes(audit):
    from importlib.metadata import distribution

    assert audit.changed(distribution("click")) == []


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked_for(*extras):
    """Return what pyproject.toml asks for, by name."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def imported(folder):
    """Return the top of every absolute import in a folder's files, with one file that has it."""
    found = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: file.relative_to(ROOT) for name in names}
    return found


CLUSTERS = ("spark", "ray", "kserve", "sagemaker")


@pytest.mark.parametrize(("folder", "extras"), [
    ("console", ()), ("services", CLUSTERS), ("tests", (*CLUSTERS, "dev")),
])
def test_every_package_that_we_import_is_asked_for_by_name(folder, extras):
    """One that only another package brings can leave, or change, without anybody having decided it."""
    brought, wanted, missing = packages_distributions(), set(asked_for(*extras)), []
    known = {"console", "services", "tests", *ELSEWHERE, *sys.stdlib_module_names}
    for name, file in imported(folder).items():
        packages = {canonicalize_name(p) for p in brought.get(name, [])} | {PARTS.get(name)}
        if name not in known and not packages & wanted:
            missing.append(f"{name} in {file}")
    assert missing == []


def test_every_lock_holds_what_is_asked_for():
    pinned = {}
    for file in (ROOT / "requirements.lock", *sorted((ROOT / "requirements").glob("*.lock"))):
        pinned |= dict(re.findall(r"(?m)^([a-z0-9][a-z0-9.-]*)(?:\[[^\]]*\])?==([^ \\]+)", file.read_text()))
    wrong = [str(wanted) for name, wanted in asked_for(*CLUSTERS, "dev").items()
             if name not in pinned or not wanted.specifier.contains(pinned[name])]
    assert wrong == []
