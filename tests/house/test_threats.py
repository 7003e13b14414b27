"""The threat model names, behind each line, a test that is there; every test file of the deployment guide is ours."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.specifiers import SpecifierSet

from console.cli import app
from tests.house.documents import DOCS

ROOT = DOCS.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LINES = [line for line in (DOCS / "threats.md").read_text().splitlines() if line.startswith("| ") and "`tests/" in line]


def test_every_threat_has_a_test_behind_it():
    table = [line for line in (DOCS / "threats.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(table) == len(LINES) >= 30


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[2].strip()[:50])
def test_the_test_behind_a_threat_is_there(line):
    file, name = re.search(r"`(tests/[\w/]+\.py)::(\w+)`", line).groups()
    source = (ROOT / file).read_text()
    assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{file} has no test {name}"


def commands():
    """Every command that the guide and the service files tell people to run."""
    said = (DOCS / "deploy.md").read_text()
    found = {line.split("#")[0].strip() for line in said.splitlines() if line.startswith("interlock ")}
    return sorted(found | set(re.findall(r"`(interlock [a-z][^`]*)`", said)))


@pytest.mark.parametrize("words", commands())
def test_every_command_of_the_guide_is_one_of_ours(words):
    import typer

    here = typer.main.get_command(app)
    options = set()
    for word in shlex.split(words.replace("…", "x"))[1:]:
        options |= {name for parameter in here.params for name in parameter.opts}
        if word in getattr(here, "commands", {}):
            here = here.commands[word]
        elif word.startswith("--"):
            assert word in options | {name for parameter in here.params for name in parameter.opts}, word


def test_the_service_starts_what_is_there():
    import typer

    known = typer.main.get_command(app).commands
    unit = (DOCS / "deploy" / "interlock@.service").read_text()
    parts = re.search(r"enable --now (.+)", unit)[1].split()
    assert {part.partition("@")[2] for part in parts} <= set(known)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_itself_takes_every_line_of_the_unit(tmp_path):
    """What cannot be asked of it here is whether the service runs: no test starts systemd."""
    unit = (DOCS / "deploy" / "interlock@.service").read_text()
    # Where no Interlock is installed under /opt, its program is the one thing that is not found.
    text = unit.replace("/opt/interlock/bin/interlock", "/bin/true")
    assert text != unit
    file = tmp_path / "interlock@console.service"
    for lines, says in ((text, ""), (text.replace("UMask=", "UMaks="), "UMaks")):
        file.write_text(lines)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True,
                              check=False)
        said = "".join(line for line in done.stderr.splitlines() if file.name in line)
        assert says in said if says else said == ""


INSTALLS = {"--no-cache-dir", "--require-hashes", "--no-deps", "--no-build-isolation"}  # of pip, and right here


def instructions(text):
    """Return a Containerfile's instructions, word and rest, without comments and continuations."""
    lines = [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_every_instruction_of_the_image_can_be_carried_out():
    """Read strictly, because no image is built here: what is copied is there, what runs has been copied before."""
    import typer

    steps = instructions((DOCS / "deploy" / "Containerfile").read_text())
    assert {word for word, _ in steps} <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "HEALTHCHECK",
                                           "ENTRYPOINT", "CMD"}
    assert steps[0][0] == "FROM"
    python = re.fullmatch(r"docker\.io/library/python:(\d+\.\d+)-slim", steps[0][1])[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    copied = set()
    for word, rest in steps:
        if word == "COPY":
            *sources, _ = rest.split()
            assert [source for source in sources if not (ROOT / source).exists()] == []
            copied |= set(sources)
        if word == "RUN" and "pip install" in rest:
            arguments = shlex.split(rest)[2:]
            needed = [arguments[at + 1] for at, argument in enumerate(arguments) if argument == "-r"]
            assert set(needed) <= copied
            assert [a for a in arguments if a.startswith("--") and a not in INSTALLS] == []
    # The package is built from what was copied, its readme included, and needs no more than it.
    whole = {folder.removesuffix("*") for folder in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert whole | {"pyproject.toml", PROJECT["readme"], "requirements.lock", *PROJECT["license-files"]} <= copied
    hashed = [rest for word, rest in steps if word == "RUN" and "requirements.lock" in rest]
    assert hashed
    assert all("--require-hashes" in rest for rest in hashed)
    names = [word for word, _ in steps]
    assert names.index("USER") < names.index("ENTRYPOINT"), "the image must not run as root"
    last = dict(steps)
    program, (command, *options) = json.loads(last["ENTRYPOINT"]), json.loads(last["CMD"])
    assert program == [next(iter(PROJECT["scripts"]))]
    here = typer.main.get_command(app).commands[command]
    assert [o for o in options if o.startswith("--") and o not in {n for p in here.params for n in p.opts}] == []
    compile(json.loads(last["HEALTHCHECK"].removeprefix("CMD "))[2], "HEALTHCHECK", "exec")


def test_the_package_is_made_from_what_the_image_copies_and_from_nothing_else(tmp_path):
    """As the image does it, in a folder of its own."""
    for word, rest in instructions((DOCS / "deploy" / "Containerfile").read_text()):
        for source in rest.split()[:-1] if word == "COPY" else ():
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / source)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--no-build-isolation", "--no-index", "--wheel-dir", "made", "."], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "made").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(path.relative_to(ROOT)) for top in ("console", "services") for path in (ROOT / top).rglob("*")
            if path.suffix in {".py", ".md", ".toml", ".ttf", ".svg", ".css", ".mako"}}
    assert ours - held == set()
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_every_secret_of_the_guide_is_known_to_the_settings():
    from services.settings.load import _NOT_SETTINGS

    named = set(re.findall(r"INTERLOCK_[A-Z]+(?:_[A-Z]+)*", (DOCS / "deploy.md").read_text()))
    assert named <= _NOT_SETTINGS
    said = (DOCS / "settings.md").read_text()
    assert [name for name in _NOT_SETTINGS if name not in said and name != "INTERLOCK_CONFIG"] == []


def test_no_file_of_the_guide_is_left_out():
    files = {path.name for path in (DOCS / "deploy").iterdir()}
    assert {name for name in files if f"deploy/{name}" not in (DOCS / "deploy.md").read_text()} == set()
