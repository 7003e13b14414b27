import re
import tomllib
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import altair as alt
import pytest
from altair.utils import schemapi

from console.charts import theme
from console.charts.layers import layers
from console.widgets import status

CONSOLE = Path(theme.__file__).parents[1]


def luminance(colour):
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_agrees_with_the_published_examples():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails


@pytest.mark.parametrize(("colours", "role"), list(product(
    (theme.LIGHT, theme.DARK), ("ink", "faint", "accent", "fine", "warn", "failing", "unsure", "error"))))
def test_every_text_colour_is_readable_on_both_grounds(colours, role):
    for ground in (colours.paper, colours.panel):
        assert contrast(colours.of(role), ground) >= 4.5


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_what_belongs_to_nobody_is_seen_in_a_chart_and_stays_behind_the_rest(colours):
    assert 1.8 <= contrast(colours.pale, colours.paper) < contrast(colours.unsure, colours.paper)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_the_words_on_a_primary_button_are_readable(colours):
    css = (CONSOLE / "widgets" / "style.css").read_text()
    assert re.search(r'stBaseButton-primary"\]:enabled p \{ color: var\(--il-paper\); \}', css)
    assert contrast(colours.paper, colours.accent) >= 4.5


@pytest.mark.parametrize(("name", "colours"), [("light", theme.LIGHT), ("dark", theme.DARK)])
def test_charts_and_pages_have_one_palette(name, colours):
    page = tomllib.loads((CONSOLE / "theme.toml").read_text())["theme"][name]
    pairs = {
        "backgroundColor": colours.paper, "secondaryBackgroundColor": colours.panel, "textColor": colours.ink,
        "primaryColor": colours.accent, "borderColor": colours.line, "greenColor": colours.fine,
        "orangeColor": colours.warn, "redColor": colours.failing, "grayColor": colours.unsure,
        "violetColor": colours.error, "dataframeHeaderTextColor": colours.faint,
    }
    assert {key: page[key] for key in pairs} == pairs
    assert tuple(page["chartCategoricalColors"]) == colours.categories
    assert tuple(page["chartSequentialColors"]) == colours.heat


def test_the_stylesheet_has_the_same_colours():
    css = (CONSOLE / "widgets" / "style.css").read_text()
    found = dict(re.findall(r"--il-(\w+): (light-dark\([^)]+\))", css))
    for role in ("paper", "panel", "ink", "faint", "line", "accent", "fine", "warn", "failing", "unsure", "error"):
        assert found[role] == f"light-dark({theme.LIGHT.of(role)}, {theme.DARK.of(role)})"


def test_each_state_has_its_own_icon_word_and_role():
    marks = list(status.MARKS.values())
    assert len({m.icon for m in marks}) == len({m.word for m in marks}) == len(marks) == 6
    assert [m.word for m in marks] == ["fine", "warn", "failing", "unsure", "monitor error", "silenced"]


def test_there_is_no_other_state():
    with pytest.raises(KeyError):
        status.mark("healthy")


def test_a_finished_chart_has_the_house_look_in_either_theme():
    chart = alt.Chart(theme.data([{"at": "2026-03-04T00:00:00Z", "value": 1}])).mark_line().encode(
        x=theme.time_axis(), y="value:Q")
    layered = layers(chart, theme.threshold(250, "limit 250 ms", theme.DARK))
    spec = theme.finish(layered, theme.DARK, height=200).to_dict()
    assert spec["config"]["axis"]["labelColor"] == theme.DARK.faint
    assert spec["config"]["background"] == "transparent"
    assert spec["height"] == 200


def test_a_chart_refuses_more_points_than_it_can_show():
    with pytest.raises(ValueError, match="coarser buckets"):
        theme.data([{"at": i} for i in range(theme.MAX_POINTS + 1)])


def test_putting_a_chart_together_checks_no_part_of_it_and_its_end_is_valid(monkeypatch):
    """Altair's checks of each part cost a page more than all else it does."""
    checks = []
    real = schemapi.validate_jsonschema
    monkeypatch.setattr(schemapi, "validate_jsonschema", lambda *a, **k: (checks.append(a), real(*a, **k))[1])
    rows = [{"at": datetime(2026, 3, 4, hour, tzinfo=UTC), "v": hour} for hour in range(24)]
    line = alt.Chart(theme.data(rows)).mark_line().encode(
        x=theme.time_axis(), y=alt.Y("v:Q"), tooltip=theme.tips("v:Q"))
    chart = theme.finish(layers(line, theme.threshold(3.0, "limit", theme.LIGHT), theme.changes([], theme.LIGHT)),
                         theme.LIGHT, height=120)
    assert [what for what, *_ in checks if isinstance(what, dict)] == []  # single numbers cost nothing
    spec = chart.to_dict()
    assert [what for what, *_ in checks if isinstance(what, dict)] != []
    assert spec["layer"][0]["data"]["values"][1] == {"at": "2026-03-04T01:00:00+00:00", "v": 1}
    assert (spec["height"], spec["config"]["font"]) == (120, theme.SANS)
