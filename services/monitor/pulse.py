"""Notice that no pass is made: a monitor that stops cannot measure that itself, and silence must not look fine.

While it runs, the notifier looks, a process of its own (`Watch`); where all of it was gone, the first step of the next
pass says from when to when (`PauseStep`); and until then every page and command says so as it is read (`stopped`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow, span_text

SUBJECT: Final = "monitor"
# The step whose turn ends what a pass is for: after it, what was measured has been told.
LAST_STEP: Final = "step:alerts"
_LATE: Final = timedelta(minutes=5)
_WAKE: Final = timedelta(minutes=15)  # one step may honestly take minutes; nobody is woken for that
_LOOK: Final = timedelta(seconds=20)


class State(Protocol):
    """What is kept of a step."""

    @property
    def as_of(self) -> datetime | None:
        """When it last worked."""
        ...


class States(Protocol):
    """Where the states are kept."""

    def get(self, name: str) -> State | None:
        """Return one step's state, or None when it was never tried."""
        ...


Save = Callable[[Sequence[Measurement]], object]


def patience(every: timedelta) -> timedelta:
    """Return for how long what is due so often may be late before that is said."""
    return max(_LATE, 3 * every)


def stopped_since(states: States, *, every: timedelta, now: datetime) -> datetime | None:
    """Return when the last pass was made, if the next is overdue; None while passes are made, or none ever was."""
    last = _last(states)
    return last if last is not None and now - last > patience(every) else None


def stopped(states: States, *, every: timedelta, now: datetime) -> str:
    """Return what to say when the monitor has stopped; nothing while it works, or where it never did."""
    since = stopped_since(states, every=every, now=now)
    if since is None:
        return ""
    return (f"the monitor made its last pass {span_text(now - since)} ago, one is due every {span_text(every)}: "
            "start interlock monitor")


@dataclass(kw_only=True)
class PauseStep:
    """The first step of a pass: measures for how long there was none, as `monitor_pause`."""

    states: States
    save: Save
    every: timedelta
    name: str = "pulse"

    def run(self, *, now: datetime) -> str:
        """Compare with when the last pass was finished."""
        since = stopped_since(self.states, every=self.every, now=now)
        said = (f"stopped from {_clock(since, now)} to {now.astimezone(UTC):%H:%M} UTC ({span_text(now - since)}): "
                "nothing was measured and nobody was told meanwhile") if since else "passes follow one another"
        last = _last(self.states)
        age = max(timedelta(0), now - last) if last else None
        self.save([_measured("monitor_pause", age, failing=since is not None, reason=said, why=Why.LATE, now=now)])
        return said


@dataclass(kw_only=True)
class Watch:
    """Looks from another process whether passes are finished; tells, as `monitor_stopped`, when they are not.

    `alert` evaluates the rules, since the pass that would have does not come. Its own beginning counts as a pass: who
    has just been started with the monitor sees only how long that was gone, which is the pass's to tell.
    """

    states: States
    save: Save
    alert: Callable[[datetime], object]
    every: timedelta
    began: datetime

    def __post_init__(self) -> None:
        """Begin without having looked."""
        self._looked: datetime | None = None
        self._failing: bool | None = None

    def look(self, *, now: datetime) -> None:
        """Look again, at most every 20 s."""
        if self._looked is not None and self._looked <= now < self._looked + _LOOK:
            return
        self._looked = now
        last = _last(self.states)
        if last is None:
            return
        age = max(timedelta(0), now - last)
        failing = now - max(last, self.began) > max(_WAKE, 10 * self.every)
        if failing or failing is not self._failing:
            said = (f"no pass was finished since {_clock(last, now)} UTC ({span_text(age)}), one is due every "
                    f"{span_text(self.every)}: nothing is measured" if failing else "passes are finished")
            self.save([_measured("monitor_stopped", age, failing=failing, reason=said, why=Why.MONITOR_ERROR, now=now)])
        self._failing = failing
        if failing:
            self.alert(now)


def _last(states: States) -> datetime | None:
    state = states.get(LAST_STEP)
    return state.as_of if state else None


def _measured(
    name: str, age: timedelta | None, *, failing: bool, reason: str, why: Why, now: datetime
) -> Measurement:
    return Measurement(
        name=name, pipeline=Pipeline.MONITOR, subject=SUBJECT, window=TimeWindow(now - (age or _LATE), now), at=now,
        verdict=Verdict.FAIL if failing else Verdict.PASS, why=why if failing else Why.NONE, reason=reason,
        value=age.total_seconds() if age is not None else None, unit="s")


def _clock(moment: datetime, now: datetime) -> str:
    """Return a time of day, with its date where that is another."""
    at, today = moment.astimezone(UTC), now.astimezone(UTC).date()
    return f"{at:%H:%M}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"
