from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from services.training.duration import Change, Timing, examine, span
from tests.conftest import NOW


def timings(seconds: list[float], **more: object) -> list[Timing]:
    return [Timing(run_id=f"r{i}", pipeline="churn", hardware="a100", started_at=NOW + timedelta(hours=i),
                   duration_s=s, **more) for i, s in enumerate(seconds)]


def noisy(n: int, *, cv: float = 0.05, seed: int = 0) -> list[float]:
    return (1800 * np.exp(np.random.default_rng(seed).normal(0, cv, n))).tolist()


def test_below_twelve_runs_there_is_no_verdict_only_a_count() -> None:
    found = examine(timings(noisy(11)))
    assert (found.change, found.reason) == (Change.TOO_FEW, "11 runs finished: too few to compare, 12 are needed")


def test_a_steady_pipeline_says_what_change_it_could_see() -> None:
    found = examine(timings(noisy(30)))
    assert found.change is Change.NONE
    assert found.reason == f"steady at 29 min over 30 runs; can see {found.detectable:.0%} or more"
    assert 0.10 <= found.detectable < 0.3


def test_a_step_is_dated_to_its_first_run_with_commit_and_rows() -> None:
    runs = timings([*noisy(25), *(1.4 * s for s in noisy(6, seed=1))])
    runs = [replace(t, git_commit=("a" if i < 25 else "b") * 40, data_rows=None) for i, t in enumerate(runs)]
    found = examine(runs)
    assert (found.change, found.since.run_id, found.last_before.run_id) == (Change.SLOWER, "r25", "r24")
    assert 0.3 < found.effect < 0.5
    assert found.reason.endswith("; with it: commit aaaaaaaa to bbbbbbbb")


def test_noise_behind_a_step_does_not_move_its_date() -> None:
    after = [5_000, 5_050, 4_950, 5_020, 4_980, 6_400, 6_450, 6_380]  # a machine that grew busier meanwhile
    found = examine(timings([*noisy(8, cv=0.01), *map(float, after)]))
    assert (found.change, found.since.run_id) == (Change.SLOWER, "r8")


@pytest.mark.parametrize(("factor", "change"), [(1.4, Change.SLOWER), (0.6, Change.FASTER)])
def test_a_step_that_went_back_and_came_again_is_dated_to_the_second_time(factor: float, change: Change) -> None:
    usual = noisy(29, cv=0.02)
    runs = timings([s * factor if 10 <= i < 18 or i >= 23 else s for i, s in enumerate(usual)])
    found = examine([replace(t, git_commit=f"{i:02}" * 20) for i, t in enumerate(runs)])
    assert (found.change, found.since.run_id, found.last_before.run_id) == (change, "r23", "r22")
    assert found.effect == pytest.approx(factor - 1, abs=0.03)
    assert "6 against 15 runs" in found.reason
    assert found.reason.endswith("; with it: commit 22222222 to 23232323")


def test_twice_the_rows_in_twice_the_time_is_no_change() -> None:
    runs = timings([*noisy(20), *(2 * s for s in noisy(8, seed=1))])
    runs = [replace(t, data_rows=1000 if i < 20 else 2000) for i, t in enumerate(runs)]
    found = examine(runs)
    assert (found.change, found.per_row) == (Change.NONE, True)
    assert found.median_s == pytest.approx(3600, rel=0.1)


def test_a_creep_is_told_from_a_step() -> None:
    found = examine(timings([s * (1 + 0.4 * i / 40) for i, s in enumerate(noisy(40))]))
    assert found.change is Change.CREEP
    assert "without a step" in found.reason


def test_one_slow_run_is_advice_and_no_alarm() -> None:
    seconds = noisy(30)
    seconds[20] *= 2
    found = examine(timings(seconds))
    assert found.change is Change.NONE
    assert [run for run, _, _ in found.slow] == ["r20"]


def test_a_change_below_ten_percent_is_never_raised() -> None:
    seconds = [*noisy(25, cv=0.005), *(1.07 * s for s in noisy(10, cv=0.005, seed=1))]
    assert examine(timings(seconds)).change is Change.NONE


def test_faster_is_said_and_is_no_fault() -> None:
    assert examine(timings([*noisy(25), *(0.6 * s for s in noisy(6, seed=1))])).change is Change.FASTER


def test_no_runs_at_all_are_too_few() -> None:
    assert examine([]).change is Change.TOO_FEW


def test_false_alarms_stay_below_one_percent_and_steps_above_ninety() -> None:
    def share(step: float) -> Counter[Change]:
        found: Counter[Change] = Counter()
        for seed in range(150):
            seconds = noisy(40, cv=0.06, seed=seed)
            found[examine(timings([s * (1 + step) if i >= 35 else s for i, s in enumerate(seconds)])).change] += 1
        return found

    assert share(0.0)[Change.NONE] >= 149
    assert share(0.2)[Change.SLOWER] >= 135


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "unknown"), (0.512, "0.51 s"), (42, "42 s"), (4000, "1 h 6 min")])
def test_durations_read_as_people_say_them(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_times_of_the_report_are_those_of_the_runs(now: datetime) -> None:
    assert examine(timings(noisy(13))).n == 13
