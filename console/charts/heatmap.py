"""Draw the drift overview: columns down, time across, effect as shade; unsure is dotted, firing is outlined."""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from console.charts.layers import layers
from console.charts.theme import MAX_POINTS, TICKS, Palette, data
from services.drift.grid import Cell, Grid

# Shades end here on the PSI scale: what is usually called a major change.
FULL: Final = 0.25
_ROW: Final = 22


def overview(found: Grid, colours: Palette, *, marks: Sequence[dict[str, Any]] = ()) -> Any:
    """Return the heat map of a grid, the worst column on top; as many columns as a chart can hold.

    Args:
        found: the cells.
        colours: the palette of the viewer's theme, or of a report.
        marks: rows `at, what` of releases and retrains.
    """
    buckets = len({cell.bucket.start for cell in found.cells}) or 1
    names = list(found.columns[: MAX_POINTS // buckets])
    rows = [_row(cell, restless=cell.column in found.restless) for cell in found.cells if cell.column in set(names)]
    base = alt.Chart(data(rows)).encode(
        x=alt.X("at:T", axis=alt.Axis(title=None, labelOverlap=True, tickCount=6, format=TICKS)),
        x2=alt.X2("until:T"), y=alt.Y("column:N", sort=names, axis=alt.Axis(title=None, labelLimit=160)),
        tooltip=[
            alt.Tooltip("column:N"), alt.Tooltip("until:T", format="%a %d %b %H:%M", title="until"),
            alt.Tooltip("days:Q", title="window, days"),
            alt.Tooltip("effect:Q", format=".3f", title="effect (PSI)"),
            alt.Tooltip("critical:Q", format=".3f", title="alarm from"), alt.Tooltip("n:Q", format=",", title="rows"),
            alt.Tooltip("word:N", title="state"),
        ],
    )
    shade = base.mark_rect().encode(color=alt.Color(
        "effect:Q", scale=alt.Scale(domain=[0, FULL], range=list(colours.heat), clamp=True, interpolate="rgb"),
        legend=alt.Legend(title="effect (PSI)", orient="top", gradientLength=120, tickCount=3)))
    firing = base.transform_filter("datum.word === 'moved'").mark_rect(
        fillOpacity=0, stroke=colours.failing, strokeWidth=1.6)
    unsure = base.transform_filter("datum.word === 'unsure'").transform_calculate(
        middle="(toDate(datum.at) + toDate(datum.until)) / 2").mark_text(
            text="·", color=colours.unsure, fontSize=16, baseline="middle").encode(x=alt.X("middle:T"), x2=alt.X2())
    parts: list[Any] = [shade, firing, unsure]
    if marks:
        # Many releases in a month: their words are in the tooltip and beside the chart.
        parts.append(alt.Chart(data(marks)).mark_rule(color=colours.ink, strokeWidth=1.4, strokeDash=[4, 3]).encode(
            x=alt.X("at:T"), tooltip=[alt.Tooltip("what:N", title="change"), alt.Tooltip("at:T", format=TICKS)]))
    return layers(*parts)


def height(found: Grid) -> int:
    """Return the pixels that the overview of a grid needs."""
    return 40 + _ROW * max(1, len(found.columns))


def _row(cell: Cell, *, restless: bool) -> dict[str, Any]:
    e = cell.effect
    word = ("moved, as it often does" if restless else "moved") if e.fires else "unsure" if cell.unsure else "fine"
    return {"column": cell.column, "days": cell.days, "at": cell.bucket.start, "until": cell.bucket.end, "n": e.n,
            "word": word, "effect": round(e.effect, 4), "critical": round(min(e.critical, 1e6), 4)}
