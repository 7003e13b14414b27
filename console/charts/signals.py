"""Lines of latency, volume, quality and coverage on one time axis. Takes rows, returns an Altair chart."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, data, earlier, threshold, time_axis, tips

Rows = Sequence[Mapping[str, Any]]


def latency(rows: Rows, usual_ms: float | None, colours: Palette, *, before: Rows = ()) -> Any:
    """Return p50, p95 and p99 over time, with the usual p95 as a dashed line. Rows: at, quantile, ms.

    Without a value there was no request, and the line has a gap. `before` is the p95 of a week earlier: at (already
    moved), before.
    """
    # Room above the highest line: the words on the usual p95 would stand in the legend.
    top = 1.2 * max([usual_ms or 0.0, *(r["ms"] or 0.0 for r in rows), *(r["before"] or 0.0 for r in before)],
                    default=0.0)
    lines = alt.Chart(data(rows)).mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=16)).encode(
        x=time_axis(), y=alt.Y("ms:Q", title="ms", scale=alt.Scale(zero=True, domainMax=top or 1.0)),
        color=alt.Color("quantile:N", title=None, sort=["p99", "p95", "p50"]),
        tooltip=tips("at:T", "quantile:N", "ms:Q"))
    usual = [threshold(usual_ms, "usual p95", colours, role="unsure")] if usual_ms else []
    return layers(lines, *usual, *([earlier(before, colours, unit="p95, ms")] if before else []))


def volume(rows: Rows, colours: Palette, *, before: Rows = ()) -> Any:
    """Return predictions per bucket as bars, the usual number as a line. Rows: at, end, rows, expected, failed.

    `before` is the number of a week earlier: at (already moved), before.
    """
    base = alt.Chart(data(rows)).encode(x=time_axis())
    bars = base.mark_bar(color=colours.accent, opacity=0.75, stroke=colours.paper).encode(
        x=time_axis(spans=True), x2=alt.X2("end:T"), y=alt.Y("rows:Q", title="predictions"),
        tooltip=tips("at:T", "rows:Q", "expected:Q", "failed:Q"))
    usual = base.mark_line(color=colours.faint, strokeDash=[4, 3], interpolate="step-after").encode(
        y=alt.Y("expected:Q"))
    failed = base.mark_bar(color=colours.failing, stroke=colours.paper).encode(
        x=time_axis(spans=True), x2=alt.X2("end:T"), y=alt.Y("failed:Q"))
    return layers(bars, failed, usual, *([earlier(before, colours, unit="predictions")] if before else []))


def quality(rows: Rows, against: float | None, words: str, metric: str, colours: Palette, *, before: Rows = (),
            ) -> Any:
    """Return realised quality with its interval, and the estimate beside it; days still maturing are faint.

    Rows: at, kind (realised, estimated, immature), value, low, high. `before`: at, before of a week earlier.
    """
    base = alt.Chart(data(rows)).encode(x=time_axis())
    scale, kinds = alt.Scale(zero=False), ["realised", "estimated", "immature"]
    bars = base.transform_filter("datum.low != null").mark_rule(color=colours.faint, opacity=0.6).encode(
        y=alt.Y("low:Q", scale=scale), y2=alt.Y2("high:Q"))
    points = base.mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=1.6).encode(
        y=alt.Y("value:Q", title=metric, scale=scale),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(
            domain=kinds, range=[colours.accent, colours.categories[1], colours.unsure])),
        # The same title as the colour's: only then do both make one legend, and none hides the other.
        strokeDash=alt.StrokeDash("kind:N", title=None, scale=alt.Scale(
            domain=kinds, range=[[1, 0], [5, 3], [2, 3]])),
        tooltip=tips("at:T", "kind:N", "value:Q", "low:Q", "high:Q"))
    parts = [bars, points]
    if against is not None:
        parts.append(threshold(against, words, colours, role="unsure"))
    return layers(*parts, *([earlier(before, colours, unit=metric)] if before else []))


def coverage(rows: Rows, colours: Palette) -> Any:
    """Return labels per day as stacked bars. Rows: at, end, state (labelled, waiting, never), n."""
    return alt.Chart(data(rows)).mark_bar(stroke=colours.paper).encode(
        x=time_axis(spans=True), x2=alt.X2("end:T"), y=alt.Y("n:Q", title="answers", stack="zero"),
        color=alt.Color("state:N", title=None, scale=alt.Scale(
            domain=["labelled", "waiting", "never"], range=[colours.accent, colours.unsure, colours.pale])),
        tooltip=tips("at:T", "state:N", "n:Q"))


def calibration(rows: Rows, colours: Palette) -> Any:
    """Return predicted against observed share, with the diagonal. Rows: predicted, observed, n."""
    top = max([1e-9, *(max(r["predicted"], r["observed"]) for r in rows)])
    line = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": top, "y": top}])).mark_line(
        color=colours.faint, strokeDash=[4, 3]).encode(x=alt.X("x:Q"), y=alt.Y("y:Q"))
    points = alt.Chart(data(rows)).mark_line(point=True, color=colours.accent).encode(
        x=alt.X("predicted:Q", axis=alt.Axis(title="predicted share", tickCount=6, format="%")),
        y=alt.Y("observed:Q", axis=alt.Axis(title="observed share", tickCount=5, format="%")),
        tooltip=tips("predicted:Q", "observed:Q", "n:Q"))
    return layers(line, points)
