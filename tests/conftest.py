"""What every test shares: a fixed now and an ops store of its own."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

from services.adapters.ops_db import OpsDb
from tests.migrated import migrated
from tests.real_data import VARIABLE

pytest_plugins = ["tests.demo_fixtures", "tests.gateway_fixtures", "tests.postgres"]

# A loaded machine makes an example slow, or drawing it; how fast anything is, is measured by tests/bench. One commit
# gives one verdict, so the suite draws the same examples each time; HYPOTHESIS_PROFILE=explore draws new ones.
PATIENT = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None,
                                     suppress_health_check=PATIENT)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=PATIENT)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)  # a Wednesday


@pytest.fixture(autouse=True, scope="module")
def _no_registry_is_left_behind() -> Iterator[None]:
    """MLflow keeps a registry that was set for the whole process, and hands it on to its children."""
    before = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    yield
    for key in [key for key in os.environ if key.startswith("MLFLOW_")]:
        del os.environ[key]
    os.environ.update(before)
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_registry_uri("")


@pytest.fixture(autouse=True, scope="session")
def _no_variable_of_the_tests_reaches_the_program() -> None:
    os.environ.pop(VARIABLE, None)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def db(tmp_path: Path) -> OpsDb:
    return migrated(OpsDb(f"sqlite:///{tmp_path}/ops.db"))
