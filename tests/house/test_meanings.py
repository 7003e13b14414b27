"""Every number that a rule or the table of signals names can be asked what it is."""

import re
from pathlib import Path

import pytest

from services.alerts.defaults import SHIPPED
from services.core.meanings import MEANINGS
from services.core.signals import SIGNALS

ROOT = Path(__file__).parents[2]
NAMED = {rule.measurement for rule in SHIPPED} | {name for names in SIGNALS.values() for name in names}
SOURCE = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "services").rglob("*.py")
                 if file.name != "meanings.py" and "alerts" not in file.parts)


def test_every_measurement_has_a_meaning_a_formula_and_a_source():
    assert NAMED - MEANINGS.keys() == set()
    for name, told in MEANINGS.items():
        assert all(len(words) > 2 for words in (told.what, told.formula, told.source)), name


@pytest.mark.parametrize("name", sorted(MEANINGS))
def test_nothing_is_explained_that_nobody_measures(name: str):
    assert name in NAMED
    assert f'"{name}"' in SOURCE


def test_every_measurement_that_is_made_in_one_place_is_explained():
    made = set(re.findall(r'Measurement\(\s*name="(\w+)"', SOURCE))
    assert len(made) > 10
    assert made - MEANINGS.keys() == set()
