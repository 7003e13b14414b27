"""The one table: text only, readable on a phone and aloud; its CSV export cannot be executed by a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from console import session, state
from console.widgets import status, text
from console.widgets.html import Html, draw, el
from services.core.measurement import Verdict
from services.core.window import span_text

MAX_HTML_ROWS: Final = 200
MAX_ROWS: Final = 5_000
FEW: Final = 5  # rows that are unsure stand among the others up to here
MANY: Final = 12  # rows that are not fine, from which on those that only warn are folded too
# In pixels: a phone of 390 without its margins, a letter of a table, the room around a cell.
_PHONE, _LETTER, _ROOM = 356, 7.2, 18
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `kind` decides alignment and form; `code` is for ids, `ago` for a time as its age."""

    key: str
    kind: Literal["text", "number", "time", "ago", "status", "code"] = "text"
    title: str = ""
    unit: str = ""
    digits: int = 3
    to: str = ""  # a key of the row whose value is the address behind the text: a page of ours, or https

    @property
    def heading(self) -> str:
        """The column's heading with its unit."""
        name = self.title or self.key.replace("_", " ")
        return f"{name}, {self.unit}" if self.unit and self.kind == "number" else name


def table(
    rows: Sequence[Row], columns: Sequence[Column | str], *, alt: str, name: str, as_of: datetime | None = None,
    filters: Mapping[str, str] | None = None, stack: bool = True, export: bool = True,
) -> None:
    """Draw rows as given (sort them worst first before), with an export of the same rows below.

    Up to 200 rows are a real table, which screens readers and phones read well; more are Streamlit's scrolling one.
    `alt` says what the table holds. A column without any value is in the export only. `stack` turns rows into blocks on
    a phone where the table is wider than one.
    """
    every = [c if isinstance(c, Column) else Column(c) for c in columns]
    # A column in which no row says anything takes room from those that do.
    shown = [c for c in every if not rows or any(row.get(c.key) not in (None, "") for row in rows)]
    now = session.now()
    if len(rows) <= MAX_HTML_ROWS:
        head = el("tr", *(el("th", c.heading, scope="col", cls="il-right" if c.kind == "number" else "")
                          for c in shown))
        body = [el("tr", *(_cell(row, c, now) for c in shown)) for row in rows]
        blocks = stack and not _fits(rows, shown, now)
        draw(el("div", el("table", el("caption", alt), el("thead", head), el("tbody", *body),
                          cls=f"il-table{' il-stack' if blocks else ''}"), cls="il il-tablebox", tabindex="0",
                role="region", aria_label=alt))
    else:
        frame = pd.DataFrame([{c.heading: _plain(row.get(c.key), c, now) for c in shown} for row in rows[:MAX_ROWS]])
        st.dataframe(frame, hide_index=True, alt=alt, key=f"table:{name}")
        if len(rows) > MAX_ROWS:
            text.note(f"{MAX_ROWS:,} of {len(rows):,} rows are shown; narrow the filters, or export all of them")
    if export and rows:
        # Made when asked for: a file per table and run would be written for nothing, and be gone at the next run.
        made = partial(csv_bytes, rows, every, name=name, as_of=as_of, filters=dict(filters or state.shown()))
        st.download_button("CSV", data=made, file_name=f"{name}.csv", mime="text/csv", key=f"csv:{name}",
                           type="tertiary", on_click="ignore", icon=":material/download:",
                           help="The rows above with their filters and as-of time")


def folded(
    rows: Sequence[Row], columns: Sequence[Column | str], *, alt: str, name: str, as_of: datetime | None = None
) -> None:
    """Draw rows with a `status` as `table` does; what is fine, and much that is unsure or warns, is folded away.

    Each fold says how many it holds: what is unsure is never counted as fine.
    """
    of = {verdict: [row for row in rows if row.get("status") == verdict]
          for verdict in (Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.PASS)}
    away = {Verdict.PASS}
    if len(of[Verdict.INCONCLUSIVE]) > FEW:
        away.add(Verdict.INCONCLUSIVE)
    standing = [row for row in rows if row.get("status") not in away]
    if len(standing) > MANY and len(of[Verdict.WARN]) < len(standing):  # something worse stands above them
        away.add(Verdict.WARN)
        standing = [row for row in standing if row.get("status") != Verdict.WARN]
    if standing:
        table(standing, columns, alt=alt, name=name, as_of=as_of)
    for verdict, some in of.items():
        if some and verdict in away:
            word = status.mark(verdict).word
            with st.expander(f"{len(some):,d} {text.escape(word)}"):
                table(some, columns, alt=f"{alt}: what is {word}", name=f"{name}-{word}", as_of=as_of)


def csv_bytes(
    rows: Sequence[Row], columns: Sequence[Column], *, name: str, as_of: datetime | None, filters: Mapping[str, str],
) -> bytes:
    """Return rows as CSV with a metadata header; cells that a spreadsheet would execute begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([neutral(f"# {name}"), f"as of {as_of.astimezone(UTC).isoformat()}" if as_of else "as of unknown"])
    writer.writerow(["# filters", *(neutral(f"{key}={value}") for key, value in filters.items())])
    writer.writerow([neutral(c.heading) for c in columns])
    for row in rows:
        writer.writerow([neutral(_exported(row.get(c.key))) for c in columns])
    return out.getvalue().encode("utf-8-sig")


def neutral(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _fits(rows: Sequence[Row], columns: Sequence[Column], now: datetime) -> bool:
    """Tell whether a table is narrow enough to stay one on a phone: cells on one line, headings word by word."""
    letters = [max([*map(len, c.heading.split()), *(len(_plain(row.get(c.key), c, now)) for row in rows)], default=0)
               for c in columns]
    return _LETTER * sum(letters) + _ROOM * len(columns) <= _PHONE


def _cell(row: Row, column: Column, now: datetime) -> Html:
    value = row.get(column.key)
    content: Html | str
    if column.kind == "status" and value not in (None, ""):
        content = status.span(str(value))
    elif column.kind in ("time", "ago") and isinstance(value, datetime):
        words = span_text(now - value) if column.kind == "ago" else text.clock(value, now=now)
        content = el("span", words, title=text.exact(value))
    else:
        content = _plain(value, column, now)
    if column.to and row.get(column.to):
        content = el("a", content, href=str(row[column.to]))
    kind = {"number": "il-right", "code": "il-mono", "status": "il-nowrap il-state", "time": "il-nowrap",
            "ago": "il-nowrap"}
    return el("td", content, cls=kind.get(column.kind, ""), data_label=column.heading)


def _plain(value: object, column: Column, now: datetime) -> str:
    if value is None or value == "":
        return ""
    if column.kind == "status":
        return status.label(str(value))
    if isinstance(value, datetime):
        return span_text(now - value) if column.kind == "ago" else text.clock(value, now=now)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # The unit stands in the heading; only a share needs its sign in the cell, because it is scaled.
        return text.number(value, column.unit if column.unit in ("%", "s") else "", digits=column.digits)
    return str(value)


def _exported(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if value is None or isinstance(value, int | float | str):
        return value
    return str(value)
