"""What people did to a model, for the markers on every time axis."""

from collections.abc import Sequence
from dataclasses import replace

from console import session
from services.alerts.ports import Change
from services.core.window import HOUR, TimeWindow

_SHOWN = ("decision", "traffic", "registered")  # nightly runs would drown what people did


def changed(model: str, environment: str, window: TimeWindow) -> list[Change]:
    """Return what people did to a model in an environment, oldest first: decisions, traffic moved, new versions."""
    return folded([c for c in session.services().changes.changes(model, window)
                   if c.kind in _SHOWN and _here(c, environment)])


def folded(found: Sequence[Change]) -> list[Change]:
    """Return changes with registrations within an hour of one another told as one, oldest first."""
    kept: list[Change] = []
    together: list[Change] = []
    for change in [*found, None]:
        if change is not None and change.kind == "registered" and (
            not together or change.at - together[-1].at <= HOUR
        ):
            together.append(change)
            continue
        if together:
            last = together[-1]
            kept.append(last if len(together) == 1 else replace(
                last, text=f"{len(together)} versions were registered, the last: {last.text}"))
        together = [change] if change is not None and change.kind == "registered" else []
        if change is not None and not together:
            kept.append(change)
    return kept


def _here(change: Change, environment: str) -> bool:
    """Tell whether a change of traffic happened in this environment; other changes name none."""
    return change.kind != "traffic" or change.text.endswith(f" of {environment}")
