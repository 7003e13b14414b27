"""What a version is expected to be asked: its schema, the form that changes it, and who changed it when.

What may be is decided in services/checks; the next pass of the monitor judges by the newest revision.
"""

from datetime import datetime
from typing import Final

import streamlit as st

from console import session
from console.queries import signals as queries
from console.widgets import decide, pickers, tables, text
from services.checks.edit import KINDS, Edit
from services.checks.schema import ColumnSchema, Schema
from services.checks.words import expected, of_a_day
from services.core.access import Action, Actor, may

_DAY: Final = "rows of a day"


def draw(schema: Schema, *, now: datetime) -> None:
    """Draw the newest revision, open when a column was picked to be changed, and below it its history."""
    hidden = session.settings().models[schema.model].sensitive
    with st.expander(f"Schema of v{text.escape(schema.version)}, revision {schema.revision:d}",
                     expanded=bool(st.query_params.get("edit"))):
        text.sentence(f"A day should hold {of_a_day(schema)}.")
        tables.table(
            [{"column": c.name, "kind": c.kind, "expects": "hidden: sensitive" if c.name in hidden else expected(c),
              "accepted": ", ".join(c.accepted), "usual_missing": c.missing,
              "by": "people" if c.edited or c.accepted else "training", "judged": "yes" if c.enabled else "no"}
             for c in schema.columns.values()],
            ["column", "kind", "expects", "accepted", tables.Column("usual_missing", "number", unit="%"),
             tables.Column("by", title="said by"), "judged"],
            alt="What each column should look like, from training and from people", name="schema")
        if may(session.current_principal(), Action.EDIT_SCHEMA, model=schema.model):
            _change(schema, hidden, now)
        decide.outcome(_key(schema))
        changed = queries.schema_history(schema.model, schema.version)
        if len(changed) > 1:
            tables.table(changed, [tables.Column("revision", "number"), tables.Column("at", "time"), "by", "changed",
                                   "reason"], alt="Revisions of this schema, newest first", name="schema-history")


def _key(schema: Schema) -> str:
    return f"schema-{schema.model}-{schema.version}"


def _change(schema: Schema, hidden: list[str], now: datetime) -> None:
    text.section("Edit schema")
    name = pickers.choice("edit", [_DAY, *schema.columns], label="What to change", default=_DAY, width=320)
    # A new revision draws new fields with the values that it holds.
    key = f"schema:{schema.model}:{schema.version}:{schema.revision}:{name}"
    if name == _DAY:
        _draw_day(schema, key)
    else:
        _draw_column(schema.columns[name], key, hidden=name in hidden)

    def save(actor: Actor, reason: str, op_id: str) -> str:
        """Make the next revision."""
        # Read at the click: a field that was left by this very click was drawn with its old value.
        edit = _read_day(key) if name == _DAY else _read_column(schema.columns[name], key)
        done = session.services().schemas.edit(schema.model, schema.version, edit, actor=actor, reason=reason,
                                               op_id=op_id, now=session.now(), seen=schema.revision)
        return f"Schema revision {done['revision']}: {done['changed']}. The next pass judges by it"

    decide.form(_key(schema), [decide.Choice("Save schema", Action.EDIT_SCHEMA, save, primary=True)],
                model=schema.model, now=now)


def _draw_day(schema: Schema, key: str) -> None:
    first, second, third = st.columns(3)
    first.number_input("Least rows a day", 0, value=schema.rows_least or 0, key=f"{key}:least",
                       help="0: as usual at the same hours of the week")
    second.number_input("Most rows a day", 0, value=schema.rows_most or 0, key=f"{key}:most",
                        help="0: as usual at the same hours of the week")
    third.number_input("Age of the newest row, minutes", 0, value=int((schema.fresh_s or 0) // 60), key=f"{key}:fresh",
                       help="0: judged by the volume that is usual")


def _read_day(key: str) -> Edit:
    found = st.session_state
    return Edit(rows_least=int(found[f"{key}:least"]), rows_most=int(found[f"{key}:most"]),
                fresh_s=60.0 * found[f"{key}:fresh"])


def _draw_column(column: ColumnSchema, key: str, *, hidden: bool) -> None:
    first, second, third = st.columns(3, vertical_alignment="bottom")
    kind = first.selectbox("Type", KINDS, index=KINDS.index(column.kind), key=f"{key}:kind")
    second.number_input("Usual missing, %", 0.0, 100.0, value=100 * column.missing, key=f"{key}:missing",
                        format="%.4g", help="The share of rows without a value; a quarter more still passes")
    third.checkbox("Judged", value=column.enabled, key=f"{key}:judged")
    anything = third.checkbox("Any value is expected", value=column.open, key=f"{key}:any")
    if hidden:
        text.note("The column is sensitive: what it may hold is changed at the command line, and shown nowhere.")
    elif not anything and kind == "numeric":
        first.number_input("Least", value=column.low, key=f"{key}:low", format="%g")
        second.number_input("Greatest", value=column.high, key=f"{key}:high", format="%g")
    elif not anything:
        st.text_area("Values, one per line", value="\n".join((*column.categories, *column.accepted)),
                     key=f"{key}:values", height=140)


def _read_column(column: ColumnSchema, key: str) -> Edit:
    """Return what the fields say; one that is not drawn says nothing, so that what it held is left as it is."""
    found = st.session_state
    kind, share, anything = found[f"{key}:kind"], found[f"{key}:missing"], found[f"{key}:any"]
    numeric, written = kind == "numeric" and not anything, found.get(f"{key}:values")
    named = None
    if kind == "categorical" and not anything and written is not None:
        named = tuple(line.strip() for line in written.splitlines() if line.strip())
    return Edit(
        column=column.name, kind=kind, categories=named, enabled=found[f"{key}:judged"],
        low=found.get(f"{key}:low") if numeric else None, high=found.get(f"{key}:high") if numeric else None,
        # A share that the form rounds would be a change that nobody made.
        missing=None if abs(share - 100 * column.missing) < 1e-9 else share / 100,
        open=None if anything == column.open else anything)
