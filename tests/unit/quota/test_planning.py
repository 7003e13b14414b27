"""The calendar, the calculator, the estimator and the what-if: hand-computed, and lawful under random input."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import Refused, SettingsError
from services.quota.cron import fields, occurrences
from services.quota.estimate import PastRun, Wanted, checked, doubled, estimate, scaled, strangers
from services.quota.fit import Load, check, sentence
from services.quota.pool import Pool
from services.quota.serving import peak, replicas, wait_ms
from services.quota.what_if import Change, what_if

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)  # a Wednesday
POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs")
H = timedelta(hours=1)


# -- schedules


def due(schedule, days=14):
    return [f"{at:%a %d %H:%M}" for at in occurrences(schedule, start=NOW, end=NOW + timedelta(days=days))]


def test_a_weekly_schedule_falls_due_on_its_day():
    assert due("0 2 * * 1") == ["Mon 09 02:00", "Mon 16 02:00"]
    assert due("30 6 1 * *", days=40) == ["Wed 01 06:30"]
    assert due("0 0 * * 7") == due("0 0 * * 0") == ["Sun 08 00:00", "Sun 15 00:00"]


def test_lists_ranges_and_steps_are_read():
    assert fields("*/20 1-3 * 1,2 *")[0] == {0, 20, 40}
    assert fields("*/20 1-3 * 1,2 *")[1] == {1, 2, 3}
    assert len(due("0 */6 * * *", days=1)) == 4


def test_two_restricted_days_suffice_each_by_itself_as_in_cron():
    assert due("0 0 13 * 1") == ["Mon 09 00:00", "Fri 13 00:00", "Mon 16 00:00"]


@pytest.mark.parametrize(("text", "said"), [("0 2 * *", "has 4 fields"), ("0 25 * * *", "hour '25' lies outside"),
                                            ("x 2 * * *", "minute 'x' is not a number"),
                                            ("0 5-2 * * *", "hour '5-2' lies outside")])
def test_a_schedule_that_cannot_be_read_names_its_field(text, said):
    with pytest.raises(SettingsError, match=said):
        fields(text)


# -- fit


SERVE = Load(pipeline="serve", kind="serving", peak=20.0, by_hour=tuple(20.0 if i % 24 == 2 else 10.0
                                                                       for i in range(168)))
TRAIN = Load(pipeline="train", kind="training", peak=30.0, schedule="0 2 * * *", length=3 * H)
EXPERIMENT = Load(pipeline="notebooks", kind="experiment", peak=2.0, by_hour=(2.0,) * 168)


def test_what_fits_says_how_much_is_free_in_the_fullest_hour():
    found = check(POOL, [SERVE, TRAIN, EXPERIMENT], limit=64, now=NOW)
    assert found.fits
    assert found.headroom == 64 - 20 - 30 - 2
    assert found.worst_case == 52
    assert "12 GPUs are free in the fullest hour" in sentence(found)


def test_the_first_hour_that_breaks_and_the_pipeline_to_move_are_named():
    found = check(POOL, [SERVE, TRAIN, EXPERIMENT], limit=45, now=NOW)
    assert found.broken.at == datetime(2026, 3, 5, 2, tzinfo=UTC)
    assert found.broken.parts[0] == ("train", 30.0)
    assert (found.broken.move, found.broken.to) == ("train", "03:00 UTC")
    assert "breaks first on Thu 05 Mar 02:00 UTC: 52 GPUs of 45 GPUs (train 30 GPUs" in sentence(found)


def test_when_no_move_mends_it_the_answer_is_to_raise_the_limit():
    found = check(POOL, [SERVE, TRAIN, EXPERIMENT], limit=35, now=NOW)
    assert found.broken.move == ""
    assert "raise the limit" in sentence(found)


def test_unmeasured_experiments_keep_a_fifth_of_the_pool():
    assert check(POOL, [SERVE], limit=64, now=NOW).experiments == pytest.approx(12.8)
    assert check(POOL, [SERVE, EXPERIMENT], limit=64, now=NOW).experiments == 0


def test_a_run_that_began_before_the_calendar_still_holds_its_share():
    long = Load(pipeline="train", kind="training", peak=30.0, schedule="0 14 * * *", length=10 * H)
    assert check(POOL, [long], limit=64, now=NOW, experiments=0).hours[0] == (NOW.replace(hour=16, minute=0), 30.0)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 23), st.floats(0.5, 30)), min_size=1, max_size=6),
       st.floats(1, 100))
def test_no_hour_needs_more_than_everything_at_once_and_a_proposed_move_mends(items, limit):
    loads = [Load(pipeline=f"p{i}", kind="training", peak=peak, schedule=f"0 {hour} * * *", length=hours * H)
             for i, (peak, hour, hours) in enumerate(items)]
    found = check(POOL, loads, limit=limit, now=NOW, experiments=0, horizon=timedelta(days=3))
    assert all(demand <= found.worst_case + 1e-9 for _, demand in found.hours)
    assert found.fits == (found.headroom >= 0)
    if found.broken and found.broken.move:
        moved = [Load(pipeline=x.pipeline, kind=x.kind, peak=x.peak, length=x.length,
                      schedule=f"0 {int(found.broken.to[:2])} * * *" if x.pipeline == found.broken.move else x.schedule)
                 for x in loads]
        assert check(POOL, moved, limit=limit, now=NOW, experiments=0, horizon=timedelta(days=3)).fits


# -- serving


def test_littles_law_by_hand():
    need = replicas(100, 50, concurrency=2, utilisation=0.7, spare=1)
    assert need.in_service == 5.0
    assert (need.busy, need.replicas) == (4, 5)  # 5 / (2 x 0.7) = 3.57
    assert need.utilisation == 0.625


def test_the_wait_of_one_server_is_kingmans():
    assert wait_ms(1, 0.7, 100) == pytest.approx(0.7 / 0.3 * 100)
    assert wait_ms(1, 0.9, 100) / wait_ms(1, 0.7, 100) == pytest.approx(9 / (7 / 3))
    assert wait_ms(1, 0.5, 100, ca2=0, cs2=1) == pytest.approx(50.0)


def test_sizing_on_the_mean_is_wrong_ten_times():
    mean, second = replicas(2.57, 1000, spare=0), replicas(27.6, 1000, spare=0)
    assert second.busy / mean.busy == 10.0


@given(st.floats(0, 1e4), st.floats(0.1, 1e4), st.integers(1, 64), st.floats(0.1, 0.95))
def test_replicas_are_never_busier_than_wanted(qps, service, together, rho):
    need = replicas(qps, service, concurrency=together, utilisation=rho)
    assert need.utilisation <= rho + 1e-9
    assert need.wait_ms >= 0


def test_the_rate_to_size_for_is_the_busiest_second_of_the_log_and_what_stands_in_for_it_says_why():
    seen = peak(3_600, 28, hours=24, counted=24)
    assert (seen.qps, seen.measured) == (28.0, True)
    assert seen.said == "The busiest second had 28 requests, as the log shows."
    assert "of the 2 of 24 hours that were counted by the second" in peak(3_600, 28, hours=24, counted=2).said
    part = peak(3_600, 3, hours=24, counted=2)
    assert (part.qps, part.measured) == (10.0, False), "the busiest hour may be one of the 22 others"
    assert "only 2 of 24 hours were counted by the second, 3 requests" in part.said
    taken = peak(3_600, None, hours=24, counted=0)
    assert (taken.qps, taken.measured) == (10.0, False)
    assert "10 times the busiest hour" in taken.said
    assert "no hour was counted by the second" in taken.said


def test_impossible_numbers_are_refused():
    with pytest.raises(Refused, match="utilisation = 1\\.2 is impossible"):
        replicas(10, 10, utilisation=1.2)
    with pytest.raises(Refused, match="requests per second = nan"):
        replicas(float("nan"), 10)


# -- estimate


def run(i, hours=2.0, **more):
    return PastRun(**{"run_id": f"r{i}", "pipeline": "other", "kind": "training", "hours": hours, "held": 8.0,
                      "rows": 1e6, **more})


def test_below_three_similar_runs_there_is_no_estimate():
    found = estimate(Wanted(), [run(1), run(2), run(3, kind="data")])
    assert found.why_not == "not enough similar projects: 2 finished training runs, 3 needed"


def test_hours_scale_with_rows_and_unit_hours_with_what_was_held():
    found = estimate(Wanted(rows=2e6), [run(i) for i in range(5)])
    assert (found.hours_p50, found.unit_hours_p50, found.request) == (4.0, 32.0, 10.0)
    assert [n.run.run_id for n in found.neighbours] == ["r0", "r1", "r2", "r3", "r4"]


def test_twice_the_devices_save_37_per_cent_of_time_and_cost_26_per_cent_more():
    found = estimate(Wanted(), [run(i) for i in range(5)])
    hours, units = doubled(found)
    assert hours / found.hours_p50 == pytest.approx(0.63, abs=0.005)
    assert units / found.unit_hours_p50 == pytest.approx(1.26, abs=0.005)
    assert scaled(Wanted(devices=16), run(0)) == pytest.approx(2.0 * 2**-0.67)


def test_a_pipelines_own_prototypes_replace_its_neighbours():
    own = [run(10 + i, hours=1.0, pipeline="new") for i in range(3)]
    found = estimate(Wanted(pipeline="new"), [*(run(i, hours=9.0) for i in range(20)), *own])
    assert found.hours_p50 == 1.0
    assert {n.run.pipeline for n in found.neighbours} == {"new"}


def test_the_nearest_in_size_and_kind_are_taken():
    far = [run(i, rows=1e9, hours=99.0) for i in range(10)]
    near = [run(100 + i) for i in range(10)]
    assert {n.run.hours for n in estimate(Wanted(rows=1e6), far + near).neighbours} == {2.0}


def test_failed_runs_and_experiments_come_on_top():
    found = estimate(Wanted(), [run(i) for i in range(5)], wasted_share=0.2)
    assert found.with_overhead == pytest.approx(16.0 / 0.8 * 1.2)


def test_runs_of_the_same_model_type_framework_and_hardware_are_nearer_than_others():
    alike = {"model_type": "boosting", "framework": "sklearn", "hardware": "A100"}
    runs = [*(run(i, hours=9.0) for i in range(10)), *(run(10 + i, **alike) for i in range(4)),
            *(run(20 + i, hours=9.0, framework="keras", hardware="A100") for i in range(10))]
    for trait, word in alike.items():
        near = estimate(Wanted(**{trait: word}), runs).neighbours[:4]
        assert all(getattr(n.run, trait) == word for n in near)
    assert [n.distance for n in estimate(Wanted(**alike), runs).neighbours[:5]] == [0, 0, 0, 0, 2]


def test_a_name_that_no_run_has_is_said_because_it_tells_none_apart():
    runs = [run(i, framework="sklearn") for i in range(3)]
    assert strangers(Wanted(framework="sklern", model_type="tree"), runs) == [
        "no finished training run has model type tree: they do not say theirs",
        "no finished training run has framework sklern: they have sklearn"]
    assert strangers(Wanted(framework="sklearn"), runs) == []


@pytest.mark.parametrize(("wrong", "said"), [
    ({"kind": "serving"}, "serving is no kind of pipeline that runs: choose one of training, data, validation"),
    ({"rows": -1.0}, "rows = -1 is impossible"), ({"devices": 0.0}, "devices = 0 is impossible"),
    ({"epochs": float("inf")}, "epochs = inf is impossible")])
def test_a_wish_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(Refused, match=said):
        checked(Wanted(**wrong))


# -- what if


def test_a_lost_node_and_grown_requests_show_before_and_after():
    loads = [SERVE, TRAIN, EXPERIMENT]
    answer = what_if(POOL, loads, Change(lose=16), limit=64, now=NOW)
    assert (answer.before.fits, answer.after.fits) == (True, False)
    grown = what_if(POOL, loads, Change(grow=(("serving", 2.0),)), limit=64, now=NOW).after
    assert grown.headroom == 64 - 40 - 30 - 2


def test_faster_hardware_shortens_runs_and_needs_fewer_serving_devices():
    after = what_if(POOL, [SERVE, TRAIN], Change(faster=2.0), limit=64, now=NOW).after
    assert [load.length for load in after.loads if load.schedule] == [1.5 * H]
    assert [load.peak for load in after.loads if not load.schedule] == [10.0]


def test_an_added_pipeline_and_a_scaled_one_are_in_the_answer():
    new = Load(pipeline="new", kind="training", peak=20.0, schedule="0 2 * * *", length=H)
    after = what_if(POOL, [SERVE, TRAIN], Change(add=(new,), scale=(("train", 60.0),)), limit=64, now=NOW).after
    assert {load.pipeline: load.peak for load in after.loads} == {"serve": 20.0, "train": 60.0, "new": 20.0}
    assert not after.fits


def test_a_change_of_a_pipeline_that_is_not_there_is_refused():
    with pytest.raises(Refused, match="no pipeline typo uses gpu-a100: choose one of serve"):
        what_if(POOL, [SERVE], Change(remove=("typo",)), limit=64, now=NOW)
    with pytest.raises(Refused, match="nothing is left"):
        what_if(POOL, [SERVE], Change(lose=64), limit=64, now=NOW)
