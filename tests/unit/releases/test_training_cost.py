"""What training took of the quota stands beside the champion's, with its price where there is one."""

from dataclasses import replace

import pytest

from services.core.measurement import Verdict
from services.releases.training_cost import Training, training_cost

OURS = Training(pool="a100", unit_hours="GPU-hours", hours=1.5, held=4.0, per_hour=2.5, currency="USD")


def test_it_is_what_the_run_asked_for_held_from_start_to_end_and_priced() -> None:
    found = training_cost(OURS, replace(OURS, hours=1.0))
    assert (found.verdict, found.value, found.threshold, found.required) == (Verdict.PASS, 6.0, 4.0, False)
    assert found.reason == "6 GPU-hours of a100 (15.00 USD); the champion's took 4 GPU-hours of a100 (10.00 USD)"


def test_more_than_twice_the_champions_warns() -> None:
    found = training_cost(OURS, replace(OURS, hours=0.5))
    assert found.verdict is Verdict.WARN
    assert found.reason.endswith(", 3 times as much")
    assert training_cost(OURS, replace(OURS, hours=0.75)).verdict is Verdict.PASS


def test_a_training_of_seconds_is_told_in_seconds_and_never_warns() -> None:
    found = training_cost(replace(OURS, hours=0.001), replace(OURS, hours=0.0001))
    assert found.verdict is Verdict.PASS
    assert found.reason == "14 GPU-seconds of a100; the champion's took 1.4 GPU-seconds of a100"


@pytest.mark.parametrize("champion", [None, replace(OURS, hours=None), replace(OURS, unit_hours="core-hours")])
def test_without_a_comparable_champion_it_stands_alone(champion: Training | None) -> None:
    assert training_cost(OURS, champion).reason == "6 GPU-hours of a100 (15.00 USD)"


@pytest.mark.parametrize(("candidate", "said"), [
    (None, "the mirror has not read it"), (replace(OURS, held=None), "does not say what it asked for"),
    (replace(OURS, hours=None), "has no end")])
def test_what_nobody_recorded_is_not_run(candidate: Training | None, said: str) -> None:
    found = training_cost(candidate, OURS)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert said in found.reason
