"""Gather what an approval will be bound to: facts of candidate and champion, gates, and the subject over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.errors import NotFound
from services.releases.evidence import VersionFacts, snapshot, subject
from services.releases.gate import judge, validated
from services.releases.operations import CHAMPION, PREVIOUS, alias_name
from services.releases.ports import Registry
from services.releases.release import Place, Release
from services.releases.target import DeploymentTarget
from services.validation.gate import Gate, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The evidence for one release as it is now."""

    champion: str
    previous: str
    gates: tuple[Gate, ...]
    subject: Mapping[str, Any]
    evidence: Mapping[str, Any]


def gather(
    release: Release, registry: Registry, *, champion: str, previous: str, report: Report | None = None,
    also: Sequence[Gate] = (), advice: Sequence[Gate] = (),
) -> Gathered:
    """Return the evidence: both versions described, gates judged, those of the newest validation and `also` among them.

    `advice` is shown with the evidence and is no part of the subject.

    Raises:
        NotFound: the candidate is not in the registry.
        SourceUnavailable: the registry does not answer.
    """
    facts = registry.describe(release.model, release.version)
    against: VersionFacts | None = None
    if champion:
        try:
            against = registry.describe(release.model, champion)
        except NotFound:
            # Somebody deleted the champion's version while it serves: there is nothing to compare with.
            against = None
    found = judge(facts, against)
    known = {gate.name for gate in found}
    gates = [*also, *found, *(gate for gate in validated(report, facts, champion) if gate.name not in known)]
    return Gathered(
        champion=champion, previous=previous, gates=tuple(gates), subject=subject(release, facts, gates, champion),
        evidence={**snapshot(facts, against, gates), "advice": [gate.to_json() for gate in advice]},
    )


def first_place(place: Place, registry: Registry, target: DeploymentTarget) -> tuple[str, str]:
    """Return champion and previous champion of a place that releases do not know yet.

    The registry's alias speaks first, because that is where a team without us wrote its intent; else what is served.
    """
    champion = registry.alias(place.model, alias_name(CHAMPION, place.environment))
    previous = registry.alias(place.model, alias_name(PREVIOUS, place.environment))
    if not champion:
        weights = target.observe(place.model, place.environment).weights
        champion = max(weights, key=lambda version: (weights[version], version), default="")
    return champion, previous
