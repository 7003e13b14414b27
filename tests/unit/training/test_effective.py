from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.effective import History, judge
from services.training.run import Effective, Failure
from tests.conftest import NOW
from tests.training_fixtures import a_run

MIN = timedelta(minutes=1)
H = timedelta(hours=1)


def running(now: datetime, *, began: timedelta = 2 * H, **more: object):
    return a_run(start=now - began, status="RUNNING", **more)


def test_a_clean_finish_is_finished(now: datetime) -> None:
    found = judge(a_run(start=now - 2 * H), now=now)
    assert found.effective is Effective.FINISHED
    assert found.since == now - 2 * H + 30 * MIN


def test_a_recorded_failure_outweighs_mlflows_finished(now: datetime) -> None:
    crashed = Failure(type="KeyError", message="'wind_speed'", exit_code=1)
    found = judge(a_run(start=now - 2 * H, failure=crashed), now=now)
    assert found.effective is Effective.FINISHED_BUT_CRASHED
    assert found.evidence == "MLflow says FINISHED, but the run recorded KeyError: 'wind_speed'"


def test_leaving_by_sys_exit_0_is_success_though_mlflow_says_failed(now: datetime) -> None:
    found = judge(a_run(start=now - 2 * H, status="FAILED", failure=Failure(exit_code=0)), now=now)
    assert found.effective is Effective.FINISHED
    assert "sys.exit(0)" in found.evidence


def test_failed_without_a_record_says_that_no_reason_was_recorded(now: datetime) -> None:
    found = judge(a_run(start=now - 2 * H, status="FAILED"), now=now)
    assert (found.effective, found.evidence) == (Effective.FAILED, "MLflow says FAILED; no reason was recorded")


def test_killed_stays_killed_with_its_reason(now: datetime) -> None:
    found = judge(a_run(start=now - 2 * H, status="KILLED", failure=Failure(type="SIGTERM")), now=now)
    assert (found.effective, found.evidence) == (Effective.KILLED, "MLflow says KILLED: SIGTERM")


@pytest.mark.parametrize(("silence", "wanted"), [(4 * MIN, Effective.RUNNING), (6 * MIN, Effective.SUSPECTED_DEAD)])
def test_a_heartbeat_that_stops_for_five_minutes_means_suspected_dead(
    now: datetime, silence: timedelta, wanted: Effective
) -> None:
    found = judge(running(now, heartbeat_at=now - silence), now=now)
    assert found.effective is wanted


def test_the_evidence_of_a_dead_run_names_silence_and_limit(now: datetime) -> None:
    found = judge(running(now, heartbeat_at=now - 21 * MIN), now=now)
    assert found.evidence == "no heartbeat for 21 min (limit 5 min), no end recorded"
    assert found.since == now - 21 * MIN


def test_a_recent_training_step_proves_life_even_when_the_heartbeat_thread_died(now: datetime) -> None:
    run = running(now, heartbeat_at=now - 30 * MIN, last_metric_at=now - MIN, last_step=100)
    assert judge(run, now=now).effective is Effective.RUNNING


def test_without_a_heartbeat_a_run_is_given_a_day(now: datetime) -> None:
    assert judge(running(now, began=23 * H), now=now).effective is Effective.RUNNING
    assert judge(running(now, began=25 * H), now=now).effective is Effective.SUSPECTED_DEAD


def test_with_history_silence_is_measured_against_it(now: datetime) -> None:
    short = History(n=20, p99_s=1800)
    assert judge(running(now, began=2 * H), now=now, history=short).effective is Effective.SUSPECTED_DEAD


def test_steps_that_stop_while_the_process_beats_mean_stalled(now: datetime) -> None:
    run = running(now, heartbeat_at=now - MIN, last_metric_at=now - 40 * MIN, last_step=1000)
    found = judge(run, now=now)
    assert found.effective is Effective.STALLED
    assert "since step 1000" in found.evidence


def test_slow_steps_are_not_stalled_before_ten_of_their_own_gaps(now: datetime) -> None:
    run = running(now, began=10 * H, heartbeat_at=now - MIN, last_metric_at=now - H, last_step=9)
    assert judge(run, now=now).effective is Effective.RUNNING


def test_a_run_that_logs_only_at_its_end_is_never_stalled(now: datetime) -> None:
    assert judge(running(now, began=9 * H, heartbeat_at=now - MIN), now=now).effective is Effective.RUNNING


def test_longer_than_its_objective_is_overdue(now: datetime) -> None:
    found = judge(running(now, heartbeat_at=now - MIN, sla_s=3600.0), now=now)
    assert found.effective is Effective.OVERDUE
    assert found.evidence == "running for 2 h, longer than its objective (1 h)"


def test_a_pipelines_objective_holds_where_the_run_has_none_of_its_own(now: datetime) -> None:
    run = running(now, heartbeat_at=now - MIN)
    assert judge(run, now=now, objective_s=3600.0).effective is Effective.OVERDUE
    assert judge(replace(run, sla_s=4 * 3600.0), now=now, objective_s=3600.0).effective is Effective.RUNNING


def test_a_handful_of_runs_gives_no_percentile_to_be_overdue_against(now: datetime) -> None:
    few, many = History(n=11, p99_s=60), History(n=12, p99_s=60)
    assert judge(running(now, heartbeat_at=now), now=now, history=few).effective is Effective.RUNNING
    assert judge(running(now, heartbeat_at=now), now=now, history=many).effective is Effective.OVERDUE


def test_no_run_dies_because_the_mirror_is_old(now: datetime) -> None:
    run = running(now, heartbeat_at=now - 61 * MIN)
    assert judge(run, now=now).effective is Effective.SUSPECTED_DEAD
    assert judge(run, now=now, mirror_age=H).effective is Effective.RUNNING


def test_a_clock_ahead_of_ours_is_said(now: datetime) -> None:
    found = judge(a_run(start=now + 3 * H, status="RUNNING"), now=now)
    assert found.effective is Effective.RUNNING
    assert found.evidence == "MLflow says RUNNING; its clock is 3 h ahead of ours"


def test_an_end_before_the_start_leaves_no_duration(now: datetime) -> None:
    run = a_run(start=now, took=-H)
    assert run.duration_s is None
    assert "its end lies before its start" in judge(run, now=now).evidence


def test_a_recorded_failure_of_an_open_run_means_failed(now: datetime) -> None:
    found = judge(running(now, failure=Failure(type="MemoryError")), now=now)
    assert found.effective is Effective.FAILED


def test_our_own_conclusion_from_silence_is_no_record(now: datetime) -> None:
    lost = Failure(cls="lost_process", line="no heartbeat")
    assert judge(running(now, began=25 * H, failure=lost), now=now).effective is Effective.SUSPECTED_DEAD


@given(silence=st.integers(0, 10**6), more=st.integers(0, 10**6))
def test_longer_silence_never_looks_more_alive(silence: int, more: int) -> None:
    def dead(seconds: int) -> bool:
        run = running(NOW, began=timedelta(seconds=3 * 10**6), heartbeat_at=NOW - timedelta(seconds=seconds))
        return judge(run, now=NOW).effective is Effective.SUSPECTED_DEAD

    assert dead(silence + more) or not dead(silence)
