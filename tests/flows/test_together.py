"""From a log to `multivariate_drift`: the job of the page and the command, on a real log and store."""

from pathlib import Path

import numpy as np
import pytest

from services import bootstrap
from services.core.measurement import Verdict
from services.errors import NotFound
from tests.conftest import NOW
from tests.releases_fixtures import AUTHOR
from tests.signals_fixtures import MODEL, SignalHouse


@pytest.fixture
def house(tmp_path: Path) -> SignalHouse:
    """Return five weeks in which the city followed the amount until a week ago."""
    house = SignalHouse(tmp_path, sensitive=["entity_id"], features=["amount", "city", "entity_id"])
    for back in range(36, 0, -1):
        amount = house.rng.normal(0.0, 1.0, 90)
        city = np.where(amount > 0, "ams", "ber")
        if back <= 7:
            city = house.rng.permutation(city)
        house.day(back, 90, labelled=False, amount=amount, city=city.tolist())
    house.run(only=("baselines", "profiles"))
    return house


def test_a_job_finds_what_broke_and_the_measurements_stay(house: SignalHouse) -> None:
    services = house.services
    job = services.jobs.enqueue("together", {"model": MODEL, "environment": "production"}, actor=AUTHOR, op_id="one",
                                now=NOW)
    services.jobs.claim(now=NOW)
    bootstrap.run_job(services, job, clock=lambda: NOW)
    done = services.jobs.get(job)
    assert done.state == "done", done.error
    assert done.result["verdict"] == "fail"
    classifier = house.newest("multivariate_drift", column="domain classifier")
    assert classifier.verdict is Verdict.FAIL
    assert "most by " in classifier.reason
    assert {c["column"] for c in classifier.detail["columns"]} == {"amount", "city"}, "a sensitive column is left out"
    assert house.newest("multivariate_drift", column="autoencoder").value is not None


def test_a_model_that_served_nothing_is_one_line(tmp_path: Path) -> None:
    house = SignalHouse(tmp_path)
    with pytest.raises(NotFound, match="has no profiles yet"):
        bootstrap.measure_together(house.services, MODEL, environment="", now=NOW, tell=lambda *_: None)
