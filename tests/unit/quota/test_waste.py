"""What is held for nothing is found: idle requests, stuck quota, experiments beyond their share, a burning budget."""

from datetime import UTC, datetime, timedelta

import pytest

from services.core.measurement import Verdict
from services.quota import waste
from services.quota.attribution import standing
from services.quota.pool import Pool, PoolKind, Sample
from services.quota.ports import Tick

NOW = datetime(2026, 3, 11, 0, 0, tzinfo=UTC)
POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs")
BUDGET = Pool(name="gpu-hours", resource="gpu", limit=7_200, unit="GPUs", kind=PoolKind.BUDGET, period="month")


def ticks(used, requested=None, pending=None, *, count=8, every=5):
    return [Tick(ts=NOW - timedelta(minutes=every * (count - 1 - i)), used=used, requested=requested, pending=pending)
            for i in range(count)]


def held(used, requested=None, pending=None, kind="training"):
    return standing(POOL, [Sample(ts=NOW, pool="gpu-a100", pipeline="train", kind=kind, used=used,
                                  requested=requested, pending=pending)], limit=64)


def test_a_request_used_by_less_than_half_for_half_an_hour_is_idle():
    said = waste.idle(held(4.0, 32.0), ticks(4.0, 32.0), now=NOW)
    assert said.verdict is Verdict.WARN
    assert "28 GPUs idle; most by train, 4 GPUs of 32 GPUs" in said.reason
    assert waste.idle(held(20.0, 32.0), ticks(20.0, 32.0), now=NOW).verdict is Verdict.PASS
    assert waste.idle(held(4.0, 32.0), ticks(4.0, 32.0, count=1), now=NOW).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("used", "requested", "pending", "verdict", "said"),
    [
        (10.0, 20.0, 8.0, Verdict.WARN, "wait while 44 GPUs"),  # free, and work waits
        (10.0, 64.0, 8.0, Verdict.WARN, "requested and idle"),  # full, and idle
        (62.0, 64.0, 8.0, Verdict.PASS, "nothing waits"),  # full, and busy
        (10.0, 20.0, 0.0, Verdict.PASS, "nothing waits"),
    ],
)
def test_stuck_quota_is_told_from_a_busy_pool(used, requested, pending, verdict, said):
    found = waste.stuck(held(used, requested, pending), ticks(used, requested, pending), now=NOW)
    assert found.verdict is verdict
    assert said in found.reason


def test_experiments_beyond_their_share_are_the_first_to_throttle():
    said = waste.experiments(held(20.0, kind="experiment"), budgeted=0.2, now=NOW)
    assert said.verdict is Verdict.WARN
    assert "throttle train first" in said.reason


def burn(used, spent):
    return waste.burn(BUDGET, ticks(used, count=900, every=5), used_hours=spent, budget=7_200, now=NOW)


def test_an_even_pace_passes_and_a_fast_one_is_said_with_its_rate():
    # March has 744 hours; 10 of its 31 days are over.
    even = burn(7_200 / 744, 7_200 * 10 / 31)
    assert (even.verdict, even.value) == (Verdict.PASS, pytest.approx(1.0))
    assert burn(7.0 * 7_200 / 744, 3_000).verdict is Verdict.FAIL
    assert burn(1.5 * 7_200 / 744, 3_000).verdict is Verdict.WARN
    assert burn(1.0, 7_300).reason.endswith("the budget is spent")


def test_periods_are_months_or_spans():
    assert waste.period(BUDGET, NOW).length == timedelta(days=31)
    weekly = Pool(name="w", resource="gpu", limit=1, unit="GPUs", kind=PoolKind.BUDGET, period="7d")
    found = waste.period(weekly, NOW)
    assert found.length == timedelta(days=7)
    assert NOW in found
