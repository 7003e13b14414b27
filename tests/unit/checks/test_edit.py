import pytest

from services.checks.edit import Edit, edited
from services.checks.schema import ColumnSchema, Schema
from services.checks.words import differences, expected, of_a_day
from services.errors import Refused

AMOUNT = ColumnSchema(name="amount", kind="numeric", low=0.0, high=99.0, missing=0.01)
CITY = ColumnSchema(name="city", kind="categorical", categories=("ams", "ber"), accepted=("lhr",))
SCHEMA = Schema(model="fares", version="1", revision=3, columns={"amount": AMOUNT, "city": CITY})


def changed(**edit: object) -> tuple[Schema, str]:
    after = edited(SCHEMA, Edit(**edit))  # type: ignore[arg-type]
    return after, differences(SCHEMA, after)


def test_an_edit_is_the_next_revision_and_leaves_the_old_one_as_it_was():
    after, words = changed(column="amount", low=-5.0, high=120.0, missing=0.05)
    assert after.revision == 4
    assert (after.columns["amount"].low, after.columns["amount"].high) == (-5.0, 120.0)
    assert after.columns["amount"].edited
    assert SCHEMA.columns["amount"] == AMOUNT
    assert words == "amount: range 0 to 99 → -5 to 120, missing 1.00% → 5.00%"
    assert Schema.from_json(after.to_json(), model="fares", version="1", revision=4) == after


def test_categories_that_are_named_are_all_that_is_expected():
    after, words = changed(column="city", categories=("ams", "cdg"))
    column = after.columns["city"]
    assert [column.expects(v) for v in ("ams", "cdg", "ber", "lhr")] == [True, True, False, False]
    assert words == "city: categories and cdg, categories without ber, lhr"


def test_naming_what_is_expected_already_changes_nothing():
    for edit in (Edit(column="city", categories=("lhr", "ams", "ber")), Edit(column="amount", low=0.0, missing=0.01),
                 Edit(column="amount"), Edit(rows_least=0), Edit()):
        with pytest.raises(Refused, match="nothing was changed"):
            edited(SCHEMA, edit)


def test_a_column_of_another_type_expects_anything_until_it_is_told_what():
    after, words = changed(column="city", kind="numeric")
    assert after.columns["city"].expects("17")
    assert not after.columns["city"].expects("ams")
    assert words == "city: type categorical → numeric, anything is expected"
    bounded = edited(after, Edit(column="city", low=0.0, high=9.0))
    assert not bounded.columns["city"].expects("17")
    back, _ = changed(column="amount", kind="categorical", categories=("low", "high"))
    assert expected(back.columns["amount"]) == "high, low"


def test_any_value_can_be_expected_and_no_more():
    after, words = changed(column="city", open=True)
    assert expected(after.columns["city"]) == "any value"
    assert words == "city: anything is expected"
    assert expected(edited(after, Edit(column="city", open=False)).columns["city"]) == "ams, ber, lhr"


def test_a_day_of_rows_can_be_named_and_goes_back_to_what_is_usual():
    after, words = changed(rows_least=900, rows_most=1_100, fresh_s=7_200.0)
    assert words.split("; ") == ["least rows a day as usual → 900", "most rows a day as usual → 1,100",
                                 "age of the newest row as usual → 2 h"]
    assert of_a_day(after) == "rows a day: least 900, most 1,100; age of the newest row: 2 h"
    usual = edited(after, Edit(rows_least=0, rows_most=0, fresh_s=0.0))
    assert of_a_day(usual) == of_a_day(SCHEMA) == "as many rows as is usual at the same hours of the week"


@pytest.mark.parametrize(("edit", "words"), [
    ({"column": "colour"}, "has no column colour: it has amount, city"),
    ({"column": "amount", "kind": "date"}, "choose one of numeric, categorical"),
    ({"column": "amount", "low": 100.0}, "cannot be from 100 to 99"),
    ({"column": "amount", "high": float("inf")}, "give a finite number"),
    ({"column": "amount", "low": float("nan")}, "give a finite number"),
    ({"column": "amount", "categories": ("a",)}, "is a number: give it a range"),
    ({"column": "city", "low": 1.0}, "is a category: give it values"),
    ({"column": "city", "categories": ()}, "needs at least one category"),
    ({"column": "city", "categories": tuple(str(i) for i in range(2_001))}, "2,001 categories are too many"),
    ({"column": "city", "kind": "numeric", "open": False}, "needs both ends of its range"),
    ({"column": "city", "missing": 1.5}, "give 0 to 1"),
    ({"rows_least": -1}, "give a number above 0"),
    ({"fresh_s": float("nan")}, "give a number above 0"),
    ({"rows_least": 10, "rows_most": 5}, "the least must not be above the most"),
])
def test_what_cannot_be_is_refused_with_what_would_be_right(edit: dict[str, object], words: str):
    with pytest.raises(Refused, match=words):
        edited(SCHEMA, Edit(**edit))  # type: ignore[arg-type]


def test_of_a_hidden_column_the_words_name_the_field_and_no_value():
    after = edited(SCHEMA, Edit(column="amount", high=120.0, missing=0.5))
    assert differences(SCHEMA, after, hidden=["amount"]) == "amount: range, missing"
