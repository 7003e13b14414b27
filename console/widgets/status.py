"""The one mapping from a state to its icon, word and colour. No page invents a word or a colour of its own."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.widgets import links, meanings, text
from console.widgets.html import Html, draw, el, join
from services.core.measurement import SEVERITY, Verdict
from services.core.window import span_text

SILENCED: Final = "silenced"
OPEN_LINES: Final = 15  # lines that stand open, worst first; more are folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How one state looks. `role` names its colour in console/charts/theme.py; shape and word suffice without it."""

    icon: str
    word: str
    role: str
    colour: str  # Streamlit's name for it, in Markdown and badges


MARKS: Final[Mapping[str, Mark]] = {
    Verdict.PASS: Mark(icon="●", word="fine", role="fine", colour="green"),
    Verdict.WARN: Mark(icon="▲", word="warn", role="warn", colour="orange"),
    Verdict.FAIL: Mark(icon="■", word="failing", role="failing", colour="red"),
    Verdict.INCONCLUSIVE: Mark(icon="◌", word="unsure", role="unsure", colour="gray"),
    Verdict.ERROR: Mark(icon="✕", word="monitor error", role="error", colour="violet"),
    SILENCED: Mark(icon="⏸", word="silenced", role="silenced", colour="gray"),
}


def mark(state: Verdict | str) -> Mark:
    """Return how a verdict, or `silenced`, looks.

    Raises:
        KeyError: there is no such state; the vocabulary is closed.
    """
    return MARKS[str(state)]


def label(state: Verdict | str) -> str:
    """Return icon and word as plain text, such as `■ failing`."""
    found = mark(state)
    return f"{found.icon} {found.word}"


def markdown(state: Verdict | str, count: int | None = None) -> str:
    """Return icon and word in the state's colour, for a Markdown sink; with a count, how many there are."""
    found = mark(state)
    return f":{found.colour}[{label(state) if count is None else f'{found.icon} {count:,d} {found.word}'}]"


def span(state: Verdict | str, words: str = "") -> Html:
    """Return the mark as an element, with other words where the state's own would not do (a count, a value)."""
    found = mark(state)
    return el("span", el("i", found.icon, aria_hidden="true"), words or found.word, cls=f"il-status il-{found.role}")


def show(state: Verdict | str, words: str) -> None:
    """Draw one state with a sentence beside it."""
    draw(el("p", span(state), " ", el("span", words, cls="il-wrap"), cls="il il-sentence"))


def counts(states: Iterable[Verdict | str]) -> None:
    """Draw how many of each state there are, worst first; fine is drawn last and never hides another."""
    found = Counter(str(s) for s in states)
    order = [str(v) for v in SEVERITY if v is not Verdict.PASS] + [SILENCED, str(Verdict.PASS)]
    parts = [span(s, f"{found[s]} {mark(s).word}") for s in order if found[s]]
    draw(el("div", *(parts or [el("span", "nothing was measured yet", cls="il-faint")]), cls="il il-counts",
            role="status", aria_label="Counts by state"))


def lines(name: str) -> DeltaGenerator:
    """Return the container in which `line`s stand close together, one rule between each two."""
    return st.container(gap=None, key=f"il-lines-{name}")


def rest(more: int) -> DeltaGenerator:
    """Return the fold for the lines below the worst ones: fifty that stand open are no list of what to do."""
    return st.expander(f"{more:,d} more")


def line(
    state: Verdict | str | None, subject: str, reason: str, *, now: datetime, since: datetime | None = None,
    kind: str = "", hint: str = "", to: str = "", params: Mapping[str, Any] | None = None, open_label: str = "Open",
    act: Callable[[], None] | None = None, measure: str = "",
) -> None:
    """Draw one thing on one line: state, what, which pipeline, why, since when, a link to its page, and an act.

    `hint` stands below the reason: what came before, who is on it. No state: it waits for people, which is neither fine
    nor wrong. `measure` names the measurement behind the line: what is not well then leads to its runbook.
    """
    book = meanings.runbook_of(measure, state)
    way = el("a", "runbook", href=f"/runbooks?runbook={book}", cls="il-way") if book else None
    age = el("span", span_text(now - since), cls="il-since", title=f"since {text.exact(since)}") if since else None
    row = el(
        "div", span(state) if state else el("span", "waiting", cls="il-faint"), el("span", subject, cls="il-subject"),
        el("span", kind, cls="il-faint il-pipeline"),
        el("span", reason, join(el("span", hint, cls="il-hint") if hint else None),
           join(" ", way) if way else None, cls="il-reason"), join(age),
        cls="il il-line",
    )
    if not to:
        draw(row)
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        draw(row)
        links.to(to, open_label, **(params or {}))
        if act:
            act()
