"""A pipeline is errant when it is far above its own usual and the excess matters to the pool."""

from datetime import UTC, datetime, timedelta

import pytest

from services.core.measurement import Verdict
from services.quota import errant
from services.quota.attribution import standing
from services.quota.pool import Pool, Sample

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
POOL = Pool(name="gpu-a100", resource="gpu", limit=100, unit="GPUs")
HOURS = [10.0, 12.0, 14.0] * 56  # a week around 12
USUAL = errant.usual(HOURS, declared=None, peers=[])


def points(*values, every=10):
    first = NOW - timedelta(minutes=every * (len(values) - 1))
    return [(first + timedelta(minutes=every * i), float(v)) for i, v in enumerate(values)]


def test_usual_is_the_median_and_the_median_deviation():
    assert (USUAL.middle, USUAL.spread, USUAL.source) == (12.0, 2.0, "its last 7 days")
    assert USUAL.z(12.0 + 3 * 1.4826) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("values", "since_minutes"),
    [
        ((12, 50, 50, 50), 20),
        ((12, 12, 50, 50), None),  # not for 20 minutes yet
        ((50, 12, 50, 50), None),  # interrupted
        ((12, 16, 16, 16), None),  # z is small
        ((12, 50, 50, 50, 50, 50), 40),
    ],
)
def test_three_samples_over_twenty_minutes_make_a_surge(values, since_minutes):
    since = errant.surging(points(*values), USUAL, limit=100)
    assert since == (None if since_minutes is None else NOW - timedelta(minutes=since_minutes))


def test_many_quick_samples_still_wait_twenty_minutes():
    assert errant.surging(points(*[50] * 20, every=1), USUAL, limit=100) is None
    assert errant.surging(points(*[50] * 21, every=1), USUAL, limit=100) is not None


def test_an_excess_below_five_percent_of_the_pool_harms_nobody():
    steady = errant.Usual(middle=1.0, spread=0.0, source="its last 7 days")
    assert errant.surging(points(5.5, 5.5, 5.5), steady, limit=100) is None
    assert errant.surging(points(6.5, 6.5, 6.5), steady, limit=100) is not None


def test_a_declared_large_run_is_not_errant_up_to_what_was_declared():
    known = errant.usual(HOURS, declared=60.0, peers=[])
    assert errant.surging(points(58, 58, 58), known, limit=100) is None
    assert errant.surging(points(80, 80, 80), known, limit=100) is not None


def test_a_new_pipeline_is_held_against_its_peers():
    known = errant.usual([], declared=None, peers=[4.0, 8.0, 20.0])
    assert (known.middle, known.source) == (8.0, "its peers' P90")
    assert errant.usual([], declared=None, peers=[]).source == "nothing yet"


def found(used, *, pending=0.0, others=10.0):
    samples = [
        Sample(ts=NOW, pool="gpu-a100", pipeline="train", used=used, team="a"),
        Sample(ts=NOW, pool="gpu-a100", pipeline="serve", used=others, pending=pending),
    ]
    held = standing(POOL, samples, limit=100)
    surges = errant.find(held, {"train": points(used, used, used)}, {"train": HOURS}, declared={})
    return held, surges


def test_the_measurement_names_pipeline_excess_since_owner_and_victims():
    held, surges = found(50.0, pending=8.0)
    said = errant.measure(held, surges, was_open=(), now=NOW, owners={"train": "ranking"})[0]
    assert said.verdict is Verdict.FAIL
    assert said.reason == ("train holds 50 GPUs of gpu-a100, +38 GPUs over its usual 12 GPUs, for 20 min "
                           "(owner ranking); 1 pipelines wait: serve")
    assert said.detail["victims"] == ["serve"]


def test_a_surge_that_harms_nobody_yet_warns_and_one_in_a_full_pool_fails():
    for others, verdict in ((10.0, Verdict.WARN), (45.0, Verdict.FAIL)):
        held, surges = found(50.0, others=others)
        assert errant.measure(held, surges, was_open=(), now=NOW, owners={})[0].verdict is verdict


def test_a_surge_that_ended_is_said_to_have_ended():
    held, surges = found(12.0)
    said = {m.column: m for m in errant.measure(held, surges, was_open=("train",), now=NOW, owners={})}
    assert {column: m.verdict for column, m in said.items()} == {"train": Verdict.PASS, "": Verdict.PASS}
