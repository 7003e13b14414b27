"""A rollout over time: the share that was wanted as a line, the share that was read back as dots."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, data, time_axis


def rollout(wanted: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]], colours: Palette) -> Any:
    """Return the chart of the candidate's share; rows have `at` and `share`, in percent."""
    y = alt.Y("share:Q", title="share of traffic, %", scale=alt.Scale(domain=[0, 100]))
    line = alt.Chart(data(wanted)).mark_line(interpolate="step-after", color=colours.accent, strokeWidth=2).encode(
        x=time_axis(), y=y,
        tooltip=[alt.Tooltip("at:T", format="%d %b %H:%M:%S"), alt.Tooltip("share:Q"), alt.Tooltip("state:N")])
    dots = alt.Chart(data(seen)).mark_point(filled=True, size=46, color=colours.ink).encode(
        x=time_axis(), y=y, tooltip=[alt.Tooltip("at:T", format="%d %b %H:%M:%S"), alt.Tooltip("share:Q")])
    return layers(line, dots)
