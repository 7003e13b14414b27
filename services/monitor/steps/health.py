"""Measure the monitor itself: a step that fails or falls behind is a measurement like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow, span_text
from services.monitor.pulse import patience


class StepState(Protocol):
    """What is kept of a source or step: its name, when it last worked, and what it said."""

    @property
    def name(self) -> str:
        """The source's name."""
        ...

    @property
    def as_of(self) -> datetime | None:
        """When it last worked."""
        ...

    @property
    def ok(self) -> bool:
        """Whether it worked the last time it was tried."""
        ...

    @property
    def message(self) -> str:
        """What it said last."""
        ...


class States(Protocol):
    """Where the states are kept."""

    def all(self) -> Sequence[StepState]:
        """Return every source and step."""
        ...


class Keeper(Protocol):
    """Where measurements are kept."""

    def save(self, found: Sequence[Measurement]) -> None:
        """Store measurements."""
        ...


# What judges and what alerts come after the judging. That they were not run for long means that the whole monitor
# was not, which is over when this is written; a monitor that stops is told by the dead-man signal and on every page.
LAST: Final = frozenset({"health", "alerts"})


def judge_step(state: StepState, *, interval: timedelta, now: datetime) -> Measurement:
    """Return the measurement `monitor_step` of one step: failing when it fails, or when nobody has run it."""
    step = state.name.partition(":")[2]
    age = now - state.as_of if state.as_of else None
    if not state.ok:
        since = f"; last good {span_text(age)} ago" if age is not None else "; it never worked"
        verdict, reason, why = Verdict.FAIL, f"{step} fails: {state.message}{since}", Why.MONITOR_ERROR
    elif age is not None and age > patience(interval) and step not in LAST:
        verdict, why = Verdict.FAIL, Why.LATE
        reason = f"{step} was last done {span_text(age)} ago, expected every {span_text(interval)}"
    else:
        verdict, reason, why = Verdict.PASS, state.message, Why.NONE
    return Measurement(
        name="monitor_step", pipeline=Pipeline.MONITOR, subject=step, window=TimeWindow(now - interval, now), at=now,
        verdict=verdict, reason=reason, why=why, value=age.total_seconds() if age else None, unit="s",
    )


@dataclass(kw_only=True)
class HealthStep:
    """A step near the end of a pass that judges the steps before it."""

    states: States
    keeper: Keeper
    interval: timedelta
    name: str = "health"

    def run(self, *, now: datetime) -> str:
        """Judge every step but the two that come after the judging, whose last turn was a pass ago."""
        steps = [s for s in self.states.all() if s.name.startswith("step:")]
        found = [judge_step(s, interval=self.interval, now=now) for s in steps]
        self.keeper.save(found)
        return f"{sum(m.verdict is Verdict.FAIL for m in found)} of {len(found)} steps failing"
