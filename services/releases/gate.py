"""Decide whether a candidate may be put before approvers: each gate passes, warns, fails, or was *not run*.

A gate looks at facts that others gathered. A gate that was not run is inconclusive and never counts as passed.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from services.core.measurement import Verdict
from services.validation.gate import Gate, Report, not_run

if TYPE_CHECKING:
    from services.releases.evidence import VersionFacts

# Word in a metric's name -> whether more of it is better. A metric without such a word is shown and not judged.
_BETTER: Final = {
    "auc": 1, "accuracy": 1, "f1": 1, "precision": 1, "recall": 1, "r2": 1,
    "loss": -1, "brier": -1, "mae": -1, "rmse": -1, "mse": -1, "mape": -1, "error": -1, "ece": -1,
}
TOLERANCE: Final = 0.02


def judge(candidate: "VersionFacts", champion: "VersionFacts | None") -> list[Gate]:
    """Return the gates that the registry's facts can answer."""
    return [
        _ready(candidate), _artefact(candidate), _signature(candidate),
        _inputs(candidate, champion), *_outputs(candidate, champion), *_metrics(candidate, champion),
    ]


def validated(report: Report | None, candidate: "VersionFacts", champion: str) -> list[Gate]:
    """Return the gates of the newest validation, where it was about these files and this champion."""
    if report is None:
        return [not_run("validation", f"run interlock validate {candidate.model} {candidate.version}")]
    if not report.holds(candidate.artefact):
        return [not_run("validation", f"the one of {report.at:%Y-%m-%d %H:%M} UTC was about other files")]
    if report.champion != champion:
        return [not_run("validation", f"it compared with version {report.champion or 'none'}, the champion is "
                                      f"{champion or 'none'}")]
    return list(report.gates)


def refused(gates: Sequence[Gate]) -> str:
    """Return why the candidate cannot go on, or nothing: a required gate that did not pass stops it."""
    stopped = [g for g in gates if g.required and g.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR}]
    return "; ".join(f"{gate.name}: {gate.reason}" for gate in stopped)


def counts(gates: Sequence[Mapping[str, Any]]) -> str:
    """Return the one-line summary, such as `4 pass · 1 warn · 0 fail · 1 not run`."""
    found = [gate["verdict"] for gate in gates]
    not_run = found.count(Verdict.INCONCLUSIVE) + found.count(Verdict.ERROR)
    warn = f"{found.count(Verdict.WARN)} warn · " if Verdict.WARN in found else ""
    return f"{found.count(Verdict.PASS)} pass · {warn}{found.count(Verdict.FAIL)} fail · {not_run} not run"


def _ready(candidate: "VersionFacts") -> Gate:
    ready = candidate.status == "READY"
    return Gate(
        name="version ready", verdict=Verdict.PASS if ready else Verdict.FAIL, value=candidate.status,
        threshold="READY", required=True, reason=f"the registry says {candidate.status}",
    )


def _artefact(candidate: "VersionFacts") -> Gate:
    files = len(candidate.manifest)
    return Gate(
        name="artefact digest", verdict=Verdict.PASS if files else Verdict.FAIL, value=candidate.artefact[:16],
        required=True, reason=f"{files} files hashed" if files else "no file was found behind the version",
    )


def _signature(candidate: "VersionFacts") -> Gate:
    inputs = len(candidate.inputs)
    return Gate(
        name="signature", verdict=Verdict.PASS if candidate.signature else Verdict.FAIL, value=inputs, required=True,
        reason=f"takes {inputs} inputs" if candidate.signature
        else "logged without a signature: log it again with signature= or input_example=",
    )


def _inputs(candidate: "VersionFacts", champion: "VersionFacts | None") -> Gate:
    name = "inputs as the champion's"
    if champion is None:
        return Gate(name=name, verdict=Verdict.INCONCLUSIVE, reason="not run: nothing is served yet")
    new = sorted(set(candidate.inputs) - set(champion.inputs))
    gone = sorted(set(champion.inputs) - set(candidate.inputs))
    kind = sorted(k for k in set(candidate.inputs) & set(champion.inputs) if candidate.inputs[k] != champion.inputs[k])
    said = [f"{word} {', '.join(names)}" for word, names in (("new", new), ("gone", gone), ("retyped", kind)) if names]
    # What callers send today lacks a new input: that would fail every request, not some.
    verdict = Verdict.FAIL if new else Verdict.WARN if said else Verdict.PASS
    return Gate(name=name, verdict=verdict, value=len(new) + len(gone) + len(kind), threshold=0,
                reason="; ".join(said) or f"the same {len(candidate.inputs)} inputs")


def _outputs(candidate: "VersionFacts", champion: "VersionFacts | None") -> list[Gate]:
    """Return whether callers would read another kind of answer, such as a probability where a label was."""
    if champion is None or not (candidate.outputs and champion.outputs):
        return []
    old, new = (", ".join(kind if name.isdigit() else f"{name} ({kind})" for name, kind in facts.outputs.items())
                for facts in (champion, candidate))
    same = candidate.outputs == champion.outputs
    return [Gate(name="answers as the champion's", verdict=Verdict.PASS if same else Verdict.WARN, value=new,
                 threshold=old, reason=f"{new} as before" if same
                 else f"callers get {new} where they get {old} now: make sure that they read it")]


def better(name: str) -> int:
    """Return 1 where more of a metric is better, -1 where less is, and 0 where its name does not say."""
    return next((way for word, way in _BETTER.items() if word in name.lower().replace("-", "_").split("_")), 0)


def _metrics(candidate: "VersionFacts", champion: "VersionFacts | None") -> list[Gate]:
    gates = []
    for name, new in sorted(candidate.scores.items()):
        way = better(name)
        if not way:
            continue
        old = champion.metrics.get(name) if champion else None
        if not isfinite(new) or abs(new) > 1e307:
            gates.append(Gate(name=name, verdict=Verdict.FAIL, reason="the run logged a value that is not finite"))
        elif old is None or not isfinite(old):
            gates.append(Gate(name=name, verdict=Verdict.INCONCLUSIVE, value=new,
                              reason=f"not run: {new:.4g}, and the champion has no {name} to compare with"))
        else:
            limit = old - way * TOLERANCE * abs(old)
            worse = (new - limit) * way < 0
            gates.append(Gate(
                name=name, verdict=Verdict.WARN if worse else Verdict.PASS, value=new, threshold=limit,
                reason=f"{old:.4g} → {new:.4g}" + (f", worse by more than {TOLERANCE:.0%}" if worse else ""),
            ))
    return gates
