"""The README's table is complete: every watched row is there, and names measurements that are really made."""

import re
from pathlib import Path

import pytest

from services.alerts.defaults import SHIPPED

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (serving|data|validation|training|quota|deployment|people) \| ([^|]+) \| ([^|]+) \|$", TABLE,
                  flags=re.MULTILINE)
WATCHED = {
    "serving": ("skew of serving", "drift of serving", "predictions", "missing", "corrupt", "out of range", "unseen",
                "quota use", "quality with late labels", "latency", "outage"),
    "data": ("feature values", "label values", "data-type faults", "rate of quota use", "limit about to be reached"),
    "validation": ("against training", "against live"),
    "training": ("training time", "training failures", "quota use"),
    "quota": ("shared pools", "errant pipeline", "room for experiments", "estimates and hardware advice"),
    "deployment": ("approvals", "where each version is deployed", "how to roll back"),
    "people": ("logs", "alerts"),
}
NAMES = sorted({name for _, _, cell in ROWS for name in re.findall(r"`(\w+)`", cell)})


@pytest.mark.parametrize(("pipeline", "words"), [(p, w) for p, every in WATCHED.items() for w in every])
def test_everything_that_is_watched_has_a_row_with_a_measurement(pipeline: str, words: str):
    found = [cell for row, watched, cell in ROWS if row == pipeline and words in watched]
    assert found, f"the README has no row for {words} of {pipeline}"
    assert all("`" in cell for cell in found)


def test_the_table_leads_to_how_its_verdicts_come_about_and_back():
    assert "](docs/signals.md)" in TABLE
    assert "(../README.md#what-it-watches)" in (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", sorted({rule.measurement for rule in SHIPPED}))
def test_every_shipped_rule_has_its_measurement_in_the_table(rule: str):
    assert rule in NAMES, f"the README's table names {rule} nowhere"


@pytest.mark.parametrize("name", NAMES)
def test_every_measurement_of_the_table_is_made_and_has_a_rule(name: str):
    sources = [p for p in (ROOT / "services").rglob("*.py") if "alerts" not in p.parts]
    assert any(f'"{name}"' in p.read_text(encoding="utf-8") for p in sources), f"nothing measures {name}"
    assert name in {rule.measurement for rule in SHIPPED}, f"no shipped rule reads {name}"
