import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from console.mlflow_pages import mlflow_url
from console.widgets import tables, text
from console.widgets.html import Html, coded, draw, el, join, safe_url

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@given(st.text())
def test_escaped_text_is_shown_as_it_is_by_markdown(value):
    printable = "".join(c for c in value if c.isprintable()).strip()
    rendered = MarkdownIt("commonmark").render(text.escape(value).strip())
    shown = rendered.removeprefix("<p>").removesuffix("</p>\n")
    for code, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(code, character)
    assert shown.strip().replace("\u2060", "") == printable


@pytest.mark.parametrize("address", ["http://evil.example/1", "HTTPS://evil.example", "www.evil.example",
                                     "a.b+c@evil.example", "x http://a.example y www.b.example z@c.example"])
def test_an_address_in_escaped_text_is_nothing_that_a_browser_links(address):
    shown = text.escape(address).replace("\\", "")
    # The rule by which the browser's Markdown finds addresses, after it has read the escapes.
    linked = re.compile(r"(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(?:\.[-\w]+)+", re.IGNORECASE)
    assert linked.search(address)
    assert not linked.search(shown)
    assert shown.replace("\u2060", "") == address


@given(st.text(), st.text())
def test_an_element_never_lets_its_text_become_markup(words, attribute):
    built = el("p", words, title=attribute)
    inner = built.split(">", 1)[1].rsplit("</p>", 1)[0]
    assert "<" not in inner
    assert built.count("<") == 2


def test_text_that_hides_or_reorders_is_made_visible():
    assert "\u202e" not in el("p", "abc\u202egnp.exe")
    assert "\N{REPLACEMENT CHARACTER}" in el("p", "abc\u202egnp.exe")


def test_a_space_that_does_not_break_stays_as_it_is():
    assert el("p", "10\u00a0%") == "<p>10\u00a0%</p>"


@pytest.mark.parametrize("href", ["http://evil.example", "javascript:alert(1)", "//evil.example", "data:text/html,x",
                                  "https://user@evil.example", "/\\evil.example"])
def test_a_link_leads_to_https_or_to_a_page_of_ours(href):
    with pytest.raises(ValueError, match="neither"):
        el("a", "x", href=href)


@pytest.mark.parametrize("tag", ["img", "script", "iframe", "style", "svg", "object", "form"])
def test_what_could_fetch_or_run_cannot_be_built(tag):
    with pytest.raises(ValueError, match="builds no"):
        el(tag)


@pytest.mark.parametrize("attribute", ["onclick", "style", "src"])
def test_what_could_run_cannot_be_an_attribute(attribute):
    with pytest.raises(ValueError, match="sets no attribute"):
        el("p", **{attribute: "x"})


def test_plain_text_is_not_drawn_as_markup():
    with pytest.raises(TypeError, match="what el built"):
        draw("<b>no</b>")


def test_markup_that_was_built_is_not_escaped_twice():
    assert join(el("b", "a & b"), " <") == "<b>a &amp; b</b> &lt;"
    assert isinstance(join("x"), Html)


@pytest.mark.parametrize(("value", "unit", "shown"), [
    (0.4123, "%", "41%"), (0.0412, "%", "4.1%"), (0.0004, "%", "0.04%"), (0, "%", "0.0%"), (412.3, "ms", "412 ms"),
    (1260, "s", "21 min"), (12.5, "s", "12.5 s"), (38, "/h", "38/h"), (336776, "", "336,776"), (None, "ms", "\u2013"),
    (0.78123, "", "0.781"),
])
def test_numbers_have_a_unit_and_a_sensible_precision(value, unit, shown):
    assert text.number(value, unit) == shown


def test_a_time_is_told_with_its_age_and_zone():
    assert text.when(NOW - timedelta(seconds=40), now=NOW) == "14:59 UTC, 40 s ago"
    assert text.when(NOW + timedelta(hours=2), now=NOW) == "17:00 UTC, in 2 h"
    assert "Tue 03 Mar 2026" in text.clock(NOW - timedelta(days=1), now=NOW)


def test_data_that_was_never_measured_is_said_so():
    assert "never measured" in text.as_of_text(None, now=NOW)
    assert "stale" in text.as_of_text(NOW - timedelta(hours=1), now=NOW)
    assert "stale" not in text.as_of_text(NOW - timedelta(seconds=40), now=NOW)


@given(st.text(min_size=1))
def test_no_exported_cell_begins_a_formula(value):
    assert not str(tables.neutral(value)).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_export_carries_its_filters_and_age_and_keeps_numbers():
    columns = [tables.Column("feature"), tables.Column("psi", "number", digits=2)]
    raw = tables.csv_bytes([{"feature": "=cmd|'/c calc'!A1", "psi": -0.25}, {"feature": None, "psi": None}], columns,
                           name="drift", as_of=NOW, filters={"model": "@flight"})
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0] == ["# drift", "as of 2026-03-04T15:00:00+00:00"]
    assert rows[1] == ["# filters", "model=@flight"]
    assert rows[2] == ["feature", "psi"]
    assert rows[3] == ["'=cmd|'/c calc'!A1", "-0.25"]
    assert rows[4] == ["", ""]


def test_links_into_mlflow_need_a_configured_address():
    assert mlflow_url("", run="abc") == ""
    assert mlflow_url("javascript:alert(1)", run="abc") == ""
    assert mlflow_url("http://[half", run="abc") == ""
    assert mlflow_url("http://me:secret@mlflow:5000", run="abc") == ""
    assert mlflow_url("http://mlflow:5000", experiment="3", run="ab") == "http://mlflow:5000/#/experiments/3/runs/ab"
    assert mlflow_url("http://127.0.0.1:5000/", experiment="3", run="a/b") == (
        "http://127.0.0.1:5000/#/experiments/3/runs/a%2Fb")
    assert mlflow_url("https://mlflow.example", model="flight delay", version="3") == (
        "https://mlflow.example/#/models/flight%20delay/versions/3")
    assert not safe_url("http://mlflow.example")


def test_a_line_of_a_document_shows_its_code_as_code_and_all_else_as_it_is():
    assert coded("set in `[[approvals]]`, <b>") == "set in <code>[[approvals]]</code>, &lt;b&gt;"
    assert coded("no code") == "no code"
