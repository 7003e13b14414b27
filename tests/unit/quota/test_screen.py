"""The manager's first screen: four questions answered from the report's own numbers, none of them guessed."""

from datetime import UTC, datetime

import pytest

from services.core.measurement import Verdict
from services.quota.screen import answers, rows, seen, state

LINE = [datetime(2026, 10, 1, tzinfo=UTC).isoformat(), 64.0, None, 40.0, 50.0, "real"]


def pool(name="gpu-a100", *, used=18_420.0, peak=50.0, limit=64.0, p30=0.1, likely=None, cost=None, wasted=0.0,
         teams=(("ranking", 12_000.0), ("fraud", 5_000.0), ("unattributed", 1_420.0)), **more):
    return {
        "pool": name, "unit": "GPUs", "unit_hours": "GPU-hours", "limit": limit, "peak": peak, "used_hours": used,
        "limit_hours": 22_000.0, "share": used / 22_000, "before_hours": 16_600.0, "wasted_hours": wasted,
        "waste": [{"cause": "killed", "unit_hours": wasted}], "cost": cost, "currency": "USD",
        "forecast": None if p30 is None else {"p30": p30, "likely": likely, "earliest": likely, "hit_rate": 0.56},
        "by_team": [{"team": team, "used_hours": hours} for team, hours in teams],
        "by_pipeline": [{"pipeline": f"{team}-training", "team": team, "used_hours": hours} for team, hours in teams],
        "chart": {"lines": [LINE]}, **more,
    }


def body(*pools):
    return {"month": "2026-10", "compared_to": "2026-09", "pools": list(pools)}


def said(*pools):
    return {a.question: a for a in answers(body(*pools))}


def test_who_how_much_until_when_and_what_it_cost_for_nothing():
    found = said(pool(p30=0.68, likely="2026-12-14", wasted=3_110.0, cost=46_050.0))
    assert (found["who"].value, found["who"].note) == ("ranking", "65% of gpu-a100, most by ranking-training")
    assert (found["how much"].value, found["how much"].note) == (
        "84% of gpu-a100", "18,420 of 22,000 GPU-hours, +11% on September 2026")
    assert (found["until"].value, found["until"].note) == (
        "14 Dec 2026", "gpu-a100: 68% within 30 days, our hit rate 56%")
    assert (found["wasted"].value, found["wasted"].note) == ("3,110 GPU-hours", "17% of gpu-a100: killed 3,110")
    assert found["cost"].value == "46,050.00 USD"


def test_the_pool_that_presses_most_speaks_first():
    quiet, near, soon = pool("quiet"), pool("near", peak=60.0), pool("soon", p30=0.7, likely="2026-12-01")
    assert [p["pool"] for p in seen(body(quiet, near, soon))] == ["soon", "near", "quiet"]
    assert said(quiet, near, soon)["until"].note.startswith("soon: 70%")


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"peak": 64.0}, Verdict.FAIL), ({"peak": 60.0}, Verdict.WARN), ({"p30": 0.6}, Verdict.WARN),
     ({}, Verdict.PASS), ({"p30": None}, Verdict.INCONCLUSIVE)],
)
def test_a_pools_month_is_judged_and_without_a_forecast_unsure(more, verdict):
    assert state(pool(**more)) is verdict


def test_what_nobody_answers_for_is_no_team():
    found = said(pool(teams=(("unattributed", 18_420.0),)))
    assert (found["who"].value, found["who"].note) == ("nobody named", "all use of gpu-a100 is unattributed")


def test_costs_of_several_pools_add_up_per_currency_and_an_unpriced_pool_is_named():
    found = said(pool("a", cost=100.0), pool("b", cost=20.5), pool("c", cost=5.0, currency="EUR"), pool("d"))
    assert found["cost"].value == "5.00 EUR + 120.50 USD"
    assert found["cost"].note.endswith("no price for d")
    assert said(pool())["cost"].value == "no price"


def test_no_forecast_is_said_and_not_shown_as_never():
    assert said(pool(p30=None))["until"].value == "not known"
    assert said(pool(p30=None))["until"].state is Verdict.INCONCLUSIVE


def test_each_pool_has_a_row_of_the_same_answers():
    (row,) = rows(body(pool(cost=10.0)))
    assert row == {"state": "pass", "pool": "gpu-a100", "share": pytest.approx(0.837, abs=1e-3),
                   "used": "18,420 of 22,000 GPU-hours", "change": "+11%", "peak": "50 of 64 GPUs",
                   "most": "ranking 65%", "wasted": "0 GPU-hours", "cost": "10.00 USD", "until": "not in 90 days"}


def test_a_pool_without_samples_is_not_spoken_of():
    empty = pool("empty") | {"chart": {"lines": []}}
    assert [p["pool"] for p in seen(body(empty, pool()))] == ["gpu-a100"]
