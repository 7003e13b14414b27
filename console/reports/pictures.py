"""Turn the console's own charts into pictures for files: the same chart code as on the pages, without a browser."""

from collections.abc import Mapping
from typing import Any, Final

from console.charts import quota as charts
from console.charts.theme import LIGHT, SANS, finish
from services.quota.report import chart_of
from services.quota.screen import teams

WIDTH: Final = 680
HEIGHT: Final = 300  # of the whole picture, axis and legend included
_PLOT: Final = 230
_TEAMS_WIDTH: Final = 590  # and the names of teams beside it
_BAR: Final = 24
_FACE: Final = "Arial, Liberation Sans, Arimo, Helvetica, sans-serif"
_AXIS: Final = 42


def usage_svg(pool: Mapping[str, Any]) -> str:
    """Return a pool's month as SVG; empty where the month has no sample."""
    return _svg(_usage(pool))


def usage_png(pool: Mapping[str, Any], *, scale: float = 2.0) -> bytes:
    """Return a pool's month as PNG; empty where the month has no sample."""
    return _png(_usage(pool), scale)


def teams_svg(pool: Mapping[str, Any]) -> str:
    """Return a pool's unit-hours by team as SVG; empty where the month has no sample."""
    return _svg(_teams(pool))


def teams_png(pool: Mapping[str, Any], *, scale: float = 2.0) -> bytes:
    """Return a pool's unit-hours by team as PNG; empty where the month has no sample."""
    return _png(_teams(pool), scale)


def teams_height(pool: Mapping[str, Any]) -> int:
    """Return how high the picture of the teams is, beside its own width of `WIDTH`."""
    return _AXIS + _BAR * len(teams(pool))


def _usage(pool: Mapping[str, Any]) -> str:
    found = chart_of(pool)
    if not found.lines:
        return ""
    return finish(charts.usage(found, LIGHT, legend_columns=4), LIGHT, height=_PLOT, width=WIDTH).to_json()


def _teams(pool: Mapping[str, Any]) -> str:
    rows = teams(pool)
    if not rows or not pool["chart"]["lines"]:
        return ""
    chart = charts.totals(rows, LIGHT, unit=pool["unit_hours"], by="team")
    return finish(chart, LIGHT, height=_BAR * len(rows), width=_TEAMS_WIDTH).to_json()


def _svg(spec: str) -> str:
    import vl_convert

    # The text was measured in a face with Arial's widths: in a wider one names would run into each other.
    return str(vl_convert.vegalite_to_svg(spec)).replace(f'"{SANS}"', f'"{_FACE}"') if spec else ""


def _png(spec: str, scale: float) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(spec, scale=scale)) if spec else b""
