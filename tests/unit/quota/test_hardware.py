"""Hardware advice rests on a team's own runs first, on labelled ratios second, and never on a price that is none."""

from datetime import date

from services.quota.estimate import PastRun
from services.quota.hardware import advise, money, spent, taken
from services.quota.prices import Price, doubts, price_at
from services.quota.suits import ModelSize

DAY = date(2026, 3, 4)
PRICES = [Price(hardware=name, per_hour=cost, since=date(2026, 1, 1), memory_gib=memory)
          for name, cost, memory in (("H100", 3.0, 80.0), ("T4", 0.4, 16.0), ("B200", 6.0, 192.0))]


def runs(hardware, hours, count=5, held=8.0):
    return [PastRun(run_id=f"{hardware}{i}", pipeline="train", kind="training", hours=hours, held=held,
                    hardware=hardware) for i in range(count)]


def test_own_runs_on_cheaper_hardware_answer_the_first_question():
    found = advise("train", runs("H100", 2.0) + runs("T4", 10.0, count=3), PRICES, ModelSize(), day=DAY)
    assert found.cheaper == "Yes: T4 at 32.00 a run instead of 48.00 (33% less), by 3 runs of its own."


def test_where_it_never_ran_a_public_ratio_stands_in_and_says_so():
    found = advise("train", runs("H100", 2.0), PRICES, ModelSize(), day=DAY)
    assert found.faster.startswith("Yes: B200 takes 0.71 h instead of 2 h, by ratio of MLPerf")
    assert [o.runs for o in found.options if o.hardware == "H100"] == [5]


def test_memory_that_is_too_small_rules_a_hardware_out():
    found = advise("train", runs("H100", 2.0) + runs("T4", 10.0), PRICES, ModelSize(), day=DAY, peak_gib=15.0)
    assert not next(o for o in found.options if o.hardware == "T4").feasible
    assert "T4" not in found.cheaper


def test_without_price_or_runs_the_answer_is_not_known():
    unpriced = advise("train", runs("X9", 2.0), PRICES, ModelSize(), day=DAY)
    assert unpriced.cheaper.startswith("Not known: X9 has no price")
    assert advise("other", runs("X9", 2.0), PRICES, ModelSize(), day=DAY).faster.startswith("Not known")


def test_a_placeholder_is_no_price_and_the_newest_that_began_holds():
    table = [Price(hardware="H100", per_hour=4.0, since=date(2025, 1, 1)), *PRICES,
             Price(hardware="H100", per_hour=9.0, since=date(2027, 1, 1)),
             Price(hardware="H100", per_hour=700.0, since=date(2026, 2, 1))]
    assert price_at(table, "H100", DAY).per_hour == 3.0
    assert len(doubts(table)) == 1
    assert "700 per hour looks like a placeholder" in doubts(table)[0]


def test_short_runs_and_small_costs_are_not_said_to_be_nothing():
    assert [taken(h) for h in (2.0, 0.05, 0.00019)] == ["2 h", "3 min", "0.68 s"]
    assert [money(a) for a in (48.0, 0.0076, 7e-7, 0.0)] == ["48.00", "0.0076", "below 0.0001", "0.00"]
    assert [spent(h, "core-hours") for h in (18_420.0, 3.35, 0.01, 3.35e-5, 0.0)] == [
        "18,420 core-hours", "3.35 core-hours", "0.01 core-hours", "0.12 core-seconds", "0 core-hours"]
