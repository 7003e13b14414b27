"""Typing rows by a model's signature."""

import json
import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.fault import InvocationFault
from services.gateway.protocol import CSV, JSON, parse
from services.gateway.signature import Column, Signature, arrays, matrix, sample, stacked, tensor

ALL = Signature(columns=(
    Column("d", "double"), Column("f", "float"), Column("l", "long"), Column("i", "integer"), Column("b", "boolean"),
    Column("t", "datetime"), Column("s", "string"), Column("o", "long", required=False)))
ROW = {"d": 1, "f": 0.5, "l": 2**40, "i": 3, "b": True, "t": "2026-03-04T15:00:00Z", "s": "red"}


def _typed(row: dict[str, object], signature: Signature = ALL) -> dict[str, object]:
    return arrays(parse(json.dumps({"dataframe_records": [row]}).encode(), JSON), signature, JSON)


def test_each_column_gets_its_type_in_the_signatures_order():
    found = _typed(ROW | {"extra": 1})
    assert list(found) == ["d", "f", "l", "i", "b", "t", "s", "o"]
    kinds = {name: cells.dtype for name, cells in found.items() if isinstance(cells, np.ndarray)}
    assert kinds == {"d": np.float64, "f": np.float32, "l": np.int64, "i": np.int32, "b": np.bool_,
                     "t": np.dtype("datetime64[us]"), "o": np.float64}
    assert found["s"] == ["red"]
    assert found["l"][0] == 2**40
    assert found["t"][0] == np.datetime64("2026-03-04T15:00:00")
    assert math.isnan(found["o"][0])


@pytest.mark.parametrize(("change", "says"), [
    ({"d": "1"}, "column d, row 0: '1' is not a number"),
    ({"d": True}, "'True' is not a number"),
    ({"d": [1]}, "is not a number"),
    ({"l": 1.5}, "whole number of 64 bits"),
    ({"l": 2**63}, "does not fit"),
    ({"i": 2**31}, "does not fit a whole number of 32 bits"),
    ({"l": None}, "has a missing value"),
    ({"b": 1}, "true or false"),
    ({"b": None}, "has a missing value"),
    ({"t": "yesterday"}, "ISO 8601"),
    ({"s": 7}, "is not text"),
    ({"s": "\ud800"}, "is not text"),
])
def test_a_cell_of_the_wrong_type_is_named(change, says):
    with pytest.raises(InvocationFault, match=says):
        _typed(ROW | change)


def test_a_missing_number_is_not_a_number_and_a_missing_text_is_none():
    found = _typed(ROW | {"d": None, "s": None, "t": None})
    assert math.isnan(found["d"][0])
    assert found["s"] == [None]
    assert np.isnat(found["t"][0])


def test_a_missing_required_column_is_named_with_what_the_model_needs():
    row = {name: value for name, value in ROW.items() if name != "l"}
    with pytest.raises(InvocationFault, match=r"column l \(long\) is missing: the model needs d, f, l, i, b, t, s"):
        _typed(row)


CELLS = st.one_of(st.none(), st.booleans(), st.text(max_size=2), st.integers(-2**65, 2**65), st.floats(),
                  st.just(10**400))


@settings(deadline=None)
@given(kind=st.sampled_from(["double", "float", "long", "integer"]), rows=st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_the_short_way_of_plain_numbers_says_what_the_long_way_says(kind, rows):
    signature = Signature(columns=(Column("a", kind), Column("b", kind, required=False)))
    body = json.dumps({"dataframe_split": {"columns": ["b", "c", "a"], "data": [[b, 0, a] for a, b in rows]}})
    payload = parse(body.encode(), JSON)
    short = matrix(payload, signature, JSON)
    if short is None:
        return
    long = stacked(arrays(payload, signature, JSON))
    assert short.dtype == long.dtype
    np.testing.assert_array_equal(short, long)


def test_plain_numbers_go_the_short_way_and_nothing_else_does():
    two = Signature(columns=(Column("a", "double"), Column("b", "double")))

    def goes(document: dict[str, object], signature: Signature = two) -> bool:
        return matrix(parse(json.dumps(document).encode(), JSON), signature, JSON) is not None

    assert goes({"dataframe_records": [{"a": 1, "b": 2.5}]})
    assert not goes({"dataframe_records": [{"a": True, "b": 2.5}]})
    assert not goes({"dataframe_records": [{"a": None, "b": 2.5}]})
    assert not goes({"dataframe_records": [{"a": 1}]})
    assert not goes({"instances": [[1, 2]]})
    assert not goes({"dataframe_records": [{"a": 1, "b": 2}]}, Signature(columns=(Column("a", "double"),
                                                                                 Column("b", "long"))))


def test_csv_cells_are_read_as_the_signature_says():
    body = b"d,f,l,i,b,t,s\n1e3,2,7,8,TRUE,2026-03-04,9\n"
    found = arrays(parse(body, CSV), ALL, CSV)
    assert (found["d"][0], found["l"][0], found["b"][0], found["s"]) == (1000.0, 7, True, ["9"])
    with pytest.raises(InvocationFault, match="column l, row 0: 'x'"):
        arrays(parse(b"d,f,l,i,b,t,s\n1,2,x,8,true,2026-03-04,9\n", CSV), ALL, CSV)


def test_lists_without_names_follow_the_signatures_order():
    two = Signature(columns=(Column("x", "double"), Column("c", "string")))
    for document in ({"instances": [[1, "a"]]}, {"dataframe_split": {"data": [[1, "a"]]}}):
        found = arrays(parse(json.dumps(document).encode(), JSON), two, JSON)
        assert (found["x"][0], found["c"]) == (1.0, ["a"])
    with pytest.raises(InvocationFault, match="row 0 must be a list of the model's 2 columns"):
        arrays(parse(b'{"instances": [[1]]}', JSON), two, JSON)


def test_a_model_without_a_signature_takes_the_columns_as_they_are():
    assert arrays(parse(b'{"inputs": {"x": [1]}}', JSON), Signature(), JSON) == {"x": [1]}


def test_a_tensor_is_checked_against_its_shape():
    net = Signature(dtype="float32", shape=(-1, 2))
    assert tensor(parse(b'{"instances": [[1, 2], [3, 4]]}', JSON), net).shape == (2, 2)
    assert tensor(parse(b'{"dataframe_split": {"data": [[1, 2]]}}', JSON), net).dtype == np.float32
    for body in (b'{"instances": [[1, 2, 3]]}', b'{"instances": [["a", "b"]]}', b'{"instances": [[1, 2], [3]]}'):
        with pytest.raises(InvocationFault) as fault:
            tensor(parse(body, JSON), net)
        assert fault.value.status == 400


def test_the_made_up_row_is_accepted_by_its_own_signature():
    body = json.dumps({"inputs": sample(ALL)}).encode()
    assert arrays(parse(body, JSON), ALL, JSON)["s"] == [""]


def test_a_signature_survives_its_way_through_json():
    assert Signature.from_json(json.loads(json.dumps(ALL.to_json()))) == ALL
    net = Signature(dtype="float32", shape=(-1, 2))
    assert Signature.from_json(json.loads(json.dumps(net.to_json()))) == net


CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.none(), max_size=2)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({column.name: CELLS for column in ALL.columns}))
def test_no_cell_breaks_the_typing(row):
    with suppress(InvocationFault):
        assert all(len(cells) == 1 for cells in _typed(row).values())
