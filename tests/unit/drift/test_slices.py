from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.core.measurement import Verdict
from services.core.window import DAY, HOUR, TimeWindow
from services.drift.slices import false_discovery, measured, search
from services.profiles.baseline import Baseline
from tests.unit.drift.conftest import NOW, Shelf, gatherer, profile, rows

WINDOW = TimeWindow(NOW - DAY, NOW)


def test_the_hand_computed_example_keeps_two_of_four() -> None:
    assert false_discovery([0.001, 0.02, 0.04, 0.8]) == [True, True, False, False]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_what_is_kept_is_what_scipy_keeps(p: list[float]) -> None:
    right = (stats.false_discovery_control(p) <= 0.05 + 1e-12).tolist()
    near = np.isclose(stats.false_discovery_control(p), 0.05)
    assert [a for a, n in zip(false_discovery(p), near, strict=True) if not n] == [
        b for b, n in zip(right, near, strict=True) if not n]


def sliced(baseline: Baseline, rng: np.random.Generator, shifted: str = "", n: int = 900) -> tuple[Baseline, Shelf]:
    names = [f"city={c}" for c in ("ams", "ber", "cdg", "dub", "edi", "fra")]
    base = replace(baseline, slices={name: profile(baseline.layout, rows(rng, 8000)) for name in names})
    shelf = Shelf(baseline.layout, names)
    for name in names:
        drawn = rows(rng, n, mean=0.8 if name == shifted else 0.0)
        shelf.put(NOW - HOUR, profile(baseline.layout, drawn), slice_=name)
    shelf.put(NOW - HOUR, profile(baseline.layout, rows(rng, n * 6)))
    return base, shelf


def test_the_one_slice_that_moved_is_found_and_named(baseline: Baseline, rng: np.random.Generator) -> None:
    base, shelf = sliced(baseline, rng, "city=dub")
    found = search(gatherer(base, shelf), WINDOW)
    assert [(f.slice, f.column) for f in found.found] == [("city=dub", "amount")]
    said = measured(gatherer(base, shelf), WINDOW, at=NOW)
    assert said.verdict is Verdict.WARN
    assert said.reason.startswith("amount moved where city=dub: ")
    assert "900 rows, 17% of all" in said.reason


def test_among_slices_that_did_not_move_none_is_found(baseline: Baseline, rng: np.random.Generator) -> None:
    base, shelf = sliced(baseline, rng)
    said = measured(gatherer(base, shelf), WINDOW, at=NOW)
    assert (said.verdict, said.reason) == (Verdict.PASS, "no slice moved by itself: 6 searched, 0 too small")


def test_small_slices_are_not_searched_and_that_is_unsure(baseline: Baseline, rng: np.random.Generator) -> None:
    base, shelf = sliced(baseline, rng, "city=dub", n=100)
    said = measured(gatherer(base, shelf), WINDOW, at=NOW)
    assert said.verdict is Verdict.INCONCLUSIVE
    assert "no slice has 200 rows" in said.reason
