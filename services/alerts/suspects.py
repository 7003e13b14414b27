"""Order what was changed around an incident by how likely it is the cause: what came shortly before comes first.

A suspect is a coincidence in time, said as such; nothing here claims a cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.alerts.ports import Change
from services.core.window import span_text

LOOK_BACK: Final = timedelta(hours=24)
# Measurements look back over a window, so a change may be seen a little before it is written down.
_SLACK: Final = timedelta(minutes=5)
# Kinds of which a busy day has many.
_MANY: Final = frozenset({"registered", "run"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A change, how long before the incident it happened, and the sentence for it."""

    change: Change
    before: timedelta
    text: str


def suspects(began: datetime, changes: Sequence[Change]) -> list[Suspect]:
    """Return the changes of the day before `began`, nearest first."""
    near = sorted((c for c in changes if -_SLACK <= began - c.at <= LOOK_BACK),
                  key=lambda c: (abs(began - c.at), c.text))
    found: list[Suspect] = []
    more: dict[str, int] = {}
    for c in near:
        # Six versions registered by one job are one suspect: the nearest speaks for its kind.
        if c.kind in _MANY and c.kind in more:
            more[c.kind] += 1
            continue
        more[c.kind] = 0
        found.append(Suspect(change=c, before=began - c.at, text=_said(began - c.at, c)))
    return [replace(s, text=f"{s.text}, and {more[s.change.kind]} more like it in the day before")
            if more[s.change.kind] else s for s in found]


def _said(before: timedelta, change: Change) -> str:
    when = f"began {span_text(before)} after" if before >= timedelta(0) else "began just before"
    return f"{when} {change.text}"
