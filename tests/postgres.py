"""A real PostgreSQL for the tests: one server per test run, one fresh database per test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from services.adapters.ops_db import OpsDb
from tests.ports import free_port


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.fail("PostgreSQL is not installed: install the distribution's package postgresql", pytrace=False)
    return found[-1].parent


def _as_nobody(*command: str) -> list[str]:
    # PostgreSQL refuses to run as root.
    return ["runuser", "-u", "nobody", "--", *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a running server, without a database name."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="il-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    data = str(folder / "data")
    port = free_port()

    def run(*command: str) -> None:
        done = subprocess.run(_as_nobody(*command), cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    run(str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", "interlock", "--no-sync", "-E", "UTF8")
    control = str(binaries / "pg_ctl")
    options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c max_connections=200"
    # The server keeps pg_ctl's descriptors open, so its output must not be a pipe that we wait on.
    subprocess.run(
        _as_nobody(control, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start"),
        cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        yield f"postgresql+psycopg://interlock@127.0.0.1:{port}"
    finally:
        run(control, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy address of an empty database."""
    name = f"t_{uuid4().hex}"
    admin = postgres_server.replace("+psycopg", "") + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield f"{postgres_server}/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def any_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpsDb]:
    """The ops store on each database that we support, migrated and empty."""
    url = f"sqlite:///{tmp_path}/any.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = OpsDb(url)
    store.migrate()
    yield store
    store.engine.dispose()
