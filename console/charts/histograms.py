"""Draw one column: baseline as outline, window as fill, in the same bins; values outside them apart at the right."""

from typing import Any, Final

import altair as alt

from console.charts.theme import Palette, data
from services.drift.compare import Comparison
from services.profiles.bins import ABOVE, BELOW, MISSING, OTHER, UNSEEN

_APART: Final = (BELOW, ABOVE, OTHER, UNSEEN, MISSING)


def distribution(found: Comparison, colours: Palette, *, window: str = "window", baseline: str = "baseline") -> Any:
    """Return the shares of a column's bins in the window and in the baseline.

    Args:
        found: the comparison.
        colours: the palette of the viewer's theme, or of a report.
        window: what the fill is called.
        baseline: what the outline is called.
    """
    rows: list[dict[str, Any]] = [
        {"bin": s.label, "window": s.share, "baseline": s.baseline, "apart": s.label in _APART} for s in found.shifts]
    top = max((max(r["window"], r["baseline"]) for r in rows), default=1.0) * 1.08 or 1.0
    inside = [r for r in rows if not r["apart"]]
    outside = [r for r in rows if r["apart"]]
    parts = [_bars(part, colours, top, title, first=i == 0, names=(window, baseline))
             for i, (part, title) in enumerate(((inside, found.window.name), (outside, "not in these bins"))) if part]
    return alt.hconcat(*parts, spacing=16).resolve_scale(y="shared")


def _bars(
    rows: list[dict[str, Any]], colours: Palette, top: float, title: str, *, first: bool, names: tuple[str, str]
) -> Any:
    tooltip = [alt.Tooltip("bin:N"), alt.Tooltip("window:Q", format=".1%", title=names[0]),
               alt.Tooltip("baseline:Q", format=".1%", title=names[1])]
    axis = alt.Axis(format="%", title="share of rows", tickCount=4) if first else None
    base = alt.Chart(data(rows)).encode(
        x=alt.X("bin:N", sort=[r["bin"] for r in rows], axis=alt.Axis(title=title, labelAngle=-40, labelLimit=110)),
        tooltip=tooltip)
    fill = base.mark_bar(color=colours.accent, opacity=0.75, width={"band": 0.82}).encode(
        y=alt.Y("window:Q", axis=axis, scale=alt.Scale(domain=[0, top])))
    outline = base.mark_bar(fillOpacity=0, stroke=colours.ink, strokeWidth=1.3, width={"band": 0.82}).encode(
        y=alt.Y("baseline:Q", axis=axis, scale=alt.Scale(domain=[0, top])))
    return alt.layer(fill, outline).properties(height=220, width=max(60, 34 * len(rows)))
