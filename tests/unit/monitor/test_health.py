from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from services.core.measurement import Verdict, Why
from services.monitor.steps.health import judge_step

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TURN = timedelta(seconds=30)


@dataclass
class State:
    name: str = "step:drift"
    as_of: datetime | None = NOW - timedelta(seconds=20)
    ok: bool = True
    message: str = "12 measured"


def test_a_step_that_worked_in_this_pass_is_fine_and_says_what_it_did():
    found = judge_step(State(), interval=TURN, now=NOW)
    assert (found.verdict, found.reason, found.subject) == (Verdict.PASS, "12 measured", "drift")


def test_a_step_that_fails_is_an_error_of_the_monitor_with_the_age_of_its_last_success():
    found = judge_step(State(ok=False, message="no disk", as_of=NOW - timedelta(hours=2)), interval=TURN, now=NOW)
    assert (found.verdict, found.why) == (Verdict.FAIL, Why.MONITOR_ERROR)
    assert found.reason == "drift fails: no disk; last good 2 h ago"


def test_a_step_that_never_worked_says_so():
    assert "it never worked" in judge_step(State(ok=False, as_of=None), interval=TURN, now=NOW).reason


def test_a_step_that_nobody_ran_is_late():
    found = judge_step(State(as_of=NOW - timedelta(minutes=22)), interval=TURN, now=NOW)
    assert (found.verdict, found.why) == (Verdict.FAIL, Why.LATE)


@pytest.mark.parametrize("step", ["health", "alerts"])
def test_the_first_pass_after_a_break_does_not_call_its_own_last_steps_late(step):
    late = State(name=f"step:{step}", as_of=NOW - timedelta(minutes=22))
    assert judge_step(late, interval=TURN, now=NOW).verdict is Verdict.PASS
    broken = State(name=f"step:{step}", ok=False, message="no disk")
    assert judge_step(broken, interval=TURN, now=NOW).verdict is Verdict.FAIL
