"""What happened, newest first: one line per event, its own lines below it. Reads on a phone where a table does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.widgets import text
from console.widgets.html import draw, el, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One event: when, what, by whom, in which words, and what belongs to it."""

    at: datetime
    what: str
    by: str = ""
    words: str = ""
    more: tuple[str, ...] = ()


def draw_moments(found: Sequence[Moment], *, now: datetime, label: str) -> None:
    """Draw events newest first; `label` says what they are the history of."""
    rows = [
        el("li", el("time", text.clock(m.at, now=now), title=text.exact(m.at)),
           el("div", el("b", m.what), join(el("span", f" {m.by}", cls="il-faint") if m.by else None),
              join(el("p", m.words, cls="il-wrap") if m.words else None),
              *(el("p", line, cls="il-faint il-wrap") for line in m.more)))
        for m in sorted(found, key=lambda m: m.at, reverse=True)
    ]
    draw(el("ol", *rows, cls="il il-moments", aria_label=label))
