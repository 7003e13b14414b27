"""What a run said that it read: any form is survived, and what is not measured says why."""

import json

import pytest

from services.training import values
from services.training.inputs import MOST, hindrance, left_out, measured, read_input
from services.training.run import DataInput
from tests.conftest import NOW
from tests.training_fixtures import a_raw


@pytest.mark.parametrize(("given", "why"), [
    ({"context": "Eval"}, "role test"), ({"source": "s3"}, "its source is s3"), ({"source": ""}, "not told"),
    ({"uri": "train.parquet"}, "relative"), ({"uri": "/"}, "no .parquet"), ({"uri": "/data/train.csv"}, "no .parquet"),
    ({"uri": "/**/*.parquet"}, "a pattern"), ({"uri": "/data/a**b.parquet"}, "a pattern"),
    ({"uri": "/data/day?.parquet"}, "a pattern"), ({"uri": "/data/[ab].parquet"}, "a pattern"),
    ({"uri": "/data/../etc/x.parquet"}, "without .."), ({"uri": "/data/a..b.parquet"}, ""), ({}, ""),
], ids=["evaluation", "elsewhere", "no source", "relative", "a whole disk", "text", "every file of a disk",
        "a pattern that is none", "one character", "a set", "up and down", "dots in a name", "a file"])
def test_what_is_not_measured_says_why(given: dict[str, str], why: str) -> None:
    found = hindrance(DataInput(**{"name": "fares", "digest": "d", "source": "local", "uri": "/data/fares.parquet",
                                   "context": "training", **given}))
    assert bool(found) == bool(why)
    assert why in found


@pytest.mark.parametrize(("source", "uri"), [
    ('{"uri": "file:///data/a%20b/x.parquet"}', "/data/a b/x.parquet"), ('{"path": "/x.parquet"}', "/x.parquet"),
    ("no json", ""), ("[1]", ""), ("", ""),
])
def test_a_source_of_any_form_is_read(source: str, uri: str) -> None:
    found = read_input("fares", "d", source_type="local", source=source, profile='{"num_rows": "many"}', tags={})
    assert (found.uri, found.rows) == (uri, None)


def test_one_input_of_each_name_is_measured() -> None:
    first, second = (DataInput(name="fares", digest=d, source="local", uri=f"/{d}.parquet") for d in "ab")
    assert measured("taxi", [first, second]) == {"taxi-input-fares": first}


def test_so_many_inputs_of_a_run_are_measured_and_the_others_counted() -> None:
    many = [DataInput(name=f"day {n:02}", digest="d", source="local", uri=f"/{n}.parquet") for n in range(MOST + 3)]
    refused = DataInput(name="a", digest="d", source="s3", uri="s3://b/k")
    assert list(measured("taxi", [refused, *many])) == [f"taxi-input-day {n:02}" for n in range(MOST)]
    assert (left_out("taxi", [refused, *many]), left_out("taxi", many[:MOST])) == (3, 0)


def test_inputs_come_back_from_a_runs_text_in_one_order_and_a_run_without_any_keeps_its_text() -> None:
    some = tuple(DataInput(name=name, digest="d", rows=3) for name in "ba")
    one, other = (values.write(a_raw(start=NOW, inputs=given)) for given in (some, some[::-1]))
    assert one == other
    assert values.inputs(json.loads(one)) == list(some[::-1])
    assert "input" not in values.write(a_raw(start=NOW))
