"""Change what a schema expects, field by field; what a revision changed is said in words.py.

A field that is None is left as it is. Nothing is ever changed in place: the answer is the next revision.
"""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

from services.checks.schema import ColumnSchema, Schema
from services.errors import Refused

KINDS: Final = ("numeric", "categorical")
MOST_CATEGORIES: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a person wants a column, or the rows of a day, to look like.

    `categories` are all values that are expected; those accepted before are named again or are expected no more.
    `open` expects any value. `missing` is the usual share of rows without a value, in [0, 1]. `rows_least`,
    `rows_most` (rows a day) and `fresh_s` (seconds) go back to what is usual with 0.
    """

    column: str = ""
    kind: str | None = None
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] | None = None
    open: bool | None = None
    missing: float | None = None
    enabled: bool | None = None
    rows_least: int | None = None
    rows_most: int | None = None
    fresh_s: float | None = None


def edited(schema: Schema, edit: Edit) -> Schema:
    """Return the next revision.

    Raises:
        Refused: there is no such column, a value is impossible, or nothing would change.
    """
    after = _rows(schema, edit)
    if edit.column:
        found = schema.columns.get(edit.column)
        if found is None:
            raise Refused(f"{schema.model} v{schema.version} has no column {edit.column}: it has "
                          f"{', '.join(schema.columns)}")
        after = replace(after, columns={**after.columns, found.name: _column(found, edit)})
    if after == schema:
        raise Refused(f"{edit.column or 'the rows of a day'} of {schema.model} v{schema.version}: nothing was changed")
    return replace(after, revision=schema.revision + 1)


def _rows(schema: Schema, edit: Edit) -> Schema:
    given = {name: getattr(edit, name) for name in ("rows_least", "rows_most", "fresh_s")}
    for name, value in given.items():
        if value is not None and (value < 0 or not isfinite(value)):
            raise Refused(f"{name} = {value} is impossible: give a number above 0, or 0 for what is usual")
    kept: dict[str, Any] = {name: value or None for name, value in given.items() if value is not None}
    after = replace(schema, **kept)
    if after.rows_least and after.rows_most and after.rows_least > after.rows_most:
        raise Refused(f"at least {after.rows_least:,} and at most {after.rows_most:,} rows a day is impossible: the "
                      "least must not be above the most")
    return after


def _column(found: ColumnSchema, edit: Edit) -> ColumnSchema:
    if edit.missing is not None and not 0 <= edit.missing <= 1:
        raise Refused(f"{found.name}: a share of {edit.missing:g} missing is impossible: give 0 to 1")
    after = replace(found, missing=found.missing if edit.missing is None else edit.missing,
                    enabled=found.enabled if edit.enabled is None else edit.enabled)
    if edit.kind is not None and edit.kind != found.kind:
        if edit.kind not in KINDS:
            raise Refused(f"{found.name} cannot be {edit.kind}: choose one of {', '.join(KINDS)}")
        # A range says nothing of words, nor words of a range: until it is given one, any value will do.
        after = replace(after, kind=edit.kind, low=None, high=None, categories=(), accepted=(), open=True)
    after = _range(after, edit) if after.kind == "numeric" else _categories(after, edit)
    if edit.open is not None:
        after = replace(after, open=edit.open)
    judged = ("kind", "low", "high", "categories", "accepted", "open")
    changed = any(getattr(after, name) != getattr(found, name) for name in judged)
    if changed and after.kind == "numeric" and not after.open and (after.low is None or after.high is None):
        raise Refused(f"{found.name} needs both ends of its range, or any number is expected")
    if changed and after.kind == "categorical" and not after.open and not (*after.categories, *after.accepted):
        raise Refused(f"{found.name} needs at least one category, or any value is expected")
    return replace(after, edited=found.edited or changed)


def _range(column: ColumnSchema, edit: Edit) -> ColumnSchema:
    if edit.categories is not None:
        raise Refused(f"{column.name} is a number: give it a range, not categories")
    low, high = (old if new is None else new for old, new in ((column.low, edit.low), (column.high, edit.high)))
    for end in (low, high):
        if end is not None and not isfinite(end):
            raise Refused(f"{column.name} cannot reach to {end}: give a finite number, or expect any number")
    if low is not None and high is not None and low > high:
        raise Refused(f"{column.name} cannot be from {low:g} to {high:g}: the lower end must not be above the upper")
    if (low, high) == (column.low, column.high):
        return column
    # A range names what it holds by itself; what was accepted before is inside of it, or is meant to be no more.
    return replace(column, low=low, high=high, accepted=(), open=False)


def _categories(column: ColumnSchema, edit: Edit) -> ColumnSchema:
    if edit.low is not None or edit.high is not None:
        raise Refused(f"{column.name} is a category: give it values, not a range")
    if edit.categories is None:
        return column
    named = tuple(dict.fromkeys(edit.categories))
    if len(named) > MOST_CATEGORIES:
        raise Refused(f"{column.name}: {len(named):,} categories are too many to name: expect any value instead")
    if set(named) == {*column.categories, *column.accepted}:
        return column
    return replace(column, categories=named, accepted=(), open=False)
