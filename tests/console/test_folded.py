"""Tables with a state: what is wrong stands open, what is fine is folded away, and so is much that is unsure."""

import pytest
from streamlit.testing.v1 import AppTest

from console.widgets import tables

SCRIPT = """
from console.widgets import tables

states = ["fail", "inconclusive", "pass", *["inconclusive"] * {more}, "pass"]
rows = [{{"status": state, "what": f"row {{i}}"}} for i, state in enumerate(states)]
tables.folded(rows, [tables.Column("status", "status"), "what"], alt="Some rows", name="rows")
"""


@pytest.mark.parametrize(("more", "folds", "open_"), [
    (4, ["2 fine"], 6), (5, ["6 unsure", "2 fine"], 1),
])
def test_many_that_are_unsure_have_a_fold_of_their_own_and_a_few_stand_among_the_others(console, more, folds, open_):
    page = AppTest.from_string(SCRIPT.format(more=more), default_timeout=120).run()
    assert not page.exception
    assert [fold.label for fold in page.expander] == folds
    outside = next(e.proto.body for e in page.get("html") if "<caption>Some rows</caption>" in e.proto.body)
    assert outside.count("<tr>") == 1 + open_


@pytest.mark.parametrize(("failing", "warning", "folds", "open_"), [
    (1, 11, [], 12), (1, 12, ["12 warn"], 1), (0, 13, [], 13),
])
def test_many_that_only_warn_give_way_to_what_is_worse_and_stand_open_where_nothing_is(failing, warning, folds, open_):
    page = AppTest.from_string(f"""
from console.widgets import tables

rows = [{{"status": state, "what": "x"}} for state in ["fail"] * {failing} + ["warn"] * {warning}]
tables.folded(rows, [tables.Column("status", "status"), "what"], alt="Some rows", name="rows")
""", default_timeout=120).run()
    assert [fold.label for fold in page.expander] == folds
    outside = next(e.proto.body for e in page.get("html") if "<caption>Some rows</caption>" in e.proto.body)
    assert outside.count("<tr>") == 1 + open_


@pytest.mark.parametrize(("words", "blocks"), [("12.39", False), ("where origin=JFK: 227 rows, 40% of all", True)])
def test_a_table_that_a_phone_has_room_for_stays_a_table_there(words, blocks):
    page = AppTest.from_string(f"""
from console.widgets import tables

tables.table([{{"distance": "chi squared", "value": {words!r}}}], ["distance", "value"], alt="Rows", name="rows")
""", default_timeout=120).run()
    assert ("il-stack" in page.get("html")[0].proto.body) == blocks


def test_a_column_in_which_no_row_says_anything_is_not_drawn_but_exported():
    page = AppTest.from_string("""
from console.widgets import tables

tables.table([{"model": "a", "message": "", "share": 0}], ["model", "message", tables.Column("share", "number")],
             alt="Rows", name="rows")
""", default_timeout=120).run()
    drawn = page.get("html")[0].proto.body
    assert ">message<" not in drawn
    assert ">share<" in drawn, "nought is a value"
    written = tables.csv_bytes([{"message": ""}], [tables.Column("message")], name="rows", as_of=None, filters={})
    assert b"message" in written
