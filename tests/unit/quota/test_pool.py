"""Impossible samples and unknown units are refused with the row named; limits hold from their date."""

from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from services.errors import SourceMalformed
from services.quota.pool import Limit, Sample, check, in_two_pools, in_unit, limit_at

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)


def sample(**more):
    return Sample(**{"ts": NOW, "pool": "gpu", "pipeline": "train", "used": 1.0, **more})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"used": -1.0}, "used = -1"), ({"used": nan}, "used = nan"), ({"requested": inf}, "requested = inf"),
     ({"pending": -0.5}, "pending = -0.5"), ({"pool": ""}, "pool is empty"),
     ({"ts": NOW.replace(tzinfo=None)}, "ts has no zone")],
)
def test_an_impossible_sample_is_refused_with_its_row(wrong, said):
    with pytest.raises(SourceMalformed, match=f"line 17 of usage.csv: {said}"):
        check(sample(**wrong), row="line 17 of usage.csv")


def test_gib_and_gb_are_told_apart():
    assert in_unit(16, "GiB", resource="ram") == 16
    assert in_unit(16, "GB", resource="ram") == pytest.approx(14.901, abs=1e-3)
    assert in_unit(500, "m", resource="cpu") == 0.5


def test_an_unknown_unit_is_never_guessed():
    with pytest.raises(SourceMalformed, match="row 3: unit 'gigs' is not one of ram's"):
        in_unit(1, "gigs", resource="ram", row="row 3")


def test_a_limit_holds_from_its_date():
    limits = [Limit(pool="gpu", since=NOW + timedelta(days=d), value=v) for d, v in ((0, 8.0), (10, 16.0))]
    assert [limit_at(limits, NOW + timedelta(days=d), otherwise=4.0) for d in (-1, 0, 9, 10, 99)] == [4, 8, 8, 16, 16]


def test_a_pipeline_in_two_pools_of_one_resource_is_named():
    resources = {"gpu": "gpu", "gpu-2": "gpu", "ram": "ram"}
    found = in_two_pools([sample(), sample(pool="gpu-2"), sample(pool="ram"), sample(pipeline="serve")], resources)
    assert found == {"train": ("gpu", "gpu-2")}
