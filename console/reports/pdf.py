"""Set a quota report as PDF: the first page answers who, how much, until when, what to do; tables follow."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from console.reports import pictures
from console.reports.tables import Sheet, cell, sheets
from services.quota.report_words import headline, key, month_name, waste_line
from services.quota.screen import Answer, answers, seen

_INK: Final = (27, 30, 34)
_FAINT: Final = (95, 102, 110)
_LINE: Final = (226, 226, 220)
_ROW: Final = 5.2
_TEXT: Final = 7.5
_GAP: Final = 2.4  # millimetres between columns
_CHART: Final = 100.0  # height of a pool's words and chart, which stay on one page
_SPARE: Final = 16.0  # millimetres that a column may be wider than its content: eyes follow a row no further


def pdf(body: Mapping[str, Any], signed: Sequence[tuple[str, datetime, str]] = ()) -> bytes:
    """Return the report as PDF in A4."""
    title = f"Quota report {month_name(body['month'])}"
    paper = _paper(title)
    paper.add_page()
    paper.set_font("report", "B", 20)
    paper.cell(0, 10, title, new_x="LMARGIN", new_y="NEXT")
    state = f"signed by {', '.join(who for who, _, _ in signed)}" if signed else "not signed"
    whole = "" if body["complete"] else ", month still running"
    _say(paper, f"{body['from'][:10]} to {body['to'][:10]}{whole} · {state}", faint=True)
    if seen(body):
        _answers(paper, answers(body))
    _title(paper, "Decide")
    for number, line in enumerate(body["decisions"], start=1):
        _say(paper, f"{number}  {line['what']}", bold=True)
        _say(paper, f"     {line['why']}", faint=True)
    if not body["decisions"]:
        _say(paper, "Nothing: no pool is near its limit, no request is far above its use.")
    for pool in body["pools"]:
        _pool(paper, pool, body["compared_to"])
    for sheet in sheets(body):
        if sheet.title != "Decisions":
            _table(paper, sheet)
    if signed:
        _title(paper, "Signed")
    for who, at, comment in signed:
        _say(paper, f"{who}, {at:%Y-%m-%d %H:%M} UTC. {comment}")
    return bytes(paper.output())


def _answers(paper: Any, found: Sequence[Answer]) -> None:
    """Set the first screen's answers side by side, each in a box: question, answer, what it rests on."""
    top, width, lowest = paper.get_y() + 3, paper.epw / len(found), 0.0
    paper.set_draw_color(*_LINE)
    for place, answer in enumerate(found):
        left = paper.l_margin + place * width
        paper.set_y(top + 1.6)
        for size, style, colour, words, height in (
            (7.5, "", _FAINT, answer.question, 4.4), (10, "B", _INK, answer.value, 5.0),
            (7, "", _FAINT, answer.note, 3.5),
        ):
            paper.set_font("report", style, size)
            paper.set_text_color(*colour)
            paper.set_x(left + 1.6)
            paper.multi_cell(width - 3.2, height, words, align="L", new_x="LEFT", new_y="NEXT")
        lowest = max(lowest, paper.get_y())
    # Drawn last: every box is as high as the longest answer.
    for place in range(len(found)):
        paper.rect(paper.l_margin + place * width, top, width, lowest + 1.8 - top)
    paper.set_xy(paper.l_margin, lowest + 1.8)


def _pool(paper: Any, pool: Mapping[str, Any], compared_to: str) -> None:
    if paper.get_y() + _CHART > paper.h - paper.b_margin:
        paper.add_page()
    _title(paper, pool["pool"])
    if not pool["chart"]["lines"]:
        _say(paper, "No sample in this month.", faint=True)
        return
    _say(paper, headline(pool, compared_to), bold=True)
    _say(paper, waste_line(pool))
    if pool["cost"] is not None:
        _say(paper, f"Cost {pool['cost']:,.0f} {pool['currency']} at {pool['price']['per_hour']:g} per {pool['unit']} "
                    f"and hour (price of {pool['price']['since']}).")
    if pool["forecast"]:
        _say(paper, f"{pool['forecast']['what']}.")
    for picture, alt, words in (
        (pictures.usage_png(pool), headline(pool, compared_to), key(pool)),
        (pictures.teams_png(pool), f"{pool['unit_hours']} of {pool['pool']} by team", ""),
    ):
        if picture:
            paper.ln(1)
            paper.image(io.BytesIO(picture), w=paper.epw, alt_text=alt)
        if words:
            _say(paper, words, faint=True, size=8)


def _table(paper: Any, sheet: Sheet) -> None:
    rows = [*sheet.rows, *((sheet.total,) if sheet.total else ())]
    # A table that fits a page is kept whole; a longer one starts with at least a few rows.
    whole = _ROW * (len(rows) + 1) + 14
    if paper.get_y() + (whole if whole < paper.eph else 24) > paper.h - paper.b_margin:
        paper.add_page()
    _title(paper, sheet.title)
    right = [any(isinstance(row[i], int | float) for row in sheet.rows) for i in range(len(sheet.columns))]
    widths = _widths(paper, sheet.columns, [[cell(v) for v in row] for row in rows])
    _line(paper, sheet.columns, widths, right, bold=True, faint=True)
    for place, row in enumerate(rows):
        if paper.get_y() + _ROW > paper.h - paper.b_margin:
            paper.add_page()
            _line(paper, sheet.columns, widths, right, bold=True, faint=True)
        _line(paper, [cell(v) for v in row], widths, right, bold=bool(sheet.total) and place == len(rows) - 1)


def _widths(paper: Any, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """Return column widths by content; where they are too wide together the widest give way and wrap."""
    paper.set_font("report", "B", _TEXT)
    wide = [max(paper.get_string_width(text) for text in column) + _GAP
            for column in zip(head, *rows, strict=True)]
    while (over := sum(wide) - paper.epw) > 0.1:
        widest = max(range(len(wide)), key=wide.__getitem__)
        second = max((w for i, w in enumerate(wide) if i != widest), default=0.0)
        wide[widest] -= min(over, max(wide[widest] - second, over / len(wide)))
    spare = (paper.epw - sum(wide)) / max(1, len(wide))
    return [w + min(spare, _SPARE) for w in wide]


def _line(paper: Any, cells: Sequence[str], widths: Sequence[float], right: Sequence[bool], *, bold: bool = False,
          faint: bool = False) -> None:
    paper.set_font("report", "B" if bold else "", _TEXT)
    paper.set_text_color(*(_FAINT if faint else _INK))
    lines = [paper.multi_cell(width, _ROW, text or " ", dry_run=True, output="LINES")
             for text, width in zip(cells, widths, strict=True)]
    height = _ROW * max(len(own) for own in lines)
    if paper.get_y() + height > paper.h - paper.b_margin:
        paper.add_page()
    top, left = paper.get_y(), paper.get_x()
    for own, width, is_right in zip(lines, widths, right, strict=True):
        for i, text in enumerate(own):
            paper.set_xy(left, top + i * _ROW)
            paper.cell(width, _ROW, text, align="R" if is_right else "L")
        left += width
    paper.set_draw_color(*_LINE)
    paper.line(paper.l_margin, top + height, paper.l_margin + sum(widths), top + height)
    paper.set_xy(paper.l_margin, top + height)


def _title(paper: Any, words: str) -> None:
    paper.ln(5)
    paper.set_font("report", "B", 12)
    paper.set_text_color(*_INK)
    paper.multi_cell(0, 7, words, new_x="LMARGIN", new_y="NEXT")


def _say(paper: Any, words: str, *, bold: bool = False, faint: bool = False, size: float = 10) -> None:
    paper.set_font("report", "B" if bold else "", size)
    paper.set_text_color(*(_FAINT if faint else _INK))
    paper.multi_cell(0, 5.4, words, align="L", new_x="LMARGIN", new_y="NEXT")


def _paper(title: str) -> Any:
    from fpdf import FPDF

    from console.reports.fonts import faces

    paper = FPDF(format="A4")
    paper.footer = lambda: _footer(paper, title)
    for style, file in faces().items():
        paper.add_font("report", style, file)
    paper.set_title(title)
    paper.set_auto_page_break(True, margin=18)
    paper.set_margins(18, 16, 18)
    return paper


def _footer(paper: Any, title: str) -> None:
    paper.set_y(-14)
    paper.set_font("report", "", 8)
    paper.set_text_color(*_FAINT)
    paper.cell(0, 8, f"{title} · page {paper.page_no()} of {{nb}}", align="R")
