"""Replay a rule over stored measurements: when would it have fired, and on what?

The same `stand` that the monitor uses, driven over the past; nothing is simulated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from services.alerts.evaluate import Phase, Standing, question, stand
from services.alerts.rule import Rule
from services.core.measurement import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One span in which the rule would have fired; `ended` is None when it still would."""

    began: datetime
    ended: datetime | None
    subject: str
    column: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What the rule would have done, over how many measurements."""

    looks: int
    firings: tuple[Firing, ...]


def backtest(rule: Rule, history: Iterable[Measurement]) -> Backtest:
    """Return when `rule` would have fired over measurements, given oldest first."""
    standings: dict[str, Standing] = {}
    open_: dict[str, Firing] = {}
    done: list[Firing] = []
    looks = 0
    for m in history:
        if not rule.covers(m):
            continue
        looks += 1
        key = question(m)
        at = m.window.end
        now = standings[key] = stand(standings.get(key), rule, m, now=at)
        if now.phase is Phase.FIRING and key not in open_:
            open_[key] = Firing(began=at, ended=None, subject=m.subject, column=m.column, reason=now.reason)
        elif now.phase is not Phase.FIRING and key in open_:
            done.append(replace(open_.pop(key), ended=at))
    return Backtest(looks=looks, firings=tuple(sorted([*done, *open_.values()], key=lambda f: (f.began, f.column))))
