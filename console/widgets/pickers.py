"""The filters of a page: model, environment, time range, and any other closed choice; all of them in the URL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console import session, state
from console.widgets import cards, text
from services.core.window import WEEK, TimeWindow, floor_to, parse_span

SPANS: Final = {
    "1h": "last hour", "6h": "last 6 hours", "24h": "last 24 hours", "3d": "last 3 days", "7d": "last 7 days",
    "30d": "last 30 days", "90d": "last 90 days", "365d": "last year",
}
# Window ends move in such steps, so that cached answers are found again within one.
_STEP: Final = timedelta(seconds=15)
_DAYS: Final = "pick:days"


def bar(name: str = "page") -> DeltaGenerator:
    """Return the container in which a page's pickers stand side by side, two abreast on a phone."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"il-bar-{name}")


def choice(
    name: str, options: Sequence[str], *, label: str = "", default: str = "",
    format_func: Callable[[str], str] | None = None, width: int = 190,
) -> str:
    """Draw a choice of one option and return it; its place in the URL is `name`."""
    if not options:
        return ""
    current = state.get(name, default or options[0], allowed=options)
    key = f"pick:{name}"
    if st.session_state.get(key) != current:
        st.session_state[key] = current

    def chosen() -> None:
        state.put(name, str(st.session_state[key]))

    st.selectbox(label or name.capitalize(), options, key=key, on_change=chosen, width=width,
                 format_func=format_func or str)
    return current


def model(*, default: str = "") -> str:
    """Draw the choice of a declared model; ends the page with what to do when none is declared."""
    names = list(session.settings().models)
    if not names:
        cards.empty(cards.Nothing.NONE, "No model is declared in interlock.toml",
                    "run interlock init, or interlock demo for a home with two models")
        session.leave()
    return choice("model", names, default=default)


def environment(*, default: str = "production") -> str:
    """Draw the choice of an environment."""
    names = list(session.settings().environments)
    return choice("environment", names, default=default if default in names else names[0])


def window(now: datetime, *, default: str = "24h", spans: Sequence[str] = tuple(SPANS)) -> TimeWindow:
    """Draw the choice of the page's one time range and return it.

    `window=24h` in the URL moves with the clock; `from` and `to` (ISO, UTC) freeze it, as a copied link does.
    """
    if frozen := _frozen():
        text.note(f"{text.clock(frozen.start, now=now)} to {text.clock(frozen.end, now=now)}")
        st.button("Back to live", key="unfreeze", on_click=state.drop, args=("from", "to"), type="tertiary")
        return frozen
    chosen = choice("window", list(spans), label="Time range", default=default,
                    format_func=lambda span: SPANS.get(span, span))
    _dates(now)
    return TimeWindow.last(parse_span(chosen), now=floor_to(now, _STEP))


def compared() -> timedelta | None:
    """Draw the switch that lays the same hours of the week before over a chart; return how far back, or None."""
    wanted = state.get("compare", allowed=["week"]) == "week"
    key = "pick:compare"
    if st.session_state.get(key) != wanted:
        st.session_state[key] = wanted

    def chosen() -> None:
        if st.session_state[key]:
            state.put("compare", "week")
        else:
            state.drop("compare")

    st.toggle("Week before", key=key, on_change=chosen, help="Show the same hours of the week before beside these")
    return WEEK if wanted else None


def _dates(now: datetime) -> None:
    """Draw the choice of whole days in the viewer's zone; what is chosen stands in the URL as a frozen range."""
    zone = text.zone()
    today = now.astimezone(zone).date()
    with st.popover("Dates", icon=":material/date_range:"):
        days = st.date_input(f"First and last day, {text.escape(now.astimezone(zone).tzname())}", value=[],
                             max_value=today, key=_DAYS)
        st.button("Show these days", key="dates:show", disabled=len(days) != 2, on_click=_freeze, args=(now,))


def _freeze(now: datetime) -> None:
    """Write the days that were chosen to the URL, for a callback; a day that is not over ends now."""
    days = st.session_state.get(_DAYS, ())
    if len(days) != 2:
        return
    first, last = (datetime.combine(day, time.min, tzinfo=text.zone()) for day in sorted(days))
    ends = min(datetime.combine(last.date() + timedelta(days=1), time.min, tzinfo=text.zone()), now)
    for name, moment in (("from", first), ("to", ends)):
        state.put(name, moment.astimezone(UTC).isoformat(timespec="seconds"))


def _frozen() -> TimeWindow | None:
    try:
        start, end = (_moment(st.query_params.get(name, "")) for name in ("from", "to"))
        return TimeWindow(start, end)
    except ValueError:
        return None


def _moment(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
