"""What a manager has to decide: each line names the thing, the number it rests on, and the action."""

import pytest

from services.quota.advice import decisions


def row(pipeline, kind="training", *, used=100.0, before=100.0, peak=5.0, asked=None, team="ranking"):
    return {"pipeline": pipeline, "kind": kind, "team": team, "used_hours": used, "before_hours": before, "peak": peak,
            "requested_hours": asked}


def pool(*rows, peak=30.0, limit=64.0, p30=None, wasted=0.0, used=10_000.0):
    return {"pool": "gpu-a100", "unit": "GPUs", "unit_hours": "GPU-hours", "limit": limit, "peak": peak,
            "forecast": None if p30 is None else {"p30": p30}, "used_hours": used, "wasted_hours": wasted,
            "waste": [{"cause": "killed", "unit_hours": wasted}], "hours": 720.0, "by_pipeline": list(rows)}


def said(*pools):
    return [f"{d['what']}: {d['why']}" for d in decisions(pools)]


def test_a_quiet_month_asks_for_nothing():
    assert said(pool(row("train"), p30=0.02)) == []


def test_a_pool_that_fills_up_is_raised_or_relieved_by_its_largest_movable_pipeline():
    assert said(pool(row("serve", "serving", peak=40.0), row("small", peak=7.0), row("train", peak=20.0), peak=62.0,
                     p30=0.68)) == [
        ("raise gpu-a100 by 8 GPUs, or move train (peak 20 GPUs) to its quiet hours: "
        "peak 62 of 64 GPUs, 68% likely full within 30 days")]


def test_a_pool_that_was_full_for_one_night_is_not_raised_first():
    (line,) = said(pool(row("notebooks", "experiment", peak=37.0), peak=63.0, p30=0.0))
    assert line.startswith("cap notebooks (peak 37 GPUs) in gpu-a100, or raise gpu-a100 by 9 GPUs")


def test_without_a_pipeline_worth_moving_the_limit_is_all_there_is():
    assert said(pool(row("tiny", peak=1.0), peak=64.0, limit=64.0)) == [
        "raise gpu-a100 by 10 GPUs: peak 64 of 64 GPUs"]


def test_one_unit_is_said_in_the_singular():
    assert said(pool(peak=1.8, limit=2.0)) == ["raise gpu-a100 by 1 GPU: peak 1.8 of 2 GPUs"]


def test_a_request_far_above_its_use_is_lowered_to_its_peak_and_headroom():
    assert said(pool(row("train", used=720.0, before=720.0, peak=4.0, asked=16 * 720.0))) == [
        "lower the request of train in gpu-a100 from 16 to 5 GPUs: it used 6% of what it held, peak 4"]


def test_waste_beyond_a_tenth_names_its_largest_cause():
    assert said(pool(wasted=2_000.0)) == [
        "look into runs that were killed in gpu-a100: 2,000 GPU-hours wasted (20% of use), killed 2,000"]


def test_growth_is_asked_about_where_it_is_a_tenth_of_the_pool():
    assert said(pool(row("train", used=3_000.0, before=2_000.0), row("tiny", used=30.0, before=1.0))) == [
        "ask ranking why train grew in gpu-a100: 3,000 GPU-hours, 2,000 the month before"]


@pytest.mark.parametrize("count", [3, 9])
def test_the_most_pressing_come_first_and_at_most_six_are_asked(count):
    lines = said(*[pool(wasted=2_000.0)] * count, pool(peak=64.0))
    assert lines[0].startswith("raise")
    assert len(lines) == min(6, count + 1)
