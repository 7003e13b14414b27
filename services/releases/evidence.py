"""Bind approvals to what was seen: one hash over everything an approver relies on, and what changed in it.

Gathering the facts is the registry adapter's work; whether they are good enough is in gate.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.core.audit import digest
from services.releases.interval import bounds, intervals
from services.releases.release import Release
from services.validation.gate import Gate

# Input of the hash -> how people call it when it changed.
INPUTS: Final[Mapping[str, str]] = {
    "model": "the model",
    "version": "the version",
    "run_id": "the training run",
    "artefact": "the artefact's files",
    "signature": "the signature",
    "gates": "a gate's result",
    "plan": "the rollout plan",
    "environment": "the environment",
    "champion": "the champion underneath",
}

_DATA: Final = "data."
GLASS: Final = "glass"  # in the evidence: who broke the glass, and so does not review it


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the registry knows about one version. `manifest` maps each artefact file to its SHA-256.

    `inputs` maps feature to type and `outputs` answer to type, from the signature; empty when it does not say.
    `requirements` maps a package that the model was logged with to what is asked of it, such as `==1.9.1`.
    """

    model: str
    version: str
    run_id: str
    status: str
    source: str
    manifest: Mapping[str, str]
    size_bytes: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    requirements: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    took_s: float | None = None

    @property
    def artefact(self) -> str:
        """The digest of the file manifest."""
        return digest(dict(self.manifest))

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """How far each metric may be off, where that is known."""
        return intervals(self.metrics, self.tags, self.params)

    @property
    def scores(self) -> dict[str, float]:
        """The metrics without those that only say how sure another one is."""
        return {name: value for name, value in self.metrics.items() if name not in bounds(self.metrics)}


def subject(release: Release, facts: VersionFacts, gates: Sequence[Gate], champion: str) -> dict[str, Any]:
    """Return the inputs that an approval is bound to, each small and comparable."""
    return {
        "model": release.model,
        "version": release.version,
        "run_id": facts.run_id,
        "artefact": facts.artefact,
        "signature": digest(facts.signature),
        "gates": {gate.name: [str(gate.verdict), gate.value] for gate in gates},
        "plan": digest(release.plan.to_json()),
        "environment": release.environment,
        "champion": champion,
    }


def subject_hash(inputs: Mapping[str, Any]) -> str:
    """Return the hash that approvals name."""
    return digest(dict(inputs))


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs that differ, in the order in which people should hear of them."""
    return [name for name in INPUTS if before.get(name) != after.get(name)]


def changed_text(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return a sentence such as `the champion underneath changed from 3 to 4`; empty when nothing changed."""
    parts = []
    for name in changed(before, after):
        old, new = before.get(name), after.get(name)
        if name in {"champion", "version", "run_id"}:
            parts.append(f"{INPUTS[name]} changed from {old or 'none'} to {new or 'none'}")
        elif name == "gates":
            moved = sorted(k for k in {*(old or {}), *(new or {})} if (old or {}).get(k) != (new or {}).get(k))
            parts.append(f"{INPUTS[name]} changed ({', '.join(moved)})")
        else:
            parts.append(f"{INPUTS[name]} changed")
    return "; ".join(parts)


def snapshot(facts: VersionFacts, champion: VersionFacts | None, gates: Sequence[Gate]) -> dict[str, Any]:
    """Return the evidence that is stored with the release and shown beside the buttons."""
    return {
        "candidate": _card(facts),
        "champion": _card(champion) if champion else None,
        "gates": [gate.to_json() for gate in gates],
        "changes": changes(facts, champion) if champion else [],
    }


def changes(candidate: VersionFacts, champion: VersionFacts) -> list[dict[str, Any]]:
    """Return what differs between candidate and champion, in the order in which an approver asks.

    Metrics with their intervals, the window of data it was trained on, parameters, inputs and answers, environment,
    size, training time.
    """
    found: list[dict[str, Any]] = []
    for kind, new, old in (
        ("metric", candidate.scores, champion.scores), ("data", _data(candidate), _data(champion)),
        ("param", candidate.params, champion.params), ("input", candidate.inputs, champion.inputs),
        ("output", candidate.outputs, champion.outputs),
        ("environment", candidate.requirements, champion.requirements),
    ):
        found += [
            {"what": kind, "name": name, "champion": old.get(name), "candidate": new.get(name)}
            for name in sorted({*new, *old})
            if new.get(name) != old.get(name)
        ]
    sure = candidate.intervals
    for change in found:
        if change["what"] == "metric" and change["name"] in sure:
            change["interval"] = list(sure[change["name"]])
    for name, new_value, old_value in (
        ("artefact bytes", candidate.size_bytes, champion.size_bytes),
        ("training time, s", candidate.took_s, champion.took_s),
    ):
        if new_value != old_value:
            found.append({"what": "cost", "name": name, "champion": old_value, "candidate": new_value})
    return found


def _data(facts: VersionFacts) -> dict[str, str]:
    """Return what the tags say about the data that a version was trained on."""
    return {name.removeprefix(_DATA): value for name, value in facts.tags.items() if name.startswith(_DATA)}


def _card(facts: VersionFacts) -> dict[str, Any]:
    """Return the model card's facts: what it is, where it came from, what it takes, how it scored."""
    return {
        "version": facts.version, "run_id": facts.run_id, "source": facts.source, "artefact": facts.artefact,
        "files": len(facts.manifest), "size_bytes": facts.size_bytes, "inputs": dict(facts.inputs),
        "metrics": dict(facts.metrics), "intervals": {name: list(ends) for name, ends in facts.intervals.items()},
        "params": dict(facts.params), "tags": dict(facts.tags),
        "requirements": dict(facts.requirements),
        "created_at": facts.created_at.isoformat() if facts.created_at else None, "took_s": facts.took_s,
    }
