"""The evidence of an incident: the measurement that names it, over the day before, its limit, and the opening."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, threshold, time_axis

Row = dict[str, Any]


def evidence(rows: Sequence[Row], *, opened: datetime, limit: float | None, unit: str, colours: Palette) -> Any:
    """Return the chart of `rows` (`at`, `value`, `word`), with a rule where the incident opened."""
    data = alt.Data(values=[{**r, "at": r["at"].isoformat()} for r in rows])
    base = alt.Chart(data).encode(x=time_axis())
    line = base.mark_line(color=colours.accent, strokeWidth=1.6).encode(
        y=alt.Y("value:Q", axis=alt.Axis(title=unit or None, format="%" if unit == "share" else alt.Undefined)))
    dots = base.mark_point(filled=True, size=28).encode(
        y=alt.Y("value:Q"),
        color=alt.Color("word:N", legend=None, scale=alt.Scale(
            domain=["fine", "warn", "failing", "unsure", "monitor error"],
            range=[colours.fine, colours.warn, colours.failing, colours.unsure, colours.error])),
        tooltip=[alt.Tooltip("at:T", format="%d %b %H:%M"), alt.Tooltip("value:Q", format=".4g"),
                 alt.Tooltip("word:N"), alt.Tooltip("n:Q")],
    )
    mark = alt.Data(values=[{"at": opened.isoformat(), "label": "opened"}])
    rule = alt.Chart(mark).mark_rule(color=colours.failing, strokeWidth=1.2).encode(x=alt.X("at:T"))
    words = alt.Chart(mark).mark_text(align="left", dx=4, baseline="top", color=colours.failing, fontSize=12).encode(
        x=alt.X("at:T"), y=alt.YValue(0), text=alt.Text("label:N"))
    parts = [line, dots, rule, words]
    if limit is not None:
        parts.append(threshold(limit, f"limit {limit:.3g}" if unit != "share" else f"limit {limit:.3%}", colours))
    return layers(*parts)
