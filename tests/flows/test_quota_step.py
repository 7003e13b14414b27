"""The quota step end to end: settings and sources in, samples, roll-ups and verdicts out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.adapters.measurement_table import MeasurementTable
from services.adapters.quota_table import QuotaTable
from services.core.measurement import Verdict
from services.errors import SourceUnavailable
from services.monitor.steps.quota import QuotaStep
from services.quota.history import history, now_held
from services.quota.pool import Limit, Pool, PoolKind, Sample
from services.quota.ports import Request

CORES = Pool(name="cores", resource="cpu", limit=8, unit="cores")
A100 = Pool(name="gpu-a100", resource="gpu", limit=4, unit="GPUs")


class Source:
    """A source that measures the given use of the cores."""

    name = "usage:test"
    pools = frozenset({"cores"})
    limits = faults = ()

    def __init__(self, **used):
        self.used = used

    def sample(self, *, now):
        if not self.used:
            raise SourceUnavailable("the meter at :9090 does not answer: start it")
        return [Sample(ts=now, pool="cores", pipeline=name, used=value) for name, value in self.used.items()]


class Runs:
    """The mirror's active runs."""

    def __init__(self, *requests):
        self.requests = requests

    def active(self):
        return self.requests


TRAIN = Request(pipeline="train", pool="gpu-a100", amounts={"gpu": 4.0, "cpu": 6.0}, kind="training", team="a")


@pytest.fixture
def room(db):
    class Room:
        store, measurements = QuotaTable(db), MeasurementTable(db)

        def step(self, *sources, runs=None, pools=(CORES, A100), **more):
            return QuotaStep(pools=pools, sources=sources, requests=runs or Runs(), always_on=(), store=self.store,
                             measurements=self.measurements, **more)

        def verdicts(self):
            return {(m.subject, m.name): m for m, _ in self.measurements.newest()}

    return Room()


def test_a_pass_stores_use_and_requests_and_judges_every_pool(room, now):
    step = room.step(Source(train=2.0, serve=1.0), runs=Runs(TRAIN))
    for minute in range(-20, 1, 5):
        step.run(now=now + timedelta(minutes=minute))
    found = room.verdicts()
    assert found["cores", "pool_used_pct"].value == 37.5
    assert found["cores", "pool_requested_pct"].value == 75.0
    assert found["cores", "pool_used_pct"].verdict is Verdict.PASS
    # Nothing measures the GPUs, so their use is what was allocated: all four, for twenty minutes.
    assert found["gpu-a100", "pool_used_pct"].verdict is Verdict.FAIL
    assert "most by train (4 GPUs)" in found["gpu-a100", "pool_used_pct"].reason
    rolled = room.store.history("cores", _day(now), grain="day")[0]
    assert rolled.used_hours / rolled.hours == pytest.approx(3.0)


def test_the_same_pass_again_changes_nothing(room, now):
    step = room.step(Source(train=2.0))
    step.run(now=now)
    before = room.store.ticks("cores", _day(now)), room.verdicts()
    step.run(now=now)
    assert (room.store.ticks("cores", _day(now)), room.verdicts()) == before


def test_a_source_that_is_away_is_named_and_the_other_pools_are_still_judged(room, now):
    with pytest.raises(SourceUnavailable, match="usage:test: the meter at :9090 does not answer"):
        room.step(Source(), runs=Runs(TRAIN)).run(now=now)
    found = room.verdicts()
    assert found["cores", "pool_used_pct"].verdict is Verdict.INCONCLUSIVE
    assert found["gpu-a100", "pool_used_pct"].value == 100.0


def test_a_limit_changed_in_the_settings_holds_from_then_on_and_the_past_keeps_its_own(room, now):
    room.step(Source(train=2.0)).run(now=now)
    smaller = Pool(name="cores", resource="cpu", limit=1, unit="cores")
    later = now + timedelta(hours=1)
    room.step(Source(train=2.0), pools=(smaller,)).run(now=later)
    limits = room.store.limits("cores")
    assert [limit.value for limit in limits] == [8.0, 1.0]
    assert limits[1].since == later
    room.step(Source(train=2.0), pools=(smaller,)).run(now=later + timedelta(hours=1))
    assert len(room.store.limits("cores")) == 2


def test_dated_limits_of_the_settings_hold_from_their_dates(room, now):
    dated = Limit(pool="cores", since=now - timedelta(days=1), value=16.0)
    pool = Pool(name="cores", resource="cpu", limit=8, unit="cores", limits=(dated,))
    room.step(Source(train=8.0), pools=(pool,)).run(now=now)
    assert room.verdicts()["cores", "pool_used_pct"].value == 50.0


def test_a_surge_becomes_a_measurement_and_its_end_another(room, now):
    room.store.write(Sample(ts=now - timedelta(hours=h), pool="cores", pipeline="train", used=1.0)
                     for h in range(1, 169))
    step = room.step(Source(train=7.5))
    for minute in range(0, 31, 10):
        step.run(now=now + timedelta(minutes=minute))
    errant = {m.column: m for m, _ in room.measurements.newest(name="errant_pipeline")}
    assert errant["train"].verdict is Verdict.FAIL
    assert "+6.5 cores over its usual 1 core, for 30 min" in errant["train"].reason
    room.step(Source(train=1.0)).run(now=now + timedelta(minutes=40))
    errant = {m.column: m for m, _ in room.measurements.newest(name="errant_pipeline")}
    assert {column: m.verdict for column, m in errant.items()} == {"train": Verdict.PASS, "": Verdict.PASS}


def _day(now):
    from services.core.window import DAY, TimeWindow

    midnight = now.replace(hour=0, minute=0)
    return TimeWindow(midnight, midnight + DAY)


def test_what_was_idle_is_not_said_for_ever_once_nothing_is_requested(room, now):
    for minute in range(-30, 1, 5):
        room.step(Source(train=0.2), runs=Runs(TRAIN)).run(now=now + timedelta(minutes=minute))
    assert room.verdicts()["cores", "idle"].verdict is Verdict.WARN
    room.step(Source(train=0.2)).run(now=now + timedelta(minutes=5))
    said = room.verdicts()["cores", "idle"]
    assert (said.verdict, said.reason) == (Verdict.PASS, "nothing is requested of cores")


def test_a_data_pipeline_that_was_too_fast_and_ended_is_asked_about_once_more(room, now):
    hour = now.replace(minute=0)
    room.store.write(Sample(ts=hour - timedelta(hours=h), pool="cores", pipeline="ingest", kind="data",
                            used=8.0 if h == 1 else 1.0) for h in range(1, 40))
    fast = Sample(ts=now, pool="cores", pipeline="ingest", kind="data", used=8.0)
    room.store.write([fast])
    room.step(Source(train=0.1)).run(now=now)
    rates = {m.column: m.verdict for m, _ in room.measurements.newest(name="usage_rate")}
    assert rates["ingest"] is Verdict.WARN
    for hours in (1, 2):
        room.step(Source(train=0.1)).run(now=now + timedelta(hours=hours))
    rates = {m.column: m.verdict for m, _ in room.measurements.newest(name="usage_rate")}
    assert rates["ingest"] is Verdict.PASS


TPUS = [Pool(name=f"tpu-v5e-{region}", resource="tpu", limit=16, unit="TPU chips", model="v5e", region=region)
        for region in ("us-east1", "europe-west4")]


def test_pools_of_one_model_in_two_regions_are_kept_apart(room, now):
    here = Request(pipeline="embed", pool="tpu-v5e-europe-west4", amounts={"tpu": 12.0}, kind="training", team="a")
    for minute in range(-20, 1, 5):
        room.step(Source(train=1.0), runs=Runs(here), pools=(CORES, *TPUS)).run(now=now + timedelta(minutes=minute))
    found = room.verdicts()
    assert found["tpu-v5e-europe-west4", "pool_used_pct"].value == 75.0
    assert "12 TPU chips of 16 TPU chips in use" in found["tpu-v5e-europe-west4", "pool_used_pct"].reason
    assert found["tpu-v5e-us-east1", "pool_used_pct"].verdict is Verdict.INCONCLUSIVE, "unmeasured is not zero"


class Cluster(Source):
    """A source of its own that samples the pool `burst`, a little earlier than the others."""

    name = "usage:cluster"
    pools = frozenset({"burst"})

    def sample(self, *, now):
        return [replace(sample, pool="burst") for sample in super().sample(now=now - timedelta(minutes=4))]


BURST = Pool(name="burst", resource="cpu", limit=8, unit="cores")


def test_a_pipeline_in_two_pools_is_found_across_sources_that_sample_at_moments_of_their_own(room, now):
    pools = (CORES, BURST, A100)
    room.step(Source(train=2.0, serve=1.0), Cluster(train=2.0, nightly=3.0), pools=pools).run(now=now)
    found = room.verdicts()
    for pool in ("cores", "burst"):
        said = found[pool, "two_pools"]
        assert said.verdict is Verdict.WARN
        assert said.reason.startswith("train holds 2 cores of burst and 2 cores of cores at once: if that is one use")
        assert said.detail == {"pipelines": {"train": ["burst", "cores"]}}
    assert ("gpu-a100", "two_pools") not in found, "a pool without a sibling cannot be counted twice"
    room.step(Source(serve=1.0), Cluster(train=2.0), pools=pools).run(now=now + timedelta(minutes=5))
    assert room.verdicts()["cores", "two_pools"].verdict is Verdict.PASS


def test_two_pools_that_are_meant_are_no_warning_and_a_third_one_is(room, now):
    third = Pool(name="lab", resource="cpu", limit=8, unit="cores")
    meant = {"train": frozenset({"cores", "burst"})}
    room.step(Source(train=2.0), Cluster(train=2.0), pools=(CORES, BURST, third), meant=meant).run(now=now)
    assert {m.verdict for (_, name), m in room.verdicts().items() if name == "two_pools"} == {
        Verdict.PASS, Verdict.INCONCLUSIVE}
    room.store.write([Sample(ts=now, pool="lab", pipeline="train", used=1.0)])
    room.step(Source(train=2.0), Cluster(train=2.0), pools=(CORES, BURST, third), meant=meant).run(now=now)
    assert room.verdicts()["lab", "two_pools"].verdict is Verdict.WARN


def test_a_budget_burns_over_its_period_and_is_never_said_to_be_full_at_once(room, now):
    budget = Pool(name="cores", resource="cpu", limit=744.0, unit="cores", kind=PoolKind.BUDGET, period="month")
    for back in range(80, -1, -1):
        room.store.write([Sample(ts=now - timedelta(hours=back), pool="cores", pipeline="train", used=4.0)])
    room.step(Source(train=4.0), pools=(budget,)).run(now=now)
    found = room.verdicts()
    assert {name for _, name in found} == {"budget_burn"}
    burn = found["cores", "budget_burn"]
    assert burn.verdict is Verdict.WARN
    assert "(43%) in 12% of its period: 3.7 times even pace, over 1 for 3 d and still" in burn.reason
    held = now_held(room.store, budget, now=now)
    assert (held.limit, held.over) == (1.0, 3.0), "744 core-hours over March are one core at once"


def test_a_month_against_a_budget_is_its_share_of_the_budget(room, now):
    budget = Pool(name="cores", resource="cpu", limit=744.0, unit="cores", kind=PoolKind.BUDGET, period="month")
    room.store.write([Sample(ts=_day(now).start + timedelta(hours=h), pool="cores", pipeline="train", used=4.0)
                      for h in range(24)])
    seen = history(room.store, budget, _day(now))
    assert (seen.used_hours, seen.limit_hours) == (96.0, pytest.approx(24.0))
