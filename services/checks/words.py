"""Say in words what a schema expects, and what a revision of it changed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from services.checks.schema import ColumnSchema, Schema
from services.core.window import span_text

_SHOWN: Final = 5
_OF_A_DAY: Final = (("rows_least", "least rows a day"), ("rows_most", "most rows a day"),
                    ("fresh_s", "age of the newest row"))


def expected(column: ColumnSchema) -> str:
    """Return what a column should hold, such as `0 to 99`, `any value`, `AA, DL and 14 more`."""
    if column.open:
        return "any number" if column.kind == "numeric" else "any value"
    return _span(column) if column.kind == "numeric" else _few({*column.categories, *column.accepted})


def of_a_day(schema: Schema) -> str:
    """Return what a day should hold, in one sentence."""
    least, most, fresh = (_amount(name, getattr(schema, name)) for name, _ in _OF_A_DAY)
    if {least, most, fresh} == {_amount("", None)}:
        return "as many rows as is usual at the same hours of the week"
    return f"rows a day: least {least}, most {most}; age of the newest row: {fresh}"


def differences(before: Schema, after: Schema, *, hidden: Sequence[str] = ()) -> str:
    """Return in words what changed between two revisions; of the columns in `hidden`, which field but not its value."""
    said = []
    for name, new in after.columns.items():
        old = before.columns.get(name)
        if old is None or old == new:
            continue
        changed = _words(old, new)
        if name in hidden:
            changed = list(dict.fromkeys(words.split(" ")[0] for words in changed))
        said.append(f"{name}: {', '.join(changed)}")
    for field, words in _OF_A_DAY:
        old_value, new_value = getattr(before, field), getattr(after, field)
        if old_value != new_value:
            said.append(f"{words} {_amount(field, old_value)} → {_amount(field, new_value)}")
    return "; ".join(said)


def _words(old: ColumnSchema, new: ColumnSchema) -> list[str]:
    said = []
    if old.kind != new.kind:
        said.append(f"type {old.kind} → {new.kind}")
    if (old.low, old.high) != (new.low, new.high):
        said.append(f"range {_span(old)} → {_span(new)}")
    before, after = {*old.categories, *old.accepted}, {*new.categories, *new.accepted}
    if new.kind == "categorical" and after - before:
        said.append(f"categories and {_few(after - before)}")
    if new.kind == "categorical" and before - after:
        said.append(f"categories without {_few(before - after)}")
    if old.open != new.open:
        said.append("anything is expected" if new.open else "anything no more")
    if old.missing != new.missing:
        said.append(f"missing {old.missing:.2%} → {new.missing:.2%}")
    if old.enabled != new.enabled:
        said.append("judged again" if new.enabled else "judged no more")
    return said


def _few(values: set[str]) -> str:
    named = sorted(values)
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def _span(column: ColumnSchema) -> str:
    if column.low is None or column.high is None:
        return "none"
    return f"{column.low:g} to {column.high:g}"


def _amount(field: str, value: Any) -> str:
    if value is None:
        return "as usual"
    return span_text(timedelta(seconds=value)) if field == "fresh_s" else f"{value:,}"
