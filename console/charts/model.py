"""Panels of one model above each other on one time axis: the same ends, the same margins, the same markers in each.

Takes rows, returns Altair charts. They are separate charts because only those stretch across a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt

from console.charts.layers import layers
from console.charts.theme import TICKS, Palette, data, threshold, tips

Rows = Sequence[Mapping[str, Any]]
HEIGHT: Final = 108
_MARGIN: Final = 46  # pixels left of every panel, whatever its numbers are
_APART: Final = 40  # markers nearer than this part of the axis are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all panels share: the ends of the axis, the markers of changes, the spans of incidents, the colours."""

    start: datetime
    end: datetime
    marks: Rows
    spans: Rows
    colours: Palette


def marks_of(changes: Sequence[tuple[datetime, str]], start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return markers of changes, oldest first; those too near to one another to be told apart are one with all words.

    Over 40 days two changes within a day of each other share a marker.
    """
    near: timedelta = (end - start) / _APART
    found: list[dict[str, Any]] = []
    for at, words in sorted(changes):
        if found and at - found[-1]["at"] <= near:
            found[-1]["what"] = f"{found[-1]['what']}; {words}"[:400]
        else:
            found.append({"at": at, "what": words})
    return found


def volume(rows: Rows, frame: Frame) -> Any:
    """Return predictions as bars, failed ones in red, the usual number as a line. Rows: at, rows, failed, expected."""
    c, base = frame.colours, alt.Chart(data(rows)).encode(x=_axis(frame))
    tip = [_when(), alt.Tooltip("rows:Q", format=","), alt.Tooltip("expected:Q", format=",.0f"),
           alt.Tooltip("failed:Q", format=",")]
    return _panel(frame, base.mark_bar(color=c.accent, opacity=0.75).encode(y=_y("rows:Q"), tooltip=tip),
                  base.mark_bar(color=c.failing).encode(y=_y("failed:Q"), tooltip=tip),
                  base.mark_line(color=c.faint, strokeDash=[4, 3], interpolate="step-after").encode(y=_y("expected:Q")))


def latency(rows: Rows, usual_ms: float | None, frame: Frame) -> Any:
    """Return p95 as a line, the usual one dashed. Rows: at, ms."""
    parts = [_line(rows, "ms", frame, tip=[alt.Tooltip("ms:Q", format=".3g", title="p95, ms")])]
    if usual_ms:
        parts.append(threshold(usual_ms, "usual", frame.colours, role="unsure"))
    return _panel(frame, *parts)


def moved(rows: Rows, frame: Frame) -> Any:
    """Return how far the column went that moved most, with the alarm at 1. Rows: at, value, column, moved."""
    tip = [alt.Tooltip("column:N", title="moved most"), alt.Tooltip("value:Q", title="times its alarm", format=".3g"),
           alt.Tooltip("moved:Q", title="columns that moved")]
    return _panel(frame, _line(rows, "value", frame, tip=tip), threshold(1.0, "alarm", frame.colours))


def faults(rows: Rows, frame: Frame) -> Any:
    """Return the largest share of faulty values of any column. Rows: at, value, column."""
    tip = [alt.Tooltip("column:N", title="worst"), alt.Tooltip("value:Q", title="share", format=".1%")]
    return _panel(frame, _line(rows, "value", frame, tip=tip, form="%"))


def quality(rows: Rows, against: float | None, words: str, frame: Frame) -> Any:
    """Return realised quality with its interval and the estimate. Rows: at, kind, value, low, high."""
    c, kinds = frame.colours, ["realised", "estimated", "immature"]
    base, scale = alt.Chart(data(rows)).encode(x=_axis(frame)), alt.Scale(zero=False)
    bars = base.transform_filter("datum.low != null").mark_rule(color=c.faint, opacity=0.6).encode(
        y=_y("low:Q", scale=scale), y2=alt.Y2("high:Q"))
    lines = base.mark_line(point=alt.OverlayMarkDef(size=18), strokeWidth=1.5).encode(
        y=_y("value:Q", scale=scale),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(
            domain=kinds, range=[c.accent, c.categories[1], c.unsure])),
        strokeDash=alt.StrokeDash("kind:N", legend=None, scale=alt.Scale(
            domain=kinds, range=[[1, 0], [5, 3], [2, 3]])),
        tooltip=[_when(), alt.Tooltip("kind:N"), alt.Tooltip("value:Q", format=".4g"),
                 alt.Tooltip("low:Q", format=".4g"), alt.Tooltip("high:Q", format=".4g")])
    parts = [bars, lines]
    if against is not None:
        parts.append(threshold(against, words, c, role="unsure"))
    return _panel(frame, *parts)


def labels(rows: Rows, enough: float, frame: Frame) -> Any:
    """Return the share of labels that are there, by day of the answer. Rows: at, value."""
    tip = [alt.Tooltip("value:Q", title="labels here", format=".1%")]
    return _panel(frame, _line(rows, "value", frame, tip=tip, form="%"),
                  threshold(enough, "judged from", frame.colours, role="unsure"))


def _line(rows: Rows, field: str, frame: Frame, *, tip: Sequence[Any], form: str = "") -> Any:
    # A point on each row: one hour between two gaps would be no line at all.
    return alt.Chart(data(rows)).mark_line(
        color=frame.colours.accent, strokeWidth=1.6, point=alt.OverlayMarkDef(size=14, color=frame.colours.accent),
    ).encode(x=_axis(frame), y=_y(f"{field}:Q", form=form), tooltip=[_when(), *tip])


def _panel(frame: Frame, *parts: Any) -> Any:
    behind: list[Any] = []
    if frame.spans:
        behind.append(alt.Chart(data(frame.spans)).mark_rect(color=frame.colours.failing, opacity=0.08).encode(
            x=_axis(frame, "start"), x2=alt.X2("end:T"), tooltip=tips("title:N")))
    if frame.marks:
        behind.append(alt.Chart(data(frame.marks)).mark_rule(
            color=frame.colours.ink, strokeWidth=1.2, strokeDash=[2, 3], opacity=0.7).encode(
                x=_axis(frame), tooltip=[_when(), alt.Tooltip("what:N", title="changed")]))
    return layers(*behind, *parts)


def _axis(frame: Frame, field: str = "at") -> alt.X:
    ends = [int(moment.timestamp() * 1000) for moment in (frame.start, frame.end)]
    return alt.X(f"{field}:T", scale=alt.Scale(domain=ends, clamp=True),
                 axis=alt.Axis(title=None, labelOverlap=True, tickCount=6, format=TICKS))


def _y(field: str, *, form: str = "", scale: Any = alt.Undefined) -> alt.Y:
    return alt.Y(field, scale=scale, axis=alt.Axis(
        title=None, tickCount=3, minExtent=_MARGIN, maxExtent=_MARGIN, format=form or alt.Undefined))


def _when() -> alt.Tooltip:
    return alt.Tooltip("at:T", format="%a %d %b %H:%M")
