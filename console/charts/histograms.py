"""Draw one column: baseline as outline, window as fill, in the same bins; values outside them apart at the right."""

from typing import Any, Final

import altair as alt

from console.charts.layers import layers
from console.charts.theme import Palette, data
from services.drift.compare import Comparison
from services.profiles.bins import ABOVE, BELOW, MISSING, OTHER, UNSEEN

_APART: Final = (BELOW, ABOVE, OTHER, UNSEEN, MISSING)
_GAP: Final = " "


def distribution(found: Comparison, colours: Palette, *, window: str = "window", baseline: str = "baseline") -> Any:
    """Return the shares of a column's bins in the window and in the baseline.

    Args:
        found: the comparison.
        colours: the palette of the viewer's theme, or of a report.
        window: what the fill is called.
        baseline: what the outline is called.
    """
    rows: list[dict[str, Any]] = [
        {"bin": s.label, "window": s.share, "baseline": s.baseline} for s in found.shifts]
    inside, outside = ([r["bin"] for r in rows if (r["bin"] in _APART) is apart] for apart in (False, True))
    # One chart, because only such a one narrows with its page: a bin without rows keeps the two kinds apart.
    order = [*inside, *([_GAP] if inside and outside else []), *outside]
    tooltip = [alt.Tooltip("bin:N"), alt.Tooltip("window:Q", format=".1%", title=window),
               alt.Tooltip("baseline:Q", format=".1%", title=baseline)]
    axis = alt.Axis(format="%", title="share of rows", tickCount=4)
    base = alt.Chart(data(rows)).encode(
        x=alt.X("bin:N", scale=alt.Scale(domain=order), sort=None,
                axis=alt.Axis(title=found.window.name, labelAngle=-40, labelLimit=110)),
        tooltip=tooltip)
    fill = base.mark_bar(color=colours.accent, opacity=0.75, width={"band": 0.82}).encode(
        y=alt.Y("window:Q", axis=axis))
    outline = base.mark_bar(fillOpacity=0, stroke=colours.ink, strokeWidth=1.3, width={"band": 0.82}).encode(
        y=alt.Y("baseline:Q", axis=axis))
    return layers(fill, outline)
