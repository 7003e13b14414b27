"""Late labels and pairs of answers are judged with bounds that hold at every look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.measurement import Verdict
from services.releases.bounded import interval
from services.releases.canary import Counted, Labelled, Metric, Pairs, Segment
from services.releases.judge import ALPHA, SPLIT, judge
from services.releases.outcomes import pairs, quality


def ever_wrong(draws: np.ndarray, mean: float, alpha: float) -> float:
    """Return the share of sequences whose interval excluded the mean at any of some looks."""
    wrong = [any(not low <= mean <= high for low, high in (interval(row[:n], alpha=alpha)
                                                           for n in (20, 100, 400, len(row)))) for row in draws]
    return float(np.mean(wrong))


@pytest.mark.parametrize(("name", "draw", "mean"), [
    ("coin", lambda d, n: d.random(n) < 0.1, 0.1),
    ("skewed", lambda d, n: d.beta(0.4, 3.6, n), 0.1),
    ("even", lambda d, n: d.random(n), 0.5),
])
def test_the_mean_lies_within_at_all_looks_together(name: str, draw, mean: float) -> None:
    source = np.random.default_rng(4)
    draws = np.array([draw(source, 800) for _ in range(300)], dtype=float)
    assert ever_wrong(draws, mean, 0.05) <= 0.05, name


@given(st.lists(st.floats(0, 1), max_size=60))
def test_the_interval_stays_within_zero_and_one_and_holds_nothing_narrower_than_it_saw(values: list[float]) -> None:
    low, high = interval(values, alpha=0.05)
    assert 0 <= low <= 1
    assert 0 <= high <= 1
    if len(values) < 5:
        assert (low, high) == (0.0, 1.0)


def test_the_interval_narrows_faster_where_values_vary_less() -> None:
    source = np.random.default_rng(1)
    wide = interval(source.random(2000), alpha=0.05)
    narrow = interval(0.5 + 0.02 * (source.random(2000) - 0.5), alpha=0.05)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 3


def losses(champion: float, candidate: float, n: int, **more) -> Labelled:
    source = np.random.default_rng(7)
    return Labelled(champion=tuple((source.random(n) < champion).astype(float)),
                    candidate=tuple((source.random(n) < candidate).astype(float)), asked=2 * n, measure="share wrong",
                    **more)


@pytest.mark.parametrize(("champion", "candidate", "n", "verdict"), [
    (0.10, 0.10, 6000, Verdict.PASS), (0.10, 0.30, 1500, Verdict.FAIL), (0.10, 0.10, 200, Verdict.INCONCLUSIVE),
    (0.10, 0.05, 4000, Verdict.PASS), (0.10, 0.30, 20, Verdict.INCONCLUSIVE)])
def test_quality_passes_fails_or_stays_unsure(champion: float, candidate: float, n: int, verdict: Verdict) -> None:
    found = quality(losses(champion, candidate, n), alpha=0.01)
    assert found.verdict is verdict, found.reason
    assert f"{n:,} of {2 * n:,} requests" in found.reason


def test_a_harmless_candidate_is_hardly_ever_blamed_by_its_labels() -> None:
    source = np.random.default_rng(3)
    blamed = 0
    for _ in range(150):
        a, b = (tuple((source.random(600) < 0.2).astype(float)) for _ in range(2))
        blamed += any(quality(Labelled(champion=a[:n], candidate=b[:n], asked=n), alpha=0.05).verdict is Verdict.FAIL
                      for n in (60, 200, 600))
    assert blamed / 150 <= 0.05


def test_pairs_without_differences_pass_and_many_ask_for_a_person() -> None:
    assert pairs(Pairs(n=2000, differ=20, mean_gap=0.0)).verdict is Verdict.PASS
    assert pairs(Pairs(n=2000, differ=600, mean_gap=0.2)).verdict is Verdict.WARN
    assert pairs(Pairs(n=10, differ=9, mean_gap=0.2)).verdict is Verdict.INCONCLUSIVE
    worst = Segment(column="carrier", value="9E", n=40, differ=30)
    said = pairs(Pairs(n=2000, differ=240, mean_gap=0.2, worst=(worst,)))
    assert said.verdict is Verdict.INCONCLUSIVE
    assert "most where carrier is 9E (75% of 40)" in said.reason


def test_alpha_is_split_over_the_metrics_that_may_roll_back() -> None:
    assert sum(SPLIT.values()) == pytest.approx(1)
    _, looks = judge(Counted(spans=(), blocks=(), labelled=losses(0.1, 0.3, 1500)))
    by = {look.metric: look for look in looks}
    assert by[Metric.ERRORS].threshold == pytest.approx(1 / (ALPHA * SPLIT[Metric.ERRORS]))
    assert by[Metric.QUALITY].detail["alpha"] == pytest.approx(ALPHA * SPLIT[Metric.QUALITY])


def test_labels_alone_can_roll_back() -> None:
    ruling, _ = judge(Counted(spans=(), blocks=(), labelled=losses(0.1, 0.4, 1500)))
    assert ruling.advice == "roll back"
