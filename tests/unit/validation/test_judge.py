from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from services.core.measurement import Verdict
from services.validation.gate import Gate, Report, not_run
from services.validation.judge import Case, judge
from services.validation.scored import Scored, compare, headline, rank_auc
from tests.conftest import NOW

INPUTS = {"amount": "double", "city": "string"}


def scored(noise: float = 0.0, *, n: int = 3_000, ms: float = 4.0, **more: object) -> Scored:
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 1.5, n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-signal))).astype(float)
    score = 1 / (1 + np.exp(-(signal + np.random.default_rng(1).normal(0, noise, n) if noise else signal)))
    return Scored(**{"prediction": (score >= 0.5).astype(float), "score": score, "labels": labels, "load_s": 1.0,
                     "latencies_ms": (ms,) * 20, "peak_mb": 200.0, "inputs": INPUTS,
                     "slices": {"city": rng.choice(["ams", "ber"], n)}, **more})  # type: ignore[arg-type]


def case(**more: object) -> Case:
    return Case(**{"task": "binary", "candidate": scored(), "champion": scored(), "test_set": "fares-test",
                   "artefact": "a" * 64, "recorded": "", "files": 4, "timeout_ms": 2_000.0,
                   **more})  # type: ignore[arg-type]


def gates(**more: object) -> dict[str, Gate]:
    return {gate.name: gate for gate in judge(case(**more))}


def report(found: dict[str, Gate]) -> Report:
    return Report(model="fares", version="2", champion="1", artefact="a" * 64, gates=tuple(found.values()), at=NOW)


def test_a_candidate_as_good_as_the_champion_passes_and_what_was_not_run_says_so():
    found = gates()
    assert report(found).verdict is Verdict.PASS
    assert found["quality against champion"].verdict is Verdict.PASS
    assert found["test set against training"].verdict is Verdict.INCONCLUSIVE
    assert "2 not run" in report(found).summary()


def test_a_clearly_worse_candidate_fails_with_an_interval():
    found = gates(candidate=scored(noise=3.0))
    gate = found["quality against champion"]
    assert gate.verdict is Verdict.FAIL
    assert "difference -" in gate.reason
    assert report(found).verdict is Verdict.FAIL


def test_a_candidate_that_is_worse_in_one_slice_fails_there():
    good = scored()
    score = np.array(good.score)
    inside = good.slices["city"] == "ber"
    score[inside] = np.random.default_rng(2).random(int(inside.sum()))
    found = gates(candidate=replace(good, score=score))
    assert found["slices of city"].verdict is Verdict.FAIL
    assert "city=ber" in found["slices of city"].reason


@pytest.mark.parametrize(("kind", "words", "gate"), [
    ("load", "ModuleNotFoundError: no module named magic", "loads"),
    ("hang", "no answer within 180 s: it was killed", "scores the test set"),
    ("memory", "it needs more than 12 GiB of memory", "scores the test set"),
    ("crash", "it crashed (SIGSEGV)", "scores the test set"),
])
def test_a_candidate_that_cannot_be_used_fails_by_name_and_never_passes(kind: str, words: str, gate: str):
    found = gates(candidate=Scored(problem=words, kind=kind))
    assert found[gate].verdict is Verdict.FAIL
    assert words in found[gate].reason
    assert report(found).verdict is Verdict.FAIL
    assert found["quality against champion"].verdict is Verdict.INCONCLUSIVE


def test_nan_answers_and_scores_outside_zero_to_one_fail():
    bad = scored()
    score = np.array(bad.score)
    score[:3] = [np.nan, 1.2, -0.1]
    assert gates(candidate=replace(bad, score=score))["scores the test set"].value == 3


def test_a_test_set_without_its_label_column_is_a_clear_state():
    found = gates(candidate=replace(scored(), labels=None))
    assert found["test set has labels"].verdict is Verdict.FAIL
    assert "datasets.fares-test.label" in found["test set has labels"].reason
    assert found["quality against champion"].verdict is Verdict.INCONCLUSIVE


def test_without_a_test_set_nothing_is_passed():
    found = gates(test_set="", candidate=Scored(load_s=1.0, inputs=INPUTS))
    assert found["scores the test set"].verdict is Verdict.INCONCLUSIVE
    assert report(found).verdict is Verdict.INCONCLUSIVE


def test_new_inputs_fail_because_every_request_would():
    found = gates(candidate=replace(scored(), inputs={**INPUTS, "gust": "double"}))
    assert found["schema and signature"].verdict is Verdict.FAIL
    assert "new gust" in found["schema and signature"].reason
    lacking = gates(candidate=replace(scored(), lacks=("gust",), problem="the test set has no column gust"))
    assert "gust" in lacking["schema and signature"].reason


def test_files_that_changed_since_the_last_validation_fail():
    assert gates(recorded="b" * 64)["artefact digest"].verdict is Verdict.FAIL
    assert gates(recorded="a" * 64)["artefact digest"].verdict is Verdict.PASS
    assert gates(files=0)["artefact digest"].verdict is Verdict.FAIL


@pytest.mark.parametrize(("ms", "verdict"), [(10.0, Verdict.PASS), (60.0, Verdict.WARN), (300.0, Verdict.FAIL),
                                             (3_000.0, Verdict.FAIL)])
def test_latency_is_judged_against_the_champion_and_the_gateways_patience(ms: float, verdict: Verdict):
    found = gates(candidate=scored(ms=ms), champion=scored(ms=25.0))
    assert found["latency of a smoke inference"].verdict is verdict


def test_a_report_is_about_the_files_it_saw_and_about_no_others():
    found = report(gates())
    assert found.holds("a" * 64)
    assert not found.holds("b" * 64)
    assert Report(model="m", version="1", champion="", artefact="", gates=(), at=NOW).verdict is Verdict.INCONCLUSIVE


def test_a_required_gate_that_was_not_run_leaves_the_report_open():
    gate = not_run("quality against champion", "too few rows", required=True)
    assert report({gate.name: gate}).verdict is Verdict.INCONCLUSIVE
    assert Gate.from_json(gate.to_json()) == gate


def test_the_rank_auc_is_scikit_learns_ties_included():
    rng = np.random.default_rng(5)
    labels, score = rng.integers(0, 2, 500).astype(float), rng.integers(0, 9, 500) / 10
    assert np.isclose(rank_auc(labels, score) or 0, roc_auc_score(labels, score))
    assert rank_auc(np.ones(3), np.arange(3.0)) is None
    assert headline("regression", np.array([1.0, 2.0]), np.array([2.0, 4.0])) == 1.5
    assert headline("multiclass", np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])) == 0.75


def test_identical_versions_differ_by_nothing():
    found = compare("binary", scored(), scored())
    assert found is not None
    assert (found.low, found.high) == (0.0, 0.0)
    assert compare("binary", scored(n=50), scored(n=50)) is None


@pytest.mark.parametrize(("gates", "answer"), [
    ([("loads", Verdict.PASS, True)], "v2 may go on: every gate that was run passed"),
    ([("loads", Verdict.PASS, True), ("live", Verdict.INCONCLUSIVE, False)],
     "v2 may go on: every gate that was run passed; 1 that nothing depends on was not run"),
    ([("loads", Verdict.PASS, True), ("skew", Verdict.WARN, False)], "v2 may go on; look first at skew (why)"),
    ([("loads", Verdict.INCONCLUSIVE, True), ("skew", Verdict.WARN, False)], "v2 may not go on yet: loads (why)"),
    ([("loads", Verdict.FAIL, True), ("slices", Verdict.FAIL, False)], "v2 may not go on: loads (why), and 1 more"),
    ([], "v2 may not go on yet: no gate was run"),
])
def test_a_report_answers_whether_its_version_may_go_on(gates: list[tuple[str, Verdict, bool]], answer: str):
    found = Report(model="fares", version="2", champion="1", artefact="a", at=NOW, gates=tuple(
        Gate(name=name, verdict=verdict, reason="why", required=required) for name, verdict, required in gates))
    assert found.answer() == answer
