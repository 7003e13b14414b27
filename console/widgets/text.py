"""Words, numbers and times as the console writes them; and the one escaping function for Markdown."""

import re
import string
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.widgets.html import Html, draw, el
from services.core.window import span_text

STALE_AFTER: Final = timedelta(minutes=5)
_ESCAPES: Final = {ord(c): f"\\{c}" for c in string.punctuation}
# What the browser's Markdown takes for an address: a scheme, www, or what stands before an @.
_ADDRESS: Final = re.compile(r"(https?:(?=//)|www(?=\.)|[-.\w+](?=@))", re.IGNORECASE)
_JOINER: Final = "\u2060"
# Set anew by every run of the page, in the thread that runs it.
_PLACE: ContextVar[DeltaGenerator | None] = ContextVar("header", default=None)
_TITLED: ContextVar[bool] = ContextVar("titled", default=False)
_MISSING: Final = "\N{EN DASH}"


def escape(value: object) -> str:
    """Return text that a Markdown sink shows exactly as it is: all punctuation escaped, non-printables dropped.

    Addresses would become links all the same, because those are found after the escapes are read: a word joiner, which
    nobody sees, keeps them apart.
    """
    plain = "".join(c for c in str(value) if c.isprintable())
    return _ADDRESS.sub(f"\\1{_JOINER}", plain).translate(_ESCAPES)


def reserve_header() -> None:
    """Keep the place of the page's first line: how old the data is, a page knows only after its pickers."""
    _PLACE.set(st.container())
    _TITLED.set(False)


def header(title: str, *, as_of: datetime | None, now: datetime, stale_after: timedelta = STALE_AFTER) -> None:
    """Draw the first line of a page, above everything drawn so far: its title and how old its data is."""
    line = el("div", el("h1", title), as_of_text(as_of, now=now, stale_after=stale_after), cls="il il-head")
    with _PLACE.get() or st.container():
        draw(line)
    _TITLED.set(True)


def title(name: str) -> None:
    """Draw a page's name alone, where the page broke off before its first line: one must see which page it is."""
    if not _TITLED.get():
        with _PLACE.get() or st.container():
            draw(el("div", el("h1", name), cls="il il-head"))


def as_of_text(as_of: datetime | None, *, now: datetime, stale_after: timedelta = STALE_AFTER) -> Html:
    """Return the as-of line; never measured and stale are said in words as well as in colour."""
    if as_of is None:
        return el("span", "▲ never measured", cls="il-asof il-stale")
    age = now - as_of
    stale = age > stale_after
    words = f"{'▲ stale: ' if stale else ''}data as of {clock(as_of, now=now)}, {span_text(age)} ago"
    return el("span", words, cls="il-asof il-stale" if stale else "il-asof", title=exact(as_of))


def section(label: str) -> None:
    """Draw a small caps label above a group."""
    draw(el("h2", label, cls="il-section"))


def sentence(words: str) -> None:
    """Draw one plain sentence, written by the program from the numbers; it stands before the chart it explains."""
    draw(el("p", words, cls="il il-sentence"))


def note(words: str) -> None:
    """Draw secondary text: a condition, a source, a limitation."""
    draw(el("p", words, cls="il il-faint il-wrap"))


def number(value: float | None, unit: str = "", *, digits: int = 3) -> str:
    """Return a number with its unit at a sensible precision; a share in [0, 1] with unit `%` is written in percent."""
    if value is None:
        return _MISSING
    if unit == "%":
        share = 100 * value
        return f"{share:.2f}%" if 0 < abs(share) < 1 else f"{share:.{1 if abs(share) < 10 else 0}f}%"
    if unit == "s" and value >= 60:
        return span_text(timedelta(seconds=value))
    text = f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.{digits}g}"
    return f"{text} {unit}".strip() if not unit.startswith("/") else f"{text}{unit}"


def zone() -> tzinfo:
    """Return the viewer's zone, as the browser tells it; UTC where it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def clock(moment: datetime, *, now: datetime) -> str:
    """Return a time in the viewer's zone with the zone's name: the hour alone today, else with the date."""
    local = moment.astimezone(zone())
    form = "%H:%M %Z" if local.date() == now.astimezone(zone()).date() else "%a %d %b %Y %H:%M %Z"
    return local.strftime(form)


def when(moment: datetime | None, *, now: datetime) -> str:
    """Return a time and how long ago it was, or how far ahead it is."""
    if moment is None:
        return _MISSING
    age = now - moment
    return f"{clock(moment, now=now)}, {span_text(age)} ago" if age >= timedelta(0) else (
        f"{clock(moment, now=now)}, in {span_text(-age)}")


def exact(moment: datetime) -> str:
    """Return the time to the second in UTC, for a tooltip."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
