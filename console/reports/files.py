"""Write a quota report as CSV, XLSX, PDF or self-contained HTML. What it says is fixed before it comes here."""

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from console.reports import pictures
from console.reports.pdf import pdf
from console.reports.tables import Sheet, cell, neutral, sheets
from services.errors import Refused
from services.quota.report_words import headline, key, month_name, waste_line
from services.quota.screen import answers, seen

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;color:#1B1E22;background:#FCFCFA;max-width:900px}
body{margin:32px auto;padding:0 16px}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:36px 0 4px;border-bottom:1px solid #E2E2DC}
h3{font-size:13px;letter-spacing:.05em;text-transform:uppercase;color:#5F666E;margin:24px 0 4px}
p{margin:4px 0}.faint{color:#5F666E}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.box{overflow-x:auto}
td,th{padding:3px 8px;text-align:left;border-bottom:1px solid #E2E2DC;font-size:13px}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));border:1px solid #E2E2DC;margin:16px 0}
dl div{padding:8px 12px;box-shadow:0 0 0 .5px #E2E2DC}dt{font-size:12px;color:#5F666E}dd{margin:0}dd b{font-size:19px}
dd small{display:block;color:#5F666E}ol{padding-left:20px}li{margin:4px 0}
td.n,th.n{text-align:right}tr.total td{font-weight:600}svg{max-width:100%;height:auto;overflow:visible}
"""

_WIDEST: Final = 70  # characters of a column in a workbook

Signed = Sequence[tuple[str, datetime, str]]


def csv_file(body: Mapping[str, Any], signed: Signed = ()) -> bytes:
    """Return every table, one below the other, each under its title."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([f"# Quota report {body['month']}", f"from {body['from']}", f"to {body['to']}", _state(signed)])
    for sheet in sheets(body):
        writer.writerow([])
        writer.writerow([neutral(f"# {sheet.title}")])
        writer.writerow([neutral(name) for name in sheet.columns])
        for row in (*sheet.rows, *((sheet.total,) if sheet.total else ())):
            writer.writerow([neutral("" if value is None else value) for value in row])
    return out.getvalue().encode("utf-8-sig")


def xlsx_file(body: Mapping[str, Any], signed: Signed = ()) -> bytes:
    """Return a workbook, one sheet per table, with each pool's chart; text stays text."""
    import xlsxwriter

    out = io.BytesIO()
    # Texts from outside are written by write_string only: a name that begins with = is shown, not calculated.
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    faces = _Faces(book)
    names: set[str] = set()
    for sheet in sheets(body):
        _lay(book.add_worksheet(_sheet_name(sheet.title, names)), sheet, faces)
    page = book.add_worksheet("About")
    lines = [f"Quota report {body['month']}", f"from {body['from']} to {body['to']}", _state(signed)]
    lines += [f"{who}, {at:%Y-%m-%d %H:%M} UTC: {comment}" for who, at, comment in signed]
    for place, line in enumerate(lines):
        page.write_string(place, 0, neutral(line))
    _charts(book, body)
    book.close()
    return out.getvalue()


def html_file(body: Mapping[str, Any], signed: Signed = ()) -> bytes:
    """Return one file that needs no other: style and charts are inside, nothing is loaded, nothing is run."""
    say = html.escape
    title = f"Quota report {say(month_name(body['month']))}"
    parts = [f"<h1>{title}</h1>",
             f"<p class=faint>{say(body['from'][:10])} to {say(body['to'][:10])} · {say(_state(signed))}</p>"]
    if seen(body):
        boxes = [f"<div><dt>{say(a.question)}</dt><dd><b>{say(a.value)}</b><small>{say(a.note)}</small></dd></div>"
                 for a in answers(body)]
        parts.append(f"<dl>{''.join(boxes)}</dl>")
    if body["decisions"]:
        lines = "".join(f"<li><strong>{say(d['what'])}</strong><br><span class=faint>{say(d['why'])}</span></li>"
                        for d in body["decisions"])
        parts.append(f"<h2>Decide</h2><ol>{lines}</ol>")
    for pool in body["pools"]:
        if not pool["chart"]["lines"]:
            continue
        parts += [f"<h2>{say(pool['pool'])}</h2>",
                  f"<p><strong>{say(headline(pool, body['compared_to']))}</strong></p>",
                  f"<p>{say(waste_line(pool))}</p>"]
        if pool["forecast"]:
            parts.append(f"<p>{say(pool['forecast']['what'])}.</p>")
        parts += [pictures.usage_svg(pool), f"<p class=faint>{say(key(pool))}</p>", pictures.teams_svg(pool)]
    parts += [_table(sheet) for sheet in sheets(body) if sheet.title != "Decisions"]
    parts += [f"<p>Signed: {say(who)}, {at:%Y-%m-%d %H:%M} UTC. {say(comment)}</p>" for who, at, comment in signed]
    page = "".join(parts)
    return (f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
            f'<meta name=viewport content="width=device-width"><style>{_STYLE}</style></head><body>{page}</body></html>'
            ).encode()


WRITERS: Final[dict[str, Callable[..., bytes]]] = {
    "pdf": pdf, "xlsx": xlsx_file, "csv": csv_file, "html": html_file,
}


def write(body: Mapping[str, Any], form: str, signed: Signed = ()) -> bytes:
    """Return a report as a file.

    Raises:
        Refused: the format is none of pdf, xlsx, csv, html.
    """
    if form not in WRITERS:
        raise Refused(f"{form} is not a format of reports: choose one of {', '.join(WRITERS)}")
    return WRITERS[form](body, signed)


def _state(signed: Signed) -> str:
    return f"signed by {', '.join(who for who, _, _ in signed)}" if signed else "not signed"


def _charts(book: Any, body: Mapping[str, Any]) -> None:
    """Lay each pool's month, and its teams below, on a sheet of their own."""
    page, row = book.add_worksheet("Charts"), 0
    starts = []
    for i, pool in enumerate(seen(body)):
        starts.append(row)
        words = headline(pool, body["compared_to"])
        page.write_string(row, 0, neutral(words))
        for name, picture, alt, high in (
            ("month", pictures.usage_png(pool), words, pictures.HEIGHT),
            ("teams", pictures.teams_png(pool), f"{pool['unit_hours']} by team", pictures.teams_height(pool)),
        ):
            # The picture has two pixels for each of the sheet's, and says 72 to the inch where the sheet counts 96;
            # a row is twenty of the sheet's high.
            page.insert_image(row + 1, 0, f"{name}-{i}.png", {
                "image_data": io.BytesIO(picture), "x_scale": 0.375, "y_scale": 0.375, "description": alt})
            row += high // 20 + 3
        row += 2
    page.set_h_pagebreaks(starts[1:])
    _one_page_wide(page)


class _Faces:
    """How a cell of text and a cell of numbers look in the head, in a row and in the total."""

    def __init__(self, book: Any) -> None:
        numbers = {"num_format": "#,##0.00", "align": "right"}
        bold = {"bold": True, "valign": "top", "text_wrap": True}
        self.head = (book.add_format(bold | {"bottom": 1}), book.add_format(bold | {"bottom": 1, "align": "right"}))
        self.row = (book.add_format({"valign": "top", "text_wrap": True}), book.add_format(numbers | {"valign": "top"}))
        self.total = (book.add_format({"bold": True, "top": 1}), book.add_format(numbers | {"bold": True, "top": 1}))


def _lay(page: Any, sheet: Sheet, faces: _Faces) -> None:
    """Write one table so that it can be read and printed: its head stays in sight, and its width is one page."""
    widths = [max(len(cell(row[i])) for row in (sheet.columns, *sheet.rows)) for i in range(len(sheet.columns))]
    numeric = [any(isinstance(row[i], int | float) for row in sheet.rows) for i in range(len(sheet.columns))]
    for column, width in enumerate(widths):
        page.set_column(column, column, min(max(width + 2, 10), _WIDEST))
    rows = [(sheet.columns, faces.head), *((row, faces.row) for row in sheet.rows)]
    rows += [(sheet.total, faces.total)] if sheet.total else []
    for place, (row, (words, numbers)) in enumerate(rows):
        # Not every program makes room for a text that is broken over lines.
        lines = max((-(-len(cell(value)) // _WIDEST) for value in row), default=1)
        if lines > 1:
            page.set_row(place, 16 * lines)
        for column, value in enumerate(row):
            if isinstance(value, int | float):
                page.write_number(place, column, value, numbers)
            else:
                face = numbers if numeric[column] else words
                page.write_string(place, column, neutral("" if value is None else str(value)), face)
    page.freeze_panes(1, 0)
    page.repeat_rows(0)
    _one_page_wide(page)


def _one_page_wide(page: Any) -> None:
    page.set_landscape()
    page.set_paper(9)  # A4
    page.fit_to_pages(1, 0)


def _sheet_name(title: str, used: set[str]) -> str:
    """Return a name that Excel takes: 31 plain characters, unlike any other."""
    plain = "".join("-" if c in "[]:*?/\\'" else c for c in title)
    name, count = plain[:31], 2
    while name.lower() in used:
        name, count = f"{plain[:27]} ({count})", count + 1
    used.add(name.lower())
    return name


def _table(sheet: Sheet) -> str:
    right = [any(isinstance(row[i], int | float) for row in sheet.rows) for i in range(len(sheet.columns))]

    def line(tag: str, row: Sequence[Any], kind: str = "") -> str:
        cells = "".join(f"<{tag}{' class=n' if right[i] else ''}>{html.escape(cell(v))}</{tag}>"
                        for i, v in enumerate(row))
        return f"<tr{kind}>{cells}</tr>"

    rows = "".join(line("td", row) for row in sheet.rows)
    total = line("td", sheet.total, " class=total") if sheet.total else ""
    return (f"<h3>{html.escape(sheet.title)}</h3><div class=box><table><thead>{line('th', sheet.columns)}</thead>"
            f"<tbody>{rows}{total}</tbody></table></div>")
