"""When a pool is full: a probability that means something, or the reason why there is none."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from services.core.measurement import Verdict
from services.quota import forecast
from services.quota.pool import Pool

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs")


def peaks(days, value, *, noise=1.0, seed=1):
    source = random.Random(seed)
    first = date(2026, 3, 4) - timedelta(days=days)
    return [(first + timedelta(days=i), value(i) + source.gauss(0, noise)) for i in range(days)]


def test_below_fourteen_days_there_is_no_forecast_and_the_reason_says_so():
    few = peaks(13, lambda i: 40.0)
    assert forecast.forecast(few, limit=64) is None
    said = forecast.measure(POOL, few, limit=64, now=NOW)
    assert said.verdict is Verdict.INCONCLUSIVE
    assert said.reason == "no forecast for gpu-a100: 13 daily peaks: a forecast needs 14"


def test_too_many_missing_days_are_no_ground_for_a_forecast():
    holes = [peak for i, peak in enumerate(peaks(40, lambda i: 40.0)) if i % 2]
    assert "days have no sample" in forecast.why_not(holes)


def test_a_steady_pool_far_below_its_limit_is_not_full_soon():
    found = forecast.forecast(peaks(40, lambda i: 30.0), limit=64)
    assert (found.p7, found.p30, found.likely) == (0.0, 0.0, None)
    assert found.ahead[0].low < 30.0 < found.ahead[0].high


def test_growth_brings_the_date_nearer_and_the_probabilities_are_in_order():
    slow = forecast.forecast(peaks(40, lambda i: 40.0 + 0.5 * i), limit=66)
    near = forecast.forecast(peaks(40, lambda i: 40.0 + 0.5 * i), limit=61)
    assert slow.p7 <= slow.p30 <= near.p30
    assert near.p7 >= 0.5
    assert near.earliest <= near.likely <= date(2026, 3, 4) + timedelta(days=7)


def test_a_constant_pool_needs_no_model():
    flat = [(day, 10.0) for day, _ in peaks(20, lambda i: 0)]
    assert forecast.forecast(flat, limit=64).p30 == 0.0
    assert forecast.forecast(flat, limit=10).p7 == 1.0


def test_the_same_question_has_the_same_answer():
    given = peaks(30, lambda i: 40.0 + 0.3 * i)
    assert forecast.forecast(given, limit=55) == forecast.forecast(given, limit=55)


def test_the_backtest_never_sees_the_future_and_counts_both_kinds_of_right():
    given = peaks(40, lambda i: 30.0 if i < 30 else 60.0)
    record = forecast.backtest(given, limit=55, origins=6)
    assert record.origins == 6
    assert record.right >= record.both
    # The jump cannot be known before it happens, so a forecaster that sees no future misses it.
    assert record.hit_rate < 1.0


def test_the_sentence_carries_its_own_hit_rate():
    found = forecast.forecast(peaks(40, lambda i: 40.0 + 0.5 * i), limit=61)
    record = forecast.Record(origins=12, right=10, said=6, came=7, both=5, base_right=7)
    words = forecast.sentence(POOL, found, 61, record)
    assert "gpu-a100 likely reaches its 61 GPUs on" in words
    assert "on its past 10 of 12 such forecasts were right (7 by always saying the commoner answer)" in words


@pytest.mark.parametrize(("limit", "verdict"), [(45.0, Verdict.WARN), (200.0, Verdict.PASS)])
def test_it_warns_when_full_within_a_week_is_likelier_than_not(limit, verdict):
    said = forecast.measure(POOL, peaks(30, lambda i: 44.0), limit=limit, now=NOW)
    assert said.verdict is verdict
    assert len(said.detail["ahead"]) == 30
