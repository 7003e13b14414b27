"""A monitor that stops is noticed: beside the passes while it runs, by the next pass, and by whoever reads."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from services.core.measurement import Measurement, Verdict
from services.monitor.pulse import PauseStep, Watch, stopped

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TURN = timedelta(seconds=30)


class House:
    """The state of the last pass, and what was measured and alerted."""

    def __init__(self, last: datetime | None) -> None:
        self.last, self.found, self.alerted = last, list[Measurement](), list[datetime]()

    def get(self, name: str) -> SimpleNamespace | None:
        assert name == "step:alerts"
        return SimpleNamespace(as_of=self.last) if self.last else None

    def watch(self, began: datetime) -> Watch:
        return Watch(states=self, save=self.found.extend, alert=self.alerted.append, every=TURN, began=began)

    def begin_a_pass(self, now: datetime, every: timedelta = TURN) -> Measurement:
        PauseStep(states=self, save=self.found.extend, every=every).run(now=now)
        return self.found[-1]


def test_the_first_pass_after_a_break_says_from_when_to_when_nothing_was_measured():
    found = House(NOW - timedelta(hours=2, minutes=18)).begin_a_pass(NOW)
    assert (found.name, found.verdict, found.value) == ("monitor_pause", Verdict.FAIL, 8280.0)
    assert found.reason == ("stopped from 09:42 to 12:00 UTC (2 h 18 min): nothing was measured and nobody was told "
                            "meanwhile")


def test_a_break_over_midnight_names_the_day():
    assert "from 2026-03-03 22:00 to 12:00 UTC (14 h)" in House(NOW - timedelta(hours=14)).begin_a_pass(NOW).reason


@pytest.mark.parametrize(("ago", "every"), [(4, TURN), (14, 5 * MINUTE), (-10, TURN)])
def test_passes_that_follow_one_another_are_no_break(ago, every):
    assert House(NOW - ago * MINUTE).begin_a_pass(NOW, every).verdict is Verdict.PASS


def test_the_very_first_pass_is_after_no_break():
    assert House(None).begin_a_pass(NOW).verdict is Verdict.PASS
    assert stopped(House(None), every=TURN, now=NOW) == ""


def test_passes_that_are_never_finished_are_noticed_beside_them_and_again_when_they_are():
    house = House(NOW)
    watch = house.watch(NOW)
    for minute in range(20):
        watch.look(now=NOW + minute * MINUTE)
    # Said once that all is well, then of each look after a quarter of an hour that it is not.
    assert [m.verdict for m in house.found] == [Verdict.PASS] + [Verdict.FAIL] * 4
    assert house.found[-1].reason == ("no pass was finished since 12:00 UTC (19 min), one is due every 30 s: "
                                      "nothing is measured")
    assert len(house.alerted) == 4
    house.last = NOW + 20 * MINUTE
    watch.look(now=NOW + 21 * MINUTE)
    watch.look(now=NOW + 22 * MINUTE)
    assert [m.verdict for m in house.found[5:]] == [Verdict.PASS]
    assert len(house.alerted) == 4


def test_who_was_started_with_the_monitor_leaves_it_the_time_to_make_a_pass():
    house = House(NOW - timedelta(days=1))
    watch = house.watch(NOW)
    watch.look(now=NOW)
    assert [m.verdict for m in house.found] == [Verdict.PASS]
    watch.look(now=NOW + 16 * MINUTE)
    assert house.found[-1].verdict is Verdict.FAIL
    assert "since 2026-03-03 12:00 UTC (1 d)" in house.found[-1].reason


def test_it_looks_now_and_then_and_not_at_every_turn():
    house = House(NOW)
    watch = house.watch(NOW)
    for second in range(19):
        watch.look(now=NOW + timedelta(minutes=30, seconds=second))
    assert len(house.found) == 1


def test_whoever_reads_is_told_at_once():
    assert stopped(House(NOW - 6 * MINUTE), every=TURN, now=NOW) == (
        "the monitor made its last pass 6 min ago, one is due every 30 s: start interlock monitor")
    assert stopped(House(NOW - 4 * MINUTE), every=TURN, now=NOW) == ""
