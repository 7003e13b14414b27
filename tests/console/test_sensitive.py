"""A column named sensitive is counted and judged like any other, and none of its values is kept or shown."""

import html
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, select
from typer.testing import CliRunner

from console.cli import app
from services.checks.schema import ColumnSchema, Schema
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import DAY, TimeWindow
from services.errors import SettingsError
from services.monitor.steps.drift import DriftStep
from services.settings import load
from tests.console.conftest import SETTINGS, Console
from tests.drift_home import MODEL, fill

VALUES = ("EWR", "JFK", "LGA")
HIDDEN = SETTINGS.replace('slices = ["origin"]', 'sensitive = ["origin", "wind_speed"]', 1)
# What counting itself needs: bins with their names, and which file holds which hours.
COUNTS = {"baselines", "schemas", "profiles", "alembic_version"}


def counted(console):
    """Count five days, in which an airport and the wind moved, and measure them."""
    now = datetime.now(UTC)
    fill(console.services, now, measure=False)
    DriftStep(models={MODEL: []}, baselines=console.services.baselines, profiles=console.services.profiles,
              save=console.services.measurements.save).run(now=now)
    columns = {"origin": ColumnSchema(name="origin", kind="categorical", categories=VALUES, accepted=("JFK",)),
               "wind_speed": ColumnSchema(name="wind_speed", kind="numeric", low=-14_987.0, high=39_123.0)}
    console.services.schemas.propose(Schema(model=MODEL, version="7", revision=1, columns=columns), now=now)
    console.services.measurements.save([Measurement(
        name="unseen_rate", pipeline=Pipeline.SERVING, subject=MODEL, environment="production", version="7", at=now,
        window=TimeWindow(now - DAY, now), verdict=Verdict.PASS, reason="nothing new", column="origin")])
    return console


def everything_shown(console):
    """Return all that a person could see of the two columns: pages with their charts, the command, the report file."""
    seen = []
    for page, feature in (("drift", "origin"), ("drift", "wind_speed"), ("data", "origin"), ("now", "")):
        # The form of the schema is drawn for whoever may change it, with the column's values in its fields.
        more = {"feature": feature, "edit": feature} if feature else {}
        opened = console.open(page, persona="admin", model=MODEL, window="24h", **more)
        assert not opened.exception
        seen.append(console.words(opened))
        seen += [str(chart.proto) for chart in opened.get("vega_lite_chart")]
        seen += [str(field.value) for field in (*opened.text_area, *opened.number_input)]
        seen += [table.value.to_csv() for table in opened.dataframe]
    file = console.home / "drift.html"
    done = CliRunner().invoke(app, ["--as", "admin", "drift", MODEL, "--html", str(file), "--json"],
                              catch_exceptions=False)
    schema = CliRunner().invoke(app, ["--as", "admin", "schema", "show", MODEL, "7", "--json"], catch_exceptions=False)
    return "\n".join([*seen, done.stdout, schema.stdout, html.unescape(file.read_text())])


def stored(console):
    """Return every text of every table that is no count."""
    found = MetaData()
    with console.services.db.read() as connection:
        found.reflect(connection)
        return {table.name: repr(connection.execute(select(table)).all()) for table in found.sorted_tables
                if table.name not in COUNTS}


def test_no_value_of_a_sensitive_column_is_kept_or_shown_anywhere(tmp_path, monkeypatch):
    assert HIDDEN != SETTINGS
    console = counted(Console(tmp_path, monkeypatch, settings=HIDDEN))
    shown = everything_shown(console)
    assert [value for value in VALUES if value in shown] == []
    assert "39123" not in shown.replace(",", "")
    assert "bin 1" in shown, "it is compared like any other"
    assert {name: value for name, text in stored(console).items() for value in VALUES if value in text} == {}


def test_the_same_values_are_shown_where_nobody_called_them_sensitive(console):
    shown = everything_shown(counted(console))
    assert "JFK" in shown
    assert "39123" in shown.replace(",", "")


def test_a_sensitive_column_is_judged_as_before(tmp_path, monkeypatch, console):
    (tmp_path / "hidden").mkdir()
    plain = counted(console)
    verdicts = {(m.name, m.column): m.verdict for m, _ in plain.services.measurements.newest(subject=MODEL)}
    hidden = counted(Console(tmp_path / "hidden", monkeypatch, settings=HIDDEN))
    again = {(m.name, m.column): m.verdict for m, _ in hidden.services.measurements.newest(subject=MODEL)}
    assert again.keys() == verdicts.keys()
    assert again["skew", "wind_speed"] == verdicts["skew", "wind_speed"]


def test_a_slice_by_a_sensitive_column_is_refused_at_start(tmp_path):
    file = tmp_path / "interlock.toml"
    file.write_text(SETTINGS.replace('slices = ["origin"]', 'slices = ["origin"]\nsensitive = ["origin"]', 1))
    with pytest.raises(SettingsError, match="cannot be sliced by"):
        load(str(file))

