"""Everything on Now has an owner, as far as the settings name one."""

import pytest

from services.settings import Settings
from services.settings.owners import owner_of

SETTINGS = Settings.model_validate({
    "models": {"fares": {"task": "binary", "log": "log", "owner": "pricing"},
               "fares-late": {"task": "binary", "log": "log", "owner": "planning"},
               "nobodys": {"task": "binary", "log": "log"}},
    "pipelines": [{"name": "fares-training", "kind": "training", "owner": "trainers"},
                  {"name": "ingest", "kind": "data", "owner": "platform"},
                  {"name": "fares-nightly", "kind": "training"}],
    "datasets": {"fares-test": {"path": "x", "role": "test", "model": "fares"},
                 "feed": {"path": "x", "role": "data", "model": "nobodys"}},
})


@pytest.mark.parametrize(("subject", "owner"), [
    ("fares", "pricing"),
    ("fares-training", "trainers"),  # declared: its own owner
    ("fares-nightly", "pricing"),  # declared without one: its model's
    ("fares-refresh", "pricing"),  # never declared
    ("fares-late-refresh", "planning"),  # the longest name that fits
    ("ingest", "platform"),
    ("fares-test", "pricing"),
    ("feed", ""),
    ("nobodys", ""),
    ("faresx", ""),
    ("cores", ""),
])
def test_a_thing_belongs_to_whom_the_settings_name_or_to_its_model(subject: str, owner: str):
    assert owner_of(SETTINGS, subject) == owner
