"""Duration per run: one point each, shaped and coloured by how it ended, over the pipeline's usual band."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, changes, data, time_axis, tips

_WIDE: Final = 30  # times from the shortest to the longest run, from which on a linear axis shows only the longest


def durations(
    rows: Sequence[Mapping[str, Any]], colours: Palette, *, usual: Sequence[Mapping[str, Any]] = (),
    marks: Sequence[Mapping[str, Any]] = (), unit: str = "minutes", before: Sequence[Mapping[str, Any]] = (),
) -> Any:
    """Return the chart of `rows` (at, minutes, state, status, name, pipeline, class, slow).

    Args:
        rows: one per run.
        colours: of the viewer's theme.
        usual: bands from P10 to P90 of like runs (start, end, low, high), one on each side of a change.
        marks: changes to write on the time axis (at, label).
        unit: what the values are counted in, for the axis.
        before: at, minutes, name of the runs a week earlier, moved to these days; drawn hollow.
    """
    states = ["fine", "failing", "unsure"]
    lengths = [float(row["minutes"]) for row in rows if float(row["minutes"]) > 0]
    # A run of minutes among runs of seconds would press all of them onto the axis.
    wide = bool(lengths) and max(lengths) > _WIDE * min(lengths)
    scale = alt.Scale(zero=True)
    if wide:
        scale = alt.Scale(type="log", domain=[min(lengths), max(lengths)], nice=True, clamp=True)
    base = alt.Chart(data(rows)).encode(x=time_axis())
    dots = base.mark_point(filled=True, size=54, opacity=0.9).encode(
        y=alt.Y("minutes:Q", title=unit, scale=scale, axis=alt.Axis(tickCount=4) if wide else alt.Axis()),
        color=alt.Color("state:N", title=None, scale=alt.Scale(
            domain=states, range=[colours.accent, colours.failing, colours.unsure])),
        shape=alt.Shape("state:N", title=None, scale=alt.Scale(domain=states, range=["circle", "square", "diamond"])),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("pipeline:N"), alt.Tooltip("status:N"),
                 alt.Tooltip("minutes:Q", format=".3g", title=unit), alt.Tooltip("at:T", format="%d %b %Y %H:%M"),
                 alt.Tooltip("class:N", title="failure"), alt.Tooltip("slow:N"), alt.Tooltip("rows:Q", format=",")],
    )
    parts = [dots]
    if before:
        parts.insert(0, alt.Chart(data(before)).mark_point(
            filled=False, size=40, color=colours.ink, opacity=0.6, strokeDash=[2, 2]).encode(
                x=time_axis(), y=alt.Y("minutes:Q", scale=scale), tooltip=tips("name:N", "minutes:Q", "at:T")))
    if usual:
        parts.insert(0, alt.Chart(data(usual)).mark_rect(color=colours.band, opacity=0.9).encode(
            x=alt.X("start:T", title=None), x2=alt.X2("end:T"), y=alt.Y("low:Q", title=unit), y2=alt.Y2("high:Q")))
    if marks:
        parts.append(changes(marks, colours))
    return layers(*parts)
