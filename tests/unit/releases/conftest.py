"""A house where releases are decided and carried out."""

import pytest

from services.adapters.ops_db import OpsDb
from tests.releases_fixtures import House


@pytest.fixture
def house(db: OpsDb) -> House:
    made = House(db)
    made.serving("1")
    return made
