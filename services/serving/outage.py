"""Has the model stopped delivering predictions? Four different silences are told apart.

The model is down (its probe says so, or more predictions are missing than chance explains), the log is late (the probe
is answered, and rows are missing), the hour is quiet (few were to be expected), the monitor is behind (nobody looked).
Fetching the probe and the log is adapters' work.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from typing import Final

from services.core.measurement import Verdict, Why
from services.core.window import TimeWindow, span_text
from services.serving.traffic import Usual

SPEAKS: Final = 7.0  # expected predictions below which silence says nothing: e^-7 = 0.0009
FRESH: Final = timedelta(minutes=15)  # a prediction this young is evidence of its own
BEHIND: Final = timedelta(minutes=10)  # a log that was last read longer ago says nothing about now
UNLIKELY: Final = 0.05  # a silence less likely than this is no longer called delivering
_MEANS: Final = {
    "answering": (Verdict.PASS, Why.NONE),
    "down": (Verdict.FAIL, Why.NONE),
    "log late": (Verdict.WARN, Why.LATE),
    "quiet": (Verdict.INCONCLUSIVE, Why.TOO_FEW),
    "unknown": (Verdict.INCONCLUSIVE, Why.NO_DATA),
    "monitor behind": (Verdict.ERROR, Why.MONITOR_ERROR),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the health address answered. `well` is None where it could not be asked for a reason of our own."""

    url: str
    well: bool | None
    said: str
    at: datetime
    since: datetime  # from when on it has answered so


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The answer: a verdict, its sentence, and what it rests on. `kind` names which silence it is."""

    kind: str  # answering, down, log late, quiet, unknown, monitor behind
    verdict: Verdict
    why: Why
    reason: str
    gap: timedelta | None
    expected: float | None


def judge_outage(
    *, last: datetime | None, known: Usual, probe: Probe | None, read_at: datetime | None, now: datetime
) -> Silence:
    """Return what the silence since the last delivered prediction means.

    Args:
        last: when the last prediction was delivered to a user (no shadow, no error).
        known: the volume of past hours.
        probe: what the health address answered; None where none is set.
        read_at: when the log was last read; None when never.
        now: the time of the pass.
    """
    gap = now - last if last else None
    expected = known.expected(TimeWindow(min(last, now), now)) if last else None
    facts = _facts(last, gap, expected)
    missing = expected is not None and expected >= SPEAKS
    if probe is not None and probe.well is False:
        kind, reason = "down", f"{_down(now - probe.since)}: its health probe says {probe.said}; {facts}"
    elif read_at is None or now - read_at > BEHIND:
        age = f"{span_text(now - read_at)} ago" if read_at else "never"
        kind, reason = "monitor behind", f"the monitor is behind: the prediction log was last read {age}"
    elif probe is not None and probe.well:
        kind = "log late" if missing else "answering"
        reason = f"answers its health probe; {facts}" if not missing else (
            f"answers its health probe, but {facts}: the log is late, or nobody asks")
    elif missing:
        kind, reason = "down", f"no predictions: {facts}"
    else:
        kind, reason = _by_log(gap, expected, facts)
    verdict, why = _MEANS[kind]
    return Silence(kind=kind, verdict=verdict, why=why, reason=reason, gap=gap, expected=expected)


def _by_log(gap: timedelta | None, expected: float | None, facts: str) -> tuple[str, str]:
    """Return which silence it is where no probe answers and too few predictions are missing to speak."""
    if gap is None:
        return "unknown", "it never delivered a prediction here, and no health probe is set"
    if gap <= FRESH and (expected is None or exp(-expected) >= UNLIKELY):
        return "answering", f"delivers: {facts}"
    if expected is None:
        return "unknown", f"{facts}, and there is no week of history to say how many there should be"
    return "quiet", f"quiet hour: {facts}; silence speaks from {SPEAKS:g} expected"


def _down(since: timedelta) -> str:
    """Return for how long the probe has failed; of the first failure nobody knows how long it lasts."""
    return f"down for {span_text(since)}" if since >= timedelta(seconds=1) else "down"


def _facts(last: datetime | None, gap: timedelta | None, expected: float | None) -> str:
    if last is None or gap is None:
        return "no prediction was ever logged"
    usual_words = "" if expected is None else f", {_number(expected)} were to be expected since"
    return f"last prediction {span_text(gap)} ago{usual_words}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
