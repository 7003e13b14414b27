"""Measure denied commands: one wrong click is nobody's alarm, a person who goes on asking is."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.refusal import Refusal
from services.core.window import HOUR, TimeWindow

NAME: Final = "denied_commands"
LIMIT: Final = 5
# Counts are kept by the hour; an hour that began up to an hour ago still tells of the last hour.
_LOOK_BACK: Final = HOUR


class Refusals(Protocol):
    """Where denied commands are counted."""

    def since(self, moment: datetime) -> Sequence[Refusal]:
        """Return what was denied since."""
        ...


def judge(found: Sequence[Refusal], *, now: datetime, span: timedelta = _LOOK_BACK) -> Measurement:
    """Return the measurement `denied_commands`: the most that one person was refused, in commands.

    A clock hour whose last refusal lies within `span` is counted whole; the reason says since when it counts.
    """
    per_person: Counter[str] = Counter()
    for each in found:
        per_person[each.actor] += each.count
    worst = max(per_person.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    verdict = Verdict.FAIL if worst[1] > LIMIT else Verdict.PASS
    return Measurement(
        name=NAME, pipeline=Pipeline.MONITOR, subject="access", window=TimeWindow(now - span, now), at=now,
        verdict=verdict, reason=_said(found, worst), value=float(worst[1]), unit="commands",
        n=sum(per_person.values()), detail={"limit": LIMIT, "actor": worst[0]})


def _said(found: Sequence[Refusal], worst: tuple[str, int]) -> str:
    person, count = worst
    if not count:
        return "nobody was denied a command in the last hour"
    by_action = Counter[str]()
    for each in found:
        by_action[each.action] += each.count if each.actor == person else 0
    asked = ", ".join(f"{action} {n}" for action, n in by_action.most_common() if n)
    others = len({r.actor for r in found}) - 1
    more = f"; {others} other{'s' if others > 1 else ''} too" if others else ""
    since = min(r.first_at for r in found if r.actor == person)
    times = f"{count} command{'s' if count > 1 else ''}"
    return f"{person} was denied {times} since {since:%H:%M} UTC ({asked}), limit {LIMIT} an hour{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenialsStep:
    """The part of a pass that looks at who was refused."""

    refusals: Refusals
    save: Callable[[Iterable[Measurement]], None]
    name: str = "denials"

    def run(self, *, now: datetime) -> str:
        """Judge the last hour and store how it stands."""
        found = judge(self.refusals.since(now - _LOOK_BACK), now=now)
        self.save([found])
        return found.reason
