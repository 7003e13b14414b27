"""One look for every chart: palette, axes, threshold, baseline band, change markers, spans.

Takes rows, returns Altair layers; asks nothing and calculates nothing. Which palette holds (light or dark) is the
caller's argument, so that pages and reports draw alike.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from console.charts.layers import Finished, layers

# Altair would check and copy every part of a chart, rows and all, each time one is put into another; the whole chart
# is checked once, when it is drawn. Its switch is one for the process, so it is set for good.
disable_debug_mode()

SANS: Final = "Source Sans, Source Sans Pro, sans-serif"
MONO: Final = "Source Code, Source Code Pro, monospace"
MAX_POINTS: Final = 3_000
# Ticks as the pages write times: 24 hours, and the day before the month.
TICKS: Final = {"minutes": "%H:%M", "hours": "%H:%M", "day": "%d %b", "date": "%d %b", "week": "%d %b",
                "month": "%b %Y"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of one theme, by what they mean; equal to `console/theme.toml` by a test."""

    paper: str
    panel: str
    ink: str
    faint: str  # secondary text, axis labels; still 4.5 : 1 on paper
    line: str  # borders and grid
    accent: str
    fine: str
    warn: str
    failing: str
    unsure: str
    error: str
    band: str  # the baseline's grey
    categories: tuple[str, ...]  # at most eight, told apart without hue as far as eight can be
    heat: tuple[str, ...]  # effect size, small to large: never red, because a change is no alarm

    def of(self, role: str) -> str:
        """Return the colour of a status role, such as `failing`."""
        return str(getattr(self, role))

    @property
    def pale(self) -> str:
        """The grey of a surface that belongs to nobody: between paper and `unsure`, seen in both themes."""
        channels = [(int(self.paper[i:i + 2], 16) + int(self.unsure[i:i + 2], 16)) // 2 for i in (1, 3, 5)]
        return f"#{''.join(f'{c:02X}' for c in channels)}"


LIGHT: Final = Palette(
    paper="#FCFCFA", panel="#F4F4F0", ink="#1B1E22", faint="#5F666E", line="#E2E2DC", accent="#2B5C8A",
    fine="#24766B", warn="#8F5F00", failing="#BE2A2E", unsure="#646B73", error="#7547BD", band="#E6E6E0",
    categories=("#2B5C8A", "#C77F1B", "#3E8E7E", "#8A6BBE", "#7A8790", "#A65A7A", "#6E8F2E", "#4FA3C7"),
    heat=("#F4F4F0", "#E4EAF0", "#CFDDE9", "#B6CCDF", "#99B8D3", "#7BA2C5", "#5D8BB5", "#4375A3", "#2B5C8A", "#1C4166"),
)
DARK: Final = Palette(
    paper="#111416", panel="#181C1F", ink="#E5E7E8", faint="#9BA2A9", line="#2B3035", accent="#86B6E6",
    fine="#62B9A9", warn="#DDA63F", failing="#F27C74", unsure="#A0A7AE", error="#B99DF2", band="#262B2F",
    categories=("#86B6E6", "#E0A353", "#6CC2B0", "#B79BF0", "#A7B0B8", "#DB8FB0", "#A9C765", "#7FD0EE"),
    heat=("#181C1F", "#1E2A34", "#233749", "#29455E", "#315474", "#3D668C", "#4D7AA5", "#6191BF", "#78A7D6", "#A3CCF2"),
)


def palette(theme: str | None) -> Palette:
    """Return the palette of `light` or `dark`; light where the viewer's theme is not known yet."""
    return DARK if theme == "dark" else LIGHT


def finish(chart: Any, colours: Palette, *, height: int | None = None, width: int | None = None) -> Finished:
    """Return the chart with the house's axes, type and colours; call once, on the outermost chart."""
    return Finished(chart, config=json.loads(_look(colours)), size={"height": height, "width": width})


@cache
def _look(colours: Palette) -> str:
    """Return what all charts of a theme share, as JSON."""
    look = alt.Config(
        background="transparent", font=SANS, padding={"left": 0, "top": 4, "right": 4, "bottom": 0},
        # The words beside the chart are its text; hundreds of marks in it would drown a screen reader.
        mark=alt.MarkConfig(aria=False), view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=colours.faint, titleColor=colours.faint, domainColor=colours.line, tickColor=colours.line,
            gridColor=colours.line, labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelFont=SANS,
            titleFont=SANS, gridOpacity=0.6, labelLimit=180),
        axisX=alt.AxisConfig(grid=False),
        legend=alt.LegendConfig(
            labelColor=colours.faint, titleColor=colours.faint, labelFontSize=12, titleFontSize=12, orient="top",
            titleFontWeight="normal", symbolStrokeWidth=2, padding=0, offset=6),
        header=alt.HeaderConfig(labelColor=colours.ink, titleColor=colours.faint, labelFontSize=12),
        range=alt.RangeConfig(category=list(colours.categories), heatmap=list(colours.heat), ramp=list(colours.heat)),
        title=alt.TitleConfig(color=colours.ink, fontSize=13, anchor="start", fontWeight=600))
    return json.dumps(look.to_dict())


def time_axis(field: str = "at", *, title: str | None = None, spans: bool = False) -> alt.X:
    """Return the time axis: left to right, in the viewer's zone, with no grid; `spans` where a bar has an end too."""
    return alt.X(f"{field}:T", bin="binned" if spans else alt.Undefined,
                 axis=alt.Axis(title=title, labelOverlap=True, tickCount=6, format=TICKS))


def tips(*fields: str) -> list[alt.Tooltip]:
    """Return tooltips of plain fields. Text in their place is looked up in Altair's whole schema, each time."""
    return [alt.Tooltip(field) for field in fields]


def threshold(value: float, label: str, colours: Palette, *, role: str = "failing") -> Any:
    """Return a dashed rule at a limit, with its value written on it."""
    limit = alt.Data(values=[{"limit": value, "label": label}])
    rule = alt.Chart(limit).mark_rule(strokeDash=[5, 4], strokeWidth=1.4, color=colours.of(role)).encode(
        y=alt.Y("limit:Q"))
    return layers(rule, *halo(alt.Chart(limit).encode(y=alt.Y("limit:Q"), x=alt.XValue(0), text=alt.Text("label:N")),
                              colours, role, align="left", dx=4, dy=-3))


def halo(words: alt.Chart, colours: Palette, role: str, **place: Any) -> list[Any]:
    """Return words in a colour over a seam of paper, which keeps them legible whatever they stand on."""
    look: dict[str, Any] = {"baseline": "bottom", "fontSize": 12, **place}
    return [words.mark_text(**look, color=colours.paper, stroke=colours.paper, strokeWidth=6),
            words.mark_text(**look, color=colours.of(role))]


def band(rows: Sequence[Mapping[str, Any]], colours: Palette, *, at: str = "at", low: str = "low",
         high: str = "high") -> Any:
    """Return the baseline as a grey band (same hour of week, P10 to P90)."""
    return alt.Chart(data(rows)).mark_area(color=colours.band, opacity=0.9, interpolate="step-after").encode(
        x=alt.X(f"{at}:T"), y=alt.Y(f"{low}:Q"), y2=alt.Y2(f"{high}:Q"))


def earlier(rows: Sequence[Mapping[str, Any]], colours: Palette, *, unit: str = "") -> Any:
    """Return what was a week before, moved to today's hours, as a thin dotted line. Rows: at, before."""
    return alt.Chart(data(rows)).mark_line(color=colours.ink, strokeWidth=1.3, strokeDash=[1, 3], opacity=0.9).encode(
        x=alt.X("at:T"), y=alt.Y("before:Q"),
        tooltip=[alt.Tooltip("at:T", title="a week before"), alt.Tooltip("before:Q", title=unit or "was")])


def changes(rows: Sequence[Mapping[str, Any]], colours: Palette, *, at: str = "at",
            label: str = "label") -> Any:
    """Return labelled ticks for releases, retrains and schema changes on the same time axis."""
    base = alt.Chart(data(rows)).encode(x=alt.X(f"{at}:T"), tooltip=tips(f"{label}:N", f"{at}:T"))
    rule = base.mark_rule(color=colours.faint, strokeWidth=1, strokeDash=[1, 3])
    words = base.mark_text(align="left", baseline="top", dx=3, color=colours.faint, fontSize=11).encode(
        y=alt.YValue(0), text=alt.Text(f"{label}:N"))
    return layers(rule, words)


def spans(rows: Sequence[Mapping[str, Any]], colours: Palette, *, start: str = "start",
          end: str = "end") -> Any:
    """Return incidents as shaded spans."""
    return alt.Chart(data(rows)).mark_rect(color=colours.failing, opacity=0.08).encode(
        x=alt.X(f"{start}:T"), x2=alt.X2(f"{end}:T"))


class Rows:
    """Rows of a chart, finished: what is copied and walked when charts are put together stops at them."""

    _schema: Final = {"type": "array"}  # by which Altair knows what can tell its own contents

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows, times as ISO text."""
        self._rows = [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the rows as Vega reads them."""
        return self._rows


def data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Return rows as inline data, times as ISO text, refusing more than a chart can show.

    Raises:
        ValueError: more than 3,000 rows; coarsen the buckets before drawing.
    """
    if len(rows) > MAX_POINTS:
        raise ValueError(f"{len(rows)} points: a chart shows at most {MAX_POINTS}, use coarser buckets")
    return alt.Data(values=Rows(rows))
