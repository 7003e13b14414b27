"""Judge a candidate by what it answered on the test set: the gates, in the order in which people read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.core.measurement import Measurement, Verdict
from services.validation.gate import Gate, not_run
from services.validation.scored import NEEDED, Scored, compare

SLOWER_FAIL, SLOWER_WARN = 5.0, 2.0
FAST_MS: Final = 20.0  # below this nobody minds how many times slower it is than the champion
_PROBLEMS: Final = {"load": "loads", "score": "scores the test set", "hang": "scores the test set",
                    "memory": "scores the test set", "crash": "scores the test set"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything a judge looks at. `champion` is None where nothing is served; `champion_inputs` its signature."""

    task: str
    candidate: Scored
    champion: Scored | None
    test_set: str  # name of the data set; empty: the settings name none
    artefact: str
    recorded: str  # digest at the last validation; empty: this is the first
    files: int
    timeout_ms: float
    skew: Sequence[Measurement] = ()  # test_set_skew and test_set_drift as they stand


def judge(case: Case) -> list[Gate]:
    """Return every gate."""
    return [
        _artefact(case), _loads(case), _signature(case), _scores(case), _labels(case), _quality(case), *_slices(case),
        _latency(case), *_test_set(case),
    ]


def _artefact(case: Case) -> Gate:
    name = "artefact digest"
    if not case.files:
        return Gate(name=name, verdict=Verdict.FAIL, reason="no file was found behind the version", required=True)
    if case.recorded and case.recorded != case.artefact:
        return Gate(name=name, verdict=Verdict.FAIL, required=True, value=case.artefact[:16],
                    threshold=case.recorded[:16], reason="the files changed since this version was last validated")
    return Gate(name=name, verdict=Verdict.PASS, required=True, value=case.artefact[:16],
                reason=f"{case.files} files hashed")


def _loads(case: Case) -> Gate:
    found = case.candidate
    if found.kind == "load":
        return Gate(name="loads", verdict=Verdict.FAIL, reason=found.problem, required=True)
    if found.problem and not found.load_s:
        return Gate(name="loads", verdict=Verdict.FAIL, reason=found.problem, required=True)
    return Gate(name="loads", verdict=Verdict.PASS, required=True, value=round(found.load_s, 2),
                reason=f"loaded in {found.load_s:.1f} s, {found.peak_mb:,.0f} MB at its peak")


def _signature(case: Case) -> Gate:
    name, found = "schema and signature", case.candidate
    if found.lacks:
        return Gate(name=name, verdict=Verdict.FAIL, required=True, value=len(found.lacks),
                    reason=f"the test set has no column {', '.join(found.lacks)} that the model asks for")
    if found.problem and not found.inputs:
        return not_run(name, found.problem, required=True)
    if not found.inputs:
        return Gate(name=name, verdict=Verdict.FAIL, required=True,
                    reason="logged without a signature: log it again with signature= or input_example=")
    theirs: Mapping[str, str] = case.champion.inputs if case.champion else {}
    if not theirs:
        return Gate(name=name, verdict=Verdict.PASS, value=len(found.inputs), required=True,
                    reason=f"takes {len(found.inputs)} inputs; there is no champion's signature to compare with")
    new = sorted(set(found.inputs) - set(theirs))
    retyped = sorted(k for k in set(found.inputs) & set(theirs) if found.inputs[k] != theirs[k])
    if new or retyped:
        said = "; ".join(f"{w} {', '.join(names)}" for w, names in (("new", new), ("retyped", retyped)) if names)
        # What callers send today does not fit: that would fail every request, not some.
        return Gate(name=name, verdict=Verdict.FAIL, reason=f"not what callers send today: {said}", required=True)
    return Gate(name=name, verdict=Verdict.PASS, value=len(found.inputs), required=True,
                reason=f"the champion's {len(theirs)} inputs, of the same types")


def _scores(case: Case) -> Gate:
    name, found = "scores the test set", case.candidate
    if not case.test_set:
        return not_run(name, "no data set with role test names this model in the settings", required=True)
    if found.kind == "load":
        return not_run(name, "it does not load", required=True)
    if found.problem:
        return Gate(name=name, verdict=Verdict.FAIL, reason=found.problem, required=True)
    n = len(found.prediction)
    bad = int((~np.isfinite(found.prediction)).sum())
    if found.score is not None:
        outside = ~((found.score >= 0) & (found.score <= 1))
        bad = max(bad, int((outside | ~np.isfinite(found.prediction)).sum()))
    if n == 0:
        return not_run(name, f"{case.test_set} has no rows", required=True)
    verdict = Verdict.FAIL if bad else Verdict.PASS
    reason = f"{n:,} rows answered" + (f", {bad:,} with NaN or a score outside 0 to 1" if bad else "")
    return Gate(name=name, verdict=verdict, reason=reason, value=bad, threshold=0, required=True)


def _labels(case: Case) -> Gate:
    name, found = "test set has labels", case.candidate
    if not case.test_set or found.problem:
        return not_run(name, found.problem or "there is no test set")
    if found.labels is None:
        return Gate(name=name, verdict=Verdict.FAIL,
                    reason=f"{case.test_set} has no label column: name it in datasets.{case.test_set}.label")
    there = int(np.isfinite(found.labels).sum())
    share = there / len(found.labels) if len(found.labels) else 0.0
    verdict = Verdict.PASS if share >= 0.9 else Verdict.WARN if there else Verdict.FAIL
    return Gate(name=name, verdict=verdict, value=there, reason=f"{there:,} of {len(found.labels):,} rows have a label")


def _quality(case: Case) -> Gate:
    name = "quality against champion"
    if case.candidate.problem:
        return not_run(name, "the candidate did not answer", required=True)
    if case.champion is None:
        return not_run(name, "nothing is served yet")
    if case.champion.problem:
        return not_run(name, f"the champion did not answer: {case.champion.problem}", required=True)
    found = compare(case.task, case.candidate, case.champion)
    if found is None:
        return not_run(name, f"fewer than {NEEDED} rows with a label, or one class only", required=True)
    verdict = Verdict.FAIL if found.surely_worse else Verdict.WARN if found.perhaps_worse else Verdict.PASS
    return Gate(name=name, verdict=verdict, value=found.candidate, threshold=found.champion, reason=found.text(),
                required=True)


def _slices(case: Case) -> list[Gate]:
    """Return one gate per slice column: its worst slice speaks for it."""
    if case.candidate.problem or case.champion is None or case.champion.problem:
        return []
    gates = []
    for column, values in case.candidate.slices.items():
        found = {v: compare(case.task, case.candidate, case.champion, inside=values == v) for v in np.unique(values)}
        judged = {v: d for v, d in found.items() if d is not None}
        name = f"slices of {column}"
        if not judged:
            gates.append(not_run(name, f"no slice has {NEEDED} rows with a label"))
            continue
        worse = {v: d for v, d in judged.items() if d.surely_worse}
        perhaps = {v: d for v, d in judged.items() if d.perhaps_worse}
        said = worse or perhaps
        verdict = Verdict.FAIL if worse else Verdict.WARN if perhaps else Verdict.PASS
        first = next(iter(said.items()), None)
        gates.append(Gate(
            name=name, verdict=verdict, value=len(said), threshold=0,
            reason=f"{column}={first[0]}: {first[1].text()}" if first
            else f"none of {len(judged)} slices is worse; {len(found) - len(judged)} are too small to say",
        ))
    return gates


def _latency(case: Case) -> Gate:
    name, mine = "latency of a smoke inference", case.candidate.latencies_ms
    if not mine:
        return not_run(name, case.candidate.problem or "no row was answered")
    p95 = float(np.quantile(mine, 0.95))
    theirs = case.champion.latencies_ms if case.champion else ()
    past = float(np.quantile(theirs, 0.95)) if theirs else None
    facts = f"p95 {p95:.1f} ms for one row" + (f", the champion's {past:.1f} ms" if past else "")
    if p95 > case.timeout_ms:
        return Gate(name=name, verdict=Verdict.FAIL, value=p95, threshold=case.timeout_ms,
                    reason=f"{facts}: longer than the gateway waits ({case.timeout_ms:g} ms)")
    ratio = p95 / past if past and p95 > FAST_MS else 0.0
    verdict = Verdict.FAIL if ratio > SLOWER_FAIL else Verdict.WARN if ratio > SLOWER_WARN else Verdict.PASS
    return Gate(name=name, verdict=verdict, value=p95, threshold=past, reason=facts)


def _test_set(case: Case) -> list[Gate]:
    gates = []
    for name, words in (("test_set_skew", "test set against training"), ("test_set_drift", "test set against live")):
        mine = [m for m in case.skew if m.name == name]
        moved = [m for m in mine if m.verdict is Verdict.FAIL]
        if not mine or all(m.verdict is Verdict.INCONCLUSIVE for m in mine):
            gates.append(not_run(words, "the monitor has not compared it yet, or it has too few rows"))
            continue
        # An old or odd test set makes the other gates worth less; it is no fault of the candidate.
        gates.append(Gate(
            name=words, verdict=Verdict.WARN if moved else Verdict.PASS, value=len(moved), threshold=0,
            reason=f"{len(moved)} of {len(mine)} columns moved"
            + (f": {', '.join(m.column for m in moved[:4])}" if moved else ""),
        ))
    return gates
