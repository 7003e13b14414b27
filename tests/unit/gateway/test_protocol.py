"""Reading MLflow's scoring protocol."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.fault import InvocationFault
from services.gateway.protocol import CSV, JSON, media_type, parse, part, row_ids

ROWS = {"x": [1, 2.5], "color": ["red", None]}
SAME = [
    {"dataframe_split": {"columns": ["x", "color"], "data": [[1, "red"], [2.5, None]]}},
    {"dataframe_split": {"columns": ["x", "color"], "index": [7, 9], "data": [[1, "red"], [2.5, None]]}},
    {"dataframe_records": [{"x": 1, "color": "red"}, {"x": 2.5}]},
    {"instances": [{"x": 1, "color": "red"}, {"x": 2.5, "color": None}]},
    {"inputs": [{"x": 1, "color": "red"}, {"x": 2.5}]},
    {"inputs": {"x": [1, 2.5], "color": ["red", None]}},
]
KEYS = ["inputs", "instances", "dataframe_split", "dataframe_records", "columns", "data", "interlock", "x"]


def _parse(document: object) -> object:
    return parse(json.dumps(document).encode(), JSON)


@pytest.mark.parametrize("document", SAME)
def test_every_json_form_says_the_same_rows(document):
    payload = _parse(document)
    assert payload.rows == 2
    assert payload.columns == ROWS


def test_csv_is_text_and_its_empty_fields_are_missing():
    payload = parse(b'x,color\n1,red\n2.5,\n3,"a,b"\n', CSV)
    assert payload.columns == {"x": ["1", "2.5", "3"], "color": ["red", None, "a,b"]}


def test_rows_without_names_keep_their_positions():
    payload = _parse({"dataframe_split": {"data": [[1, "red"], [2, "blue"]]}})
    assert not payload.names
    assert payload.columns == {"0": [1, 2], "1": ["red", "blue"]}
    assert _parse({"instances": [[1, 2], [3, 4]]}).tensor == [[1, 2], [3, 4]]


def test_one_row_may_be_given_as_plain_values():
    assert _parse({"inputs": {"x": 1, "color": "red"}}).columns == {"x": [1], "color": ["red"]}


def test_params_and_ids_travel_beside_the_rows():
    payload = _parse({"inputs": {"x": [1, 2]}, "params": {"t": 1},
                      "interlock": {"request_ids": ["a", "b"], "entity_ids": ["e", "e"]}})
    assert (payload.params, payload.request_ids, payload.entity_ids) == ({"t": 1}, ("a", "b"), ("e", "e"))


@pytest.mark.parametrize(("body", "says"), [
    (b"{", "not valid JSON"),
    (b"\xff", "not UTF-8"),
    (b"[]", "must be a JSON object"),
    (b"{}", "exactly one of"),
    (b'{"inputs": [], "instances": []}', "exactly one of"),
    (b'{"inputs": []}', "no rows"),
    (b'{"inputs": 3}', "must be a list or an object"),
    (b'{"inputs": {"x": [1, 2], "y": [1]}}', "different lengths"),
    (b'{"instances": {}}', "must be a list"),
    (b'{"dataframe_records": [1]}', "list of objects"),
    (b'{"dataframe_split": []}', "columns and data"),
    (b'{"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}', "row 0 must be a list of 1"),
    (b'{"dataframe_split": {"columns": ["x", "x"], "data": [[1, 2]]}}', "named twice"),
    (b'{"inputs": {"x": [1]}, "params": []}', "params must be"),
    (b'{"inputs": {"x": [1]}, "interlock": {"request_ids": ["a", "b"]}}', "2 ids for 1 rows"),
    (b'{"inputs": {"x": [1, 2]}, "interlock": {"request_ids": ["a", "a"]}}', "names a row twice"),
    (b'{"inputs": {"x": [1]}, "interlock": {"entity_ids": [7]}}', "printable texts"),
    (b'{"inputs": {"x": [1]}, "interlock": {"who": []}}', "nothing else"),
    (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
])
def test_what_cannot_be_read_is_a_bad_request_that_says_why(body, says):
    with pytest.raises(InvocationFault, match=says) as fault:
        parse(body, JSON)
    assert (fault.value.status, fault.value.code, fault.value.blames_model) == (400, "BAD_REQUEST", False)


@pytest.mark.parametrize("body", [b"", b"x,color\n", b"x,color\n1\n", b'x\n"open\n'])
def test_csv_that_cannot_be_read_is_a_bad_request(body):
    with pytest.raises(InvocationFault) as fault:
        parse(body, CSV)
    assert fault.value.status == 400


@settings(max_examples=150, deadline=None)
@given(st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=12).map(lambda value: json.dumps(value).encode())),
    st.sampled_from([JSON, CSV]))
def test_no_body_breaks_the_reader(body, kind):
    with suppress(InvocationFault):
        assert parse(body, kind).rows > 0


@pytest.mark.parametrize(
    "document", [*SAME, {"instances": [[1, 2], [3, 4]]}, {"dataframe_split": {"data": [[1], [2]]}}])
def test_a_part_of_a_request_is_read_back_as_those_rows(document):
    whole = _parse(document | {"interlock": {"entity_ids": ["a", "b"]}, "params": {"k": 1}})
    second = parse(part(whole, [1]), JSON)
    assert (second.rows, second.entity_ids, second.params) == (1, ("b",), {"k": 1})
    if whole.columns:
        assert second.columns == {name: [cells[1]] for name, cells in whole.columns.items()}
    else:
        assert second.tensor == [whole.tensor[1]]


def test_rows_are_numbered_where_they_have_no_ids_of_their_own():
    assert row_ids((), "r", 1) == ["r"]
    assert row_ids((), "r", 3) == ["r-0", "r-1", "r-2"]
    assert row_ids(("a", "b"), "r", 2) == ["a", "b"]


@pytest.mark.parametrize(("header", "kind"), [
    ("", JSON), ("application/json; charset=UTF-8", JSON), ("Text/CSV", CSV), ('text/csv; charset="utf-8"', CSV)])
def test_the_media_type_is_read(header, kind):
    assert media_type(header) == kind


@pytest.mark.parametrize("header", ["application/xml", "application/json; charset=latin-1", "json"])
def test_other_media_types_are_unsupported(header):
    with pytest.raises(InvocationFault) as fault:
        media_type(header)
    assert fault.value.status == 415
