"""Draw a plan: demand over the calendar against the limit, before and after a change."""

from typing import Any

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, data, threshold, time_axis
from services.quota.fit import Fit


def demand(found: Fit, colours: Palette, *, before: Fit | None = None) -> Any:
    """Return demand by hour as a step line, hours that do not fit shaded, the limit as a dashed rule."""
    unit = found.pool.unit
    rows = [{"at": at, "demand": round(value, 4), "over": value > found.limit} for at, value in found.hours]
    base = alt.Chart(data(rows))
    area = base.mark_area(interpolate="step-after", color=colours.accent, opacity=0.25).encode(
        x=time_axis(), y=alt.Y("demand:Q", axis=alt.Axis(title=unit, tickCount=5)))
    line = base.mark_line(interpolate="step-after", color=colours.accent, strokeWidth=1.4).encode(
        x=time_axis(), y=alt.Y("demand:Q"),
        tooltip=[alt.Tooltip("demand:Q", title=f"demand, {unit}", format=",.3~f"), alt.Tooltip("at:T")])
    over = base.transform_filter("datum.over").mark_tick(color=colours.failing, thickness=2, size=10).encode(
        x=time_axis(), y=alt.Y("demand:Q"))
    parts: list[Any] = [area, line, over, threshold(found.limit, f"limit {found.limit:,.4g} {unit}", colours)]
    if before is not None:
        earlier = [{"at": at, "demand": round(value, 4)} for at, value in before.hours]
        parts.insert(0, alt.Chart(data(earlier)).mark_line(
            interpolate="step-after", color=colours.faint, strokeDash=[2, 3]).encode(
                x=time_axis(), y=alt.Y("demand:Q")))
    return layers(*parts)
