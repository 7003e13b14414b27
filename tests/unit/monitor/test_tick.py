from dataclasses import dataclass, field

import pytest

from services.errors import SourceUnavailable
from services.monitor.tick import run_pass


@dataclass
class Step:
    name: str
    error: Exception | None = None
    ran: list[str] = field(default_factory=list)

    def run(self, *, now):
        self.ran.append(self.name)
        if self.error:
            raise self.error
        return f"{self.name} at {now:%H:%M}"


class Journal:
    def __init__(self):
        self.rows = []

    def record(self, report, *, now):
        self.rows.append((report.name, report.ok, report.message))


@pytest.mark.parametrize(("error", "says"), [
    (SourceUnavailable("the meter is away: start it"), "the meter is away: start it"),
    (KeyError("x"), "monitor error in second: KeyError: 'x'"),
])
def test_a_step_that_fails_is_told_and_the_others_still_run(now, error, says):
    journal = Journal()
    run_pass([Step("first"), Step("second", error), Step("third")], journal, clock=lambda: now)
    assert journal.rows == [("first", True, "first at 15:00"), ("second", False, says),
                            ("third", True, "third at 15:00")]


def test_a_pass_that_is_told_to_end_finishes_its_step_and_begins_no_other(now):
    journal, ran = Journal(), []
    steps = [Step("first", ran=ran), Step("second", ran=ran)]
    reports = run_pass(steps, journal, clock=lambda: now, ended=lambda: bool(ran))
    assert ran == ["first"]
    assert [r.name for r in reports] == ["first"]
