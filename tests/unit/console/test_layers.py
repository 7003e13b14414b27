"""Charts over one another: each part written once, in its place, with its own rows; the whole is a valid chart."""

import json

import altair as alt
import pytest
from jsonschema import ValidationError

from console.charts import theme
from console.charts.layers import layers

FEW = [{"at": "2026-03-04T00:00:00+00:00", "v": 1}, {"at": "2026-03-04T01:00:00+00:00", "v": 2}]


def base(rows=FEW):
    return alt.Chart(theme.data(rows)).encode(x=theme.time_axis(), y=alt.Y("v:Q"))


def marks(spec):
    """Return the marks of a specification from the bottom up."""
    return [mark for part in spec["layer"] for mark in marks(part)] if "layer" in spec else [spec["mark"]["type"]]


def test_parts_stay_in_their_order_and_layers_within_are_taken_apart():
    one = base()
    inner = layers(one.mark_rule(), base([]).mark_text())
    spec = layers(one.mark_area(), inner, base([]).mark_bar()).to_dict()
    assert marks(spec) == ["area", "rule", "text", "bar"]


def test_neighbours_with_the_same_rows_share_them_and_others_keep_their_own():
    one = base()
    spec = layers(one.mark_line(), one.mark_point(), base([]).mark_bar()).to_dict()
    shared, own = spec["layer"]
    assert shared["data"]["values"] == FEW
    assert all("data" not in part for part in shared["layer"])
    assert own["data"]["values"] == []
    assert json.dumps(spec).count("2026-03-04T01") == 1


def test_a_chart_of_its_own_keeps_its_rows_and_takes_the_size():
    spec = theme.finish(base().mark_line(), theme.LIGHT, height=90, width=300).to_dict()
    assert (spec["height"], spec["width"], spec["data"]["values"]) == (90, 300, FEW)


def test_it_says_the_same_as_altair_would():
    one = base()
    ours = theme.finish(layers(one.mark_line(), one.mark_point()), theme.DARK).to_dict()
    theirs = alt.layer(one.mark_line(), one.mark_point()).to_dict()
    assert [part["encoding"] for part in ours["layer"][0]["layer"]] == [part["encoding"] for part in theirs["layer"]]
    assert [part["mark"] for part in ours["layer"][0]["layer"]] == [part["mark"] for part in theirs["layer"]]


def test_what_is_no_chart_is_refused_where_it_is_checked():
    wrong = theme.finish(base().mark_line(strokeWidth="thick"), theme.LIGHT)
    assert wrong.to_dict(validate=False)["mark"]["strokeWidth"] == "thick"
    with pytest.raises(ValidationError):
        wrong.to_dict()


def test_two_charts_of_one_theme_do_not_share_what_one_of_them_changes():
    first, second = (theme.finish(base().mark_line(), theme.LIGHT).to_dict() for _ in range(2))
    first["config"]["axis"]["labelColor"] = "red"
    assert second["config"]["axis"]["labelColor"] == theme.LIGHT.faint
