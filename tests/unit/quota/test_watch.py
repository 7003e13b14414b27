"""Near the limit is said once, after it has held, and left a little lower than it was entered."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.measurement import Verdict, Why
from services.quota import watch
from services.quota.attribution import standing
from services.quota.pool import Pool, Sample
from services.quota.ports import Tick

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
GPUS = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs")


def points(*pcts, every=5):
    first = NOW - timedelta(minutes=every * (len(pcts) - 1))
    return [(first + timedelta(minutes=every * i), float(pct)) for i, pct in enumerate(pcts)]


def ticks(*used, requested=None, every=5):
    return [Tick(ts=at, used=value, requested=requested, pending=None) for at, value in points(*used, every=every)]


def held(used, requested=None, pending=None, limit=64.0):
    sample = Sample(ts=NOW, pool="gpu-a100", pipeline="train", used=used, requested=requested, pending=pending)
    return standing(GPUS, [sample], limit=limit)


@pytest.mark.parametrize(
    ("pcts", "expected"),
    [
        ((10, 20, 30), 0),
        ((92, 92), 0),  # not held for 15 minutes
        ((92, 92, 92, 92), 90),
        ((92, 92, 92, 92, 86), 90),  # within 5 points below
        ((92, 92, 92, 92, 84), 75),  # left, and still within reach of the level below
        ((92, 92, 92, 92, 60), 0),
        ((80, 92, 80, 92, 80), 75),  # never held 90
        ((100, 100, 100, 100), 100),
        ((101, 101, 101, 101, 96, 94), 90),
    ],
)
def test_levels_hold_and_clear(pcts, expected):
    assert watch.level(points(*pcts)) == expected


@given(st.lists(st.floats(0, 150), min_size=1, max_size=60))
def test_a_level_never_stands_more_than_five_points_above_the_use(pcts):
    standing_level = watch.level(points(*pcts))
    assert standing_level in (0.0, *watch.LEVELS)
    assert standing_level == 0 or pcts[-1] >= standing_level - watch.CLEAR_POINTS


def test_a_full_pool_fails_and_says_who_holds_most():
    used, rate = watch.measure(held(64.0), ticks(*[64.0] * 30), pool=GPUS, limit=64, now=NOW)
    assert used.verdict is Verdict.FAIL
    assert "64 GPUs of 64 GPUs in use (100%)" in used.reason
    assert "most by train (64 GPUs)" in used.reason
    assert rate.verdict is Verdict.PASS


def test_a_pool_full_of_requests_warns_and_fails_only_when_somebody_waits():
    full = ticks(*[4.0] * 10, requested=64.0)
    quiet = watch.measure(held(4.0, 64.0), full, pool=GPUS, limit=64, now=NOW)[1]
    waited = watch.measure(held(4.0, 64.0, pending=8.0), full, pool=GPUS, limit=64, now=NOW)[1]
    assert (quiet.name, quiet.verdict, waited.verdict) == ("pool_requested_pct", Verdict.WARN, Verdict.FAIL)
    assert "60 GPUs of it idle" in quiet.reason


def test_requests_beyond_the_limit_are_said_to_overcommit_the_pool():
    found = watch.measure(held(4.0, 80.0), ticks(*[4.0] * 10, requested=80.0), pool=GPUS, limit=64, now=NOW)[1]
    assert (found.name, found.verdict, found.value) == ("pool_requested_pct", Verdict.WARN, 125.0)
    assert found.reason.endswith("requests overcommit the pool")


def test_no_recent_sample_is_inconclusive_and_says_where_to_look():
    found = watch.measure(None, ticks(1.0), pool=GPUS, limit=64, now=NOW)
    assert {(m.verdict, m.why) for m in found} == {(Verdict.INCONCLUSIVE, Why.LATE)}
    assert "System page" in found[0].reason


def test_a_limit_that_dropped_below_use_is_said():
    found = watch.measure(held(10.0, limit=8.0), ticks(*[10.0] * 10), pool=GPUS, limit=8, now=NOW)[0]
    assert found.verdict is Verdict.FAIL
    assert "the limit lies below what is in use" in found.reason


def test_a_steep_rise_near_the_limit_warns_with_the_time_left():
    rate = watch.rate(held(58.0), ticks(*([40.0] * 12 + [55.0] * 12)), limit=64, window=watch.TimeWindow.last(
        watch.LOOK_BACK, now=NOW), now=NOW)
    assert rate.verdict is Verdict.WARN
    assert rate.value == pytest.approx(15.0, abs=1.5)
    assert "full in" in rate.reason


def test_the_same_rise_far_from_the_limit_is_no_news():
    found = watch.measure(held(20.0), ticks(*([5.0] * 12 + [20.0] * 12)), pool=GPUS, limit=64, now=NOW)
    assert found[-1].verdict is Verdict.PASS


def test_a_data_pipeline_is_held_against_its_own_usual_hours():
    usual = [4.0, 5.0] * 20
    calm = watch.pipeline_rate("ingest", [*usual, 5.0], pool=GPUS, limit=64, now=NOW)
    fast = watch.pipeline_rate("ingest", [*usual, 20.0], pool=GPUS, limit=64, now=NOW)
    new = watch.pipeline_rate("ingest", [5.0, 5.0], pool=GPUS, limit=64, now=NOW)
    assert (calm.verdict, fast.verdict, new.verdict) == (Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE)
    assert "usually 4.5" in fast.reason
