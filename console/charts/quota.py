"""Draw pools: the limit as a hard line, requests as an outline, use stacked by pipeline, unattributed last."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, data, earlier, halo, time_axis
from services.quota.history import UNATTRIBUTED, History

_EDGE: Final = "step-after"


def usage(found: History, colours: Palette, *, forecast: Sequence[Mapping[str, Any]] = (),
          before: Sequence[Mapping[str, Any]] = (), legend_columns: int = 2) -> Any:
    """Return a pool over time.

    Args:
        found: bars per pipeline and bucket, and the lines of limit, requests and peak.
        colours: the palette of the viewer's theme, or of a report.
        forecast: rows `at, low, mid, high` of daily peaks to come; empty where there is no forecast.
        before: rows `at, before`, the whole use of a week earlier moved to these days; empty where it is not asked.
        legend_columns: names beside each other; two fit a phone.
    """
    unit = found.pool.unit
    order = {name: i for i, name in enumerate(found.pipelines)}
    bars = [{"at": b.at, "pipeline": b.pipeline, "used": round(b.used, 4), "order": order[b.pipeline]}
            for b in found.bars]
    shades = [colours.categories[i] for i in range(len(found.pipelines) - 1)]
    area = alt.Chart(data(bars)).mark_area(interpolate=_EDGE, opacity=0.85, line=False).encode(
        x=time_axis(), y=alt.Y("used:Q", stack="zero", axis=alt.Axis(title=unit, tickCount=5)),
        color=alt.Color("pipeline:N", sort=list(found.pipelines), legend=alt.Legend(
            title=None, columns=legend_columns, columnPadding=10 if legend_columns <= 2 else 36),
                        scale=alt.Scale(domain=list(found.pipelines), range=[*shades, colours.pale])),
        order=alt.Order("order:Q"),
        tooltip=[alt.Tooltip("pipeline:N"), alt.Tooltip("used:Q", title=f"mean use, {unit}", format=",.3~f"),
                 alt.Tooltip("at:T", title=f"{found.grain} from", format="%a %d %b %H:%M")],
    )
    rows = [{"at": x.at, "limit": x.limit, "requested": x.requested, "peak": x.used_max} for x in found.lines]
    lines = alt.Chart(data(rows))
    requested = lines.transform_filter("isValid(datum.requested)").mark_line(
        interpolate=_EDGE, color=colours.ink, strokeWidth=1.4, opacity=0.8).encode(
        x=time_axis(), y=alt.Y("requested:Q"),
        tooltip=[alt.Tooltip("requested:Q", title=f"requested, {unit}"), alt.Tooltip("at:T")])
    peak = lines.mark_line(interpolate=_EDGE, color=colours.faint, strokeWidth=1, strokeDash=[2, 2]).encode(
        x=time_axis(), y=alt.Y("peak:Q"), tooltip=[alt.Tooltip("peak:Q", title=f"peak, {unit}"), alt.Tooltip("at:T")])
    parts: list[Any] = [area, peak, requested, *_limit(rows, colours, unit)]
    if before:
        parts.append(earlier(before, colours, unit=f"mean use, {unit}"))
    if forecast:
        parts += _fan(forecast, colours, unit)
    return layers(*parts)


def totals(rows: Sequence[Mapping[str, Any]], colours: Palette, *, unit: str, by: str) -> Any:
    """Return unit-hours as bars, most first; unattributed in grey, as everywhere."""
    return alt.Chart(data(rows)).mark_bar(height={"band": 0.7}).encode(
        x=alt.X("used_hours:Q", axis=alt.Axis(title=unit, tickCount=5)),
        y=alt.Y(f"{by}:N", sort=None, axis=alt.Axis(title=None)),
        color=alt.condition(f"datum.{by} === '{UNATTRIBUTED}'", alt.value(colours.unsure), alt.value(colours.accent)),
        tooltip=[alt.Tooltip(f"{by}:N"), alt.Tooltip("used_hours:Q", format=",.1f", title=unit)],
    )


def _limit(rows: Sequence[Mapping[str, Any]], colours: Palette, unit: str) -> list[Any]:
    """Return the limit as a hard line that steps where it changed, its last value written on it."""
    if not rows:
        return []
    rule = alt.Chart(data(rows)).mark_line(interpolate=_EDGE, color=colours.failing, strokeWidth=1.8).encode(
        x=time_axis(), y=alt.Y("limit:Q"),
        tooltip=[alt.Tooltip("limit:Q", title=f"limit, {unit}"), alt.Tooltip("at:T")])
    last = [{**rows[-1], "words": f"limit {rows[-1]['limit']:,.4g} {unit}"}]
    words = alt.Chart(data(last)).encode(x=time_axis(), y=alt.Y("limit:Q"), text=alt.Text("words:N"))
    return [rule, *halo(words, colours, "failing", align="right", dy=-4)]


def _fan(rows: Sequence[Mapping[str, Any]], colours: Palette, unit: str) -> list[Any]:
    base = alt.Chart(data(rows))
    fan = base.mark_area(color=colours.accent, opacity=0.16).encode(
        x=time_axis(), y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    middle = base.mark_line(color=colours.accent, strokeDash=[5, 4], strokeWidth=1.4).encode(
        x=time_axis(), y=alt.Y("mid:Q"), tooltip=[alt.Tooltip("mid:Q", title=f"likely peak, {unit}", format=",.3~f"),
                                           alt.Tooltip("low:Q", format=",.3~f"),
                                           alt.Tooltip("high:Q", format=",.3~f"), alt.Tooltip("at:T")])
    return [fan, middle]
