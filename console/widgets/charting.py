"""Put a chart on the page: the house's look in the viewer's theme, with words for those who cannot see it."""

from typing import Any

import streamlit as st

from console.charts.theme import Palette, finish
from console.charts.theme import palette as of_theme

CHECKED = False


def palette() -> Palette:
    """Return the palette of the viewer's theme, for the chart functions of console/charts."""
    return of_theme(st.context.theme.type)


def draw(chart: Any, *, alt: str, height: int = 220, key: str | None = None) -> None:
    """Draw a chart across the page. `alt` is the sentence a screen reader says: usually the one above the chart."""
    # Checked against Vega-Lite's schema in the tests; on each drawing it would cost more than the whole page.
    spec = finish(chart, palette(), height=height).to_dict(validate=CHECKED)
    st.vega_lite_chart(None, spec, theme=None, width="stretch", alt=alt, key=key)
