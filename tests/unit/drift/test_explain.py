import numpy as np
import pyarrow as pa
import pytest

from services.adapters import profile_engine
from services.adapters.profile_engine import fit_baseline
from services.adapters.profile_sql import Source, identifier
from services.drift.explain import explain
from services.profiles.baseline import Baseline, baseline_from_json
from services.profiles.profile import Profile


def drawn(n: int, *, wind: float = 0.0, rain: float = 0.0, seed: int = 1) -> pa.Table:
    """Return rows whose score follows the wind strongly, the rain weakly, and the colour not at all."""
    rng = np.random.default_rng(seed)
    w, r = rng.normal(wind, 1, n), rng.normal(rain, 1, n)
    return pa.table({"wind": w, "rain": r, "colour": rng.choice(["red", "blue"], n), "score": w + 0.2 * r})


def counted(baseline: Baseline, table: pa.Table) -> Profile:
    with profile_engine.connect() as connection:
        connection.register("log", table)
        kinds = profile_engine.columns_of(connection, "log", "log")
        sources = {c: Source(value=identifier(c), kind=kinds[c]) for c in baseline.layout.columns}
        return profile_engine.count(connection, "log", baseline.layout, sources)[0][2]


@pytest.fixture(scope="module")
def trained() -> Baseline:
    return fit_baseline(drawn(20_000), features=["wind", "rain", "colour"], score="score")


def test_the_mean_score_per_bin_is_kept_and_survives_json(trained: Baseline) -> None:
    means = baseline_from_json(trained.to_json()).response["wind"]
    inside = [m for m in means if m is not None]
    assert len(means) == 13
    assert inside == sorted(inside)
    assert means[0] is means[-1] is None


def test_the_feature_that_moved_the_score_is_credited(trained: Baseline) -> None:
    found = explain(counted(trained, drawn(5000, wind=0.8, rain=0.1, seed=2)), trained.profile, trained)
    assert found is not None
    assert found.parts[0].column == "wind"
    assert found.parts[0].share > 0.9
    assert found.parts[0].shift == pytest.approx(0.8, rel=0.15)
    assert "; wind explains 9" in found.sentence


def test_a_feature_that_moves_without_the_score_is_not_blamed(trained: Baseline) -> None:
    table = drawn(5000, wind=0.5, seed=3)
    red = table.set_column(2, "colour", pa.array(["red"] * 5000))
    found = explain(counted(trained, red), trained.profile, trained)
    assert found is not None
    assert {p.column: p.share for p in found.parts}["colour"] < 0.05


def test_without_answers_in_the_baseline_nothing_is_explained() -> None:
    bare = fit_baseline(drawn(500), features=["wind"])
    assert explain(bare.profile, bare.profile, bare) is None
