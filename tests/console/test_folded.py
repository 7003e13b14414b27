"""Tables with a state: what is wrong stands open, what is fine is folded away, and so is much that is unsure."""

import pytest
from streamlit.testing.v1 import AppTest

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
