"""A month in words: precise where it is small, plain where it is large, and never a division by nothing."""

import pytest

from services.quota.report_words import causes, change, headline, hours, letter, month_name, waste_line

POOL = {
    "pool": "gpu-a100", "unit": "GPUs", "unit_hours": "GPU-hours", "used_hours": 18_420.0, "limit_hours": 22_000.0,
    "share": 18_420 / 22_000, "before_hours": 16_600.0, "peak": 61.5, "wasted_hours": 3_110.0, "forecast": None,
    "waste": [{"cause": "killed", "unit_hours": 1_870.0}, {"cause": "failed", "unit_hours": 1_240.0},
              {"cause": "hung", "unit_hours": 0.0}],
    "chart": {"lines": [1]},
}


@pytest.mark.parametrize(("value", "said"), [(18_420.4, "18,420"), (12.345, "12.3"), (7.0, "7"), (0.0421, "0.042"),
                                             (0.0, "0")])
def test_unit_hours_are_said_at_a_precision_that_tells_something(value, said):
    assert hours(value) == said


def test_the_headline_says_how_much_of_what_and_against_when():
    assert headline(POOL, "2026-09") == ("gpu-a100: 18,420 GPU-hours of 22,000 (84%), +11% on September 2026; "
                                         "peak 61.5 GPUs")
    assert headline({**POOL, "before_hours": 0.0, "share": None}, "2026-09") == (
        "gpu-a100: 18,420 GPU-hours; peak 61.5 GPUs")


def test_waste_names_its_causes_and_leaves_out_those_that_cost_nothing():
    assert causes(POOL) == "killed 1,870, failed 1,240"
    assert waste_line(POOL) == "Wasted 3,110 GPU-hours (17%): killed 1,870, failed 1,240."


def test_a_little_waste_is_not_said_to_be_none():
    little = {**POOL, "wasted_hours": 0.04, "waste": [{"cause": "failed", "unit_hours": 0.04}]}
    assert waste_line(little) == "Wasted 0.04 GPU-hours (below 1%): failed 0.04."
    assert waste_line({**little, "used_hours": 0.0}) == "Wasted 0.04 GPU-hours: failed 0.04."


def test_no_waste_is_said_to_rest_on_what_runs_tell():
    assert waste_line({**POOL, "wasted_hours": 0.0}).startswith("Wasted: nothing that its runs tell of")


def test_a_change_against_nothing_is_none():
    assert (change(12.0, 10.0), change(5.0, 10.0), change(5.0, 0.0)) == ("+20%", "-50%", "")


def test_the_letter_is_the_first_screen_in_words():
    body = {"month": "2026-10", "compared_to": "2026-09", "pools": [POOL],
            "decisions": [{"what": "raise gpu-a100 by 8 GPUs", "why": "peak 61.5 of 64 GPUs"}]}
    title, text = letter(body, number=3, signed=["Ann"], link="https://ops/")
    assert title == "Quota report October 2026"
    assert "1. raise gpu-a100 by 8 GPUs (peak 61.5 of 64 GPUs)" in text
    assert "Report 3, its numbers are frozen. Signed by Ann." in text
    assert text.endswith("https://ops/report?month=2026-10")
    assert month_name("2026-10") == "October 2026"


def test_a_pool_without_samples_is_left_out_of_the_letter():
    _, text = letter({"month": "2026-10", "compared_to": "2026-09", "decisions": [],
                      "pools": [{**POOL, "chart": {"lines": []}}]}, number=1)
    assert text == "Report 1, its numbers are frozen. Not signed yet."
