"""Who holds a pool adds up to the pool, whatever the samples."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quota.attribution import standing
from services.quota.pool import Pool, Sample

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
GPUS = Pool(name="gpu", resource="gpu", limit=64, unit="GPUs")
AMOUNT = st.floats(min_value=0, max_value=1e4, allow_nan=False)
MAYBE = st.none() | AMOUNT


def sample(pipeline, used, requested=None, **more):
    return Sample(ts=NOW, pool="gpu", pipeline=pipeline, used=used, requested=requested, **more)


@given(
    parts=st.lists(st.tuples(st.sampled_from("abcdef"), AMOUNT, MAYBE), max_size=12),
    meter=st.none() | st.tuples(AMOUNT, MAYBE), limit=st.floats(min_value=0.1, max_value=1e4),
)
def test_every_standing_adds_up(parts, meter, limit):
    samples = [sample(name, used, requested) for name, used, requested in parts]
    if meter:
        samples.append(sample("", *meter))
    if not samples:
        return
    held = standing(GPUS, samples, limit=limit)
    close = pytest.approx(held.used, rel=1e-9, abs=1e-6)
    assert sum(s.used for s in held.shares) + held.unattributed == close
    assert held.used + held.held_idle + held.unallocated == pytest.approx(limit + held.over, rel=1e-9, abs=1e-6)
    assert min(held.unattributed, held.held_idle, held.unallocated, held.over, held.over_attributed) >= 0
    assert sum(s.used for s in held.shares) == pytest.approx(sum(u for _, u, _ in parts), rel=1e-9, abs=1e-6)


def test_what_the_meter_shows_beyond_the_pipelines_is_unattributed():
    held = standing(GPUS, [sample("", 10.0), sample("train", 6.0, 8.0), sample("serve", 1.0)], limit=64)
    assert (held.used, held.unattributed, held.held_idle, held.unallocated) == (10.0, 3.0, 0.0, 54.0)
    assert [s.pipeline for s in held.shares] == ["train", "serve"]
    assert held.requested == 8.0
    assert held.shares[1].requested is None, "undeclared is not zero"


def test_a_full_quota_may_be_idle():
    held = standing(GPUS, [sample("train", 4.0, 64.0)], limit=64)
    assert (held.used_pct, held.requested_pct, held.held_idle, held.unallocated) == (6.25, 100.0, 60.0, 0.0)


def test_pipelines_that_add_up_to_more_than_the_meter_are_flagged():
    held = standing(GPUS, [sample("", 10.0), sample("train", 9.0), sample("serve", 6.0)], limit=64)
    assert held.over_attributed == 5.0
    assert held.used == 15.0


def test_a_limit_below_use_leaves_nothing_unallocated():
    held = standing(GPUS, [sample("train", 10.0)], limit=8)
    assert (held.over, held.unallocated, held.used_pct) == (2.0, 0.0, 125.0)
