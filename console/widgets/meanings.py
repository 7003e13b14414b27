"""What the numbers on a page are: each measurement's meaning, formula, source and runbook, folded until asked for."""

from collections.abc import Iterable, Mapping
from typing import Final

from console.widgets.html import draw, el, join
from services.alerts.defaults import SHIPPED
from services.core.meanings import MEANINGS, Meaning
from services.core.measurement import Verdict

RUNBOOKS: Final = {rule.measurement: rule.runbook for rule in SHIPPED}
_LOUD: Final = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)


def explain(names: Iterable[str], *, also: Mapping[str, Meaning] | None = None) -> None:
    """Draw what measurements are, in the order given, each once, and then `also`; nothing where none is known."""
    known = {name: MEANINGS[name] for name in names if name in MEANINGS} | dict(also or {})
    if known:
        draw(el("details", el("summary", "What these numbers are"),
                el("dl", *(_row(name, told) for name, told in known.items())), cls="il il-meanings"))


def runbook_of(name: str, verdict: Verdict | str | None) -> str:
    """Return the runbook of a measurement that is not well, or nothing."""
    return RUNBOOKS.get(name, "") if verdict in _LOUD else ""


def _row(name: str, told: Meaning) -> str:
    book = RUNBOOKS.get(name)
    more = el("p", "When it fails: ", el("a", "runbook", href=f"/runbooks?runbook={book}")) if book else None
    return el("div", el("dt", name.replace("_", " ")), el(
        "dd", el("p", f"{told.what[0].upper()}{told.what[1:]}."), el("p", f"Formula: {told.formula}.", cls="il-faint"),
        el("p", f"Source: {told.source}.", cls="il-faint"), join(more)))
