"""What runs request reaches the right pool, is never guessed, and is laid over what was measured."""

from datetime import UTC, datetime

from services.quota.allot import allot, lay_over, pool_of
from services.quota.pool import Pool, Sample
from services.quota.ports import Request

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
CORES = Pool(name="cores", resource="cpu", limit=8, unit="cores", region="here")
MEMORY = Pool(name="memory", resource="ram", limit=32, unit="GiB")
A100 = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs", region="here")
H100 = Pool(name="gpu-h100", resource="gpu", limit=16, unit="GPUs", region="there")


def request(pool="cores", **more):
    return Request(**{"pipeline": "train", "pool": pool, "amounts": {"cpu": 2.0, "ram": 4.0}, **more})


def test_a_request_goes_to_the_named_pool_else_to_the_only_one_of_its_resource():
    found = allot([request()], [CORES, MEMORY], now=NOW)
    assert {(s.pool, s.requested) for s in found} == {("cores", 2.0), ("memory", 4.0)}


def test_among_several_pools_the_region_decides_and_else_nothing_is_guessed():
    assert pool_of(request("cores"), "gpu", [CORES, A100, H100]) is A100
    assert pool_of(request(""), "gpu", [CORES, A100, H100]) is None


def test_two_runs_of_one_pipeline_add_up_and_a_waiting_one_is_pending():
    found = allot([request(), request(), request(waiting=True)], [CORES], now=NOW)
    assert [(s.requested, s.pending) for s in found] == [(4.0, 2.0)]


def measured(pipeline, used, pool="cores", **more):
    return Sample(ts=NOW, pool=pool, pipeline=pipeline, used=used, **more)


def test_requests_are_laid_over_measured_use():
    asked = allot([request(team="a"), request(pipeline="other")], [CORES], now=NOW)
    found = {s.pipeline: s for s in lay_over([measured("", 3.0), measured("train", 1.5)], asked, unmeasured=())}
    assert (found["train"].used, found["train"].requested, found["train"].team) == (1.5, 2.0, "a")
    assert (found["other"].used, found["other"].requested) == (0.0, 2.0)
    assert found[""].requested is None


def test_a_pool_that_nothing_measures_is_held_by_its_requests():
    asked = allot([request("gpu-a100", amounts={"gpu": 8.0})], [A100], now=NOW)
    assert [s.used for s in lay_over([], asked, unmeasured={"gpu-a100"})] == [8.0]


def test_a_pool_whose_source_is_away_is_left_alone():
    asked = allot([request("gpu-a100", amounts={"gpu": 8.0})], [A100], now=NOW)
    assert lay_over([], asked, unmeasured=()) == []
