"""The forms a part of a page takes: facts, empty, failed, at work, a notice. Nothing here is styled twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from console.widgets import status
from console.widgets.html import draw, el, join
from services.core.measurement import Verdict
from services.core.window import span_text
from services.errors import OpsError, Refused


class Nothing(StrEnum):
    """Why there is nothing to show: five different facts, never one grey box."""

    NONE = "nothing exists"
    FILTERED = "filtered away"
    DENIED = "no permission"
    NEVER = "never collected"
    STALE = "too old to stand for now"


_EDGES: Final = {Nothing.NEVER: "warn", Nothing.STALE: "warn", Nothing.DENIED: "unsure", Nothing.FILTERED: "accent",
                 Nothing.NONE: "unsure"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One key number: its name, its value with unit, against what, its state, and what it is (formula, source)."""

    label: str
    value: str
    note: str = ""
    state: Verdict | str | None = None
    what: str = ""


def facts(found: Sequence[Fact]) -> None:
    """Draw key numbers side by side, two abreast on a phone; each says what it is when asked."""
    draw(el("dl", *(_fact(f) for f in found), cls="il il-facts"))


def empty(why: Nothing, what: str, next_step: str) -> None:
    """Draw that there is nothing to show, why, and what to do next."""
    draw(el("div", el("p", el("strong", what), el("span", f" · {why}", cls="il-faint")),
            el("p", next_step, cls="il-next"), cls=f"il il-card il-edge-{_EDGES[why]}", role="note"))


def failed(what: str, error: OpsError | str) -> None:
    """Draw that one part could not be read; a refusal is a warning, a broken source a monitor error."""
    refused = isinstance(error, Refused)
    state = Verdict.WARN if refused else Verdict.ERROR
    draw(el("div", el("p", status.span(state, what)), el("p", str(error), cls="il-wrap"),
            cls=f"il il-card il-edge-{status.mark(state).role}", role="alert"))


def notice(words: str, *, state: Verdict | str | None = None, detail: str = "") -> None:
    """Draw one thing the reader should know; calm unless it carries a state."""
    edge = status.mark(state).role if state else "accent"
    lead = join(status.span(state), " ") if state else None
    more = el("p", detail, cls="il-next il-wrap") if detail else None
    draw(el("div", el("p", join(lead), words, cls="il-wrap"), join(more), cls=f"il il-card il-edge-{edge}",
            role="status"))


def working(what: str, *, doing: str, progress: float, asked: datetime, now: datetime) -> None:
    """Draw that long work is under way: at what it is, how far, since when, and that nobody has to wait for it here."""
    draw(el("div", el("p", f"{what}: {doing}, {progress:.0%} done, asked for {span_text(now - asked)} ago"),
            el("p", "It goes on when this page is closed.", cls="il-next"), cls="il il-card il-edge-accent",
            role="status"))


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Draw a card in place of a part whose source failed, and let the rest of the page be drawn."""
    try:
        yield
    except OpsError as error:
        failed(f"{what} cannot be shown", error)


def _fact(fact: Fact) -> str:
    state = el("div", status.span(fact.state)) if fact.state is not None else None
    note = el("div", fact.note, cls="il-note il-wrap") if fact.note else None
    what = el("details", el("summary", "what is this"), el("p", fact.what)) if fact.what else None
    return el("div", el("dt", fact.label), el("dd", el("div", fact.value, cls="il-value"), join(state), join(note),
                                              join(what)), cls="il-fact")
