"""Read and change an InferenceService of KServe, as plain documents. Sending them is in kserve_target.py.

KServe splits between two revisions only: the latest, which gets `canaryTrafficPercent`, and the one that was rolled out
last, which gets the rest; right after a full rollout also the one before, one step back. Which model version a revision
is, and the generation of ours, stand in annotations.

The trap: a new spec without `canaryTrafficPercent` is a full rollout at once, so every change of it writes the share.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.errors import Refused, SourceMalformed
from services.releases.target import Observation, StaleGeneration

GROUP: Final = "serving.kserve.io"
API: Final = "v1beta1"
PLURAL: Final = "inferenceservices"
_NOTES: Final = "interlock/"
_BLOCKED: Final = frozenset({"BlockedByFailedLoad", "InvalidSpec"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An InferenceService as it was read. `version` is what its spec serves; `settled` says that it is acted upon."""

    resource_version: str
    generation: int = 0
    version: str = ""
    held: tuple[str, ...] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)  # revision -> version, for all but the latest
    created: str = ""
    ready: str = ""
    rolled_out: str = ""
    previous: str = ""
    traffic: Mapping[str, float] = field(default_factory=dict)  # revision -> percent
    settled: bool = False
    failure: str = ""
    fewest: int = 1  # processes of each revision with traffic, as the spec asks for them
    copies: int | None = None  # of the latest revision's model, as the status counts them

    @property
    def up(self) -> bool:
        """Whether the latest revision answers."""
        return self.settled and bool(self.created) and self.created == self.ready and not self.failure

    @property
    def stable(self) -> str:
        """The revision that gets what the latest does not get."""
        return self.previous if self.rolled_out == self.ready == self.created else self.rolled_out

    def version_of(self, revision: str) -> str:
        """Return the model version that a revision is; empty when nobody wrote it down."""
        return self.version if revision == self.created else self.revisions.get(revision, "")

    @property
    def weights(self) -> dict[str, float]:
        """The share of traffic by version, as the status shows it."""
        shares: dict[str, float] = {}
        for revision, percent in self.traffic.items():
            if percent:
                version = self.version_of(revision) or revision
                shares[version] = shares.get(version, 0.0) + percent
        return shares

    @property
    def observation(self) -> Observation:
        """What a release may know of it. A held version that no share can be given to is shown as not loaded."""
        able = {self.version} if self.up else set()
        able |= {self.version_of(revision) for revision, percent in self.traffic.items() if percent}
        able.add(self.version_of(self.stable))
        shown = dict.fromkeys(self.weights, self.fewest)
        if self.copies is not None and self.up:
            shown[self.version] = self.copies
        return Observation(generation=self.generation, weights=self.weights, replicas=shown,
                           loaded={version: version in able for version in self.held})


def read(document: Mapping[str, Any]) -> Service:
    """Return an InferenceService as its document says it.

    Raises:
        SourceMalformed: it is not ours, or not as the API describes it.
    """
    try:
        meta, status = document["metadata"], document.get("status") or {}
        notes = meta.get("annotations") or {}
        part = (status.get("components") or {}).get("predictor") or {}
        model = status.get("modelStatus") or {}
        blocked = model.get("transitionStatus") in _BLOCKED
        said = (model.get("lastFailureInfo") or {}).get("message") or model.get("transitionStatus", "")
        return Service(
            resource_version=str(meta["resourceVersion"]), generation=int(notes.get(f"{_NOTES}generation", "0")),
            version=notes[f"{_NOTES}version"], held=tuple(json.loads(notes[f"{_NOTES}held"])),
            revisions=json.loads(notes.get(f"{_NOTES}revisions", "{}")),
            created=part.get("latestCreatedRevision", ""), ready=part.get("latestReadyRevision", ""),
            rolled_out=part.get("latestRolledoutRevision", ""), previous=part.get("previousRolledoutRevision", ""),
            traffic=_shares(part.get("traffic") or []),
            settled=status.get("observedGeneration", -1) >= meta.get("generation", 0),
            failure=said if blocked else "", fewest=int(document["spec"]["predictor"].get("minReplicas", 1)),
            copies=_copies(model.get("copies") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceMalformed(f"the InferenceService {document.get('metadata', {}).get('name', '')} cannot be read "
                              f"({error!r}): it was not made by Interlock, or its annotations were removed") from error


def _copies(counted: Mapping[str, Any]) -> int | None:
    total = counted.get("totalCopies")
    return None if total is None else max(0, int(total) - int(counted.get("failedCopies") or 0))


def _shares(traffic: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return percent by revision; one revision may stand there twice, as the latest and as the one before."""
    shares: dict[str, float] = {}
    for part in traffic:
        shares[part["revisionName"]] = shares.get(part["revisionName"], 0.0) + float(part.get("percent") or 0)
    return shares


def name_of(model: str, environment: str) -> str:
    """Return the service's name: lower-case letters, digits and dashes, as Kubernetes wants it."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{model}-{environment}".lower()).strip("-")
    if not name or not name[0].isalpha() or len(name) > 50:
        raise Refused(f"{model} in {environment} cannot be named on Kubernetes: {name or 'nothing'} must begin with a "
                      "letter and have at most 50 characters")
    return name


def new(name: str, version: str, uri: str, *, replicas: int, cpus: float) -> dict[str, Any]:
    """Return the document of a first version. KServe gives a first revision all traffic as soon as it is ready."""
    return {
        "apiVersion": f"{GROUP}/{API}", "kind": "InferenceService",
        "metadata": {"name": name, "annotations": _noted(version=version, held=(version,), revisions={}, generation=0)},
        "spec": {"predictor": {"minReplicas": replicas, "canaryTrafficPercent": 100, "model": {
            "modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": uri,
            "resources": {"requests": {"cpu": f"{cpus:g}"}}}}},
    }


def with_version(service: Service, version: str, uri: str) -> dict[str, Any]:
    """Return the change that deploys a version beside the one that serves, with no traffic.

    Raises:
        Refused: it would take traffic away from where it is.
    """
    share = service.traffic.get(service.ready, 0.0) if service.ready == service.created else 0.0
    if 0 < share < 100:
        raise Refused(f"version {service.version} has {share:g}% as canary: KServe serves two revisions at most. End "
                      f"that release before version {version} is loaded")
    known = {**service.revisions, **({service.ready: service.version} if service.ready == service.created else {})}
    kept = {r: known[r] for r in (service.rolled_out, service.previous, service.ready) if r in known}
    held = service.held if version in service.held else (*service.held, version)
    return _change(service, {"canaryTrafficPercent": 0, "model": {"storageUri": uri}},
                   _noted(version=version, held=held, revisions=kept, generation=service.generation))


def with_weights(service: Service, weights: Mapping[str, float], generation: int) -> dict[str, Any]:
    """Return the change that makes the split so.

    Raises:
        StaleGeneration: a newer generation was written.
        Refused: KServe cannot split so, or a version is not loaded.
    """
    if generation < service.generation:
        raise StaleGeneration(f"generation {generation} is out of date: {service.generation} was written already")
    shares = {version: float(share) for version, share in weights.items() if share}
    if any(share < 0 or share != int(share) for share in shares.values()):
        raise Refused("KServe splits in whole percent, from 0 to 100")
    if not math.isclose(sum(shares.values()), 100):
        raise Refused(f"the weights sum to {sum(shares.values()):g}: they are percent and must sum to 100")
    if missing := sorted(v for v in shares if v not in service.held):
        raise Refused(f"version {', '.join(missing)} is not loaded: load it before giving it traffic")
    stable = service.version_of(service.stable)
    if others := sorted(v for v in shares if v not in {service.version, stable}):
        raise Refused(f"version {', '.join(others)} is neither the latest revision nor the one before it: KServe "
                      "splits between those two only. Load it anew first")
    if shares.get(service.version) and not service.up:
        raise Refused(f"version {service.version} is deployed but does not answer: it gets no traffic")
    return _change(service, {"canaryTrafficPercent": int(shares.get(service.version, 0))},
                   {f"{_NOTES}generation": str(generation)})


def without_version(service: Service, version: str) -> dict[str, Any]:
    """Return the change that forgets a version; Knative scales a revision without traffic to nothing by itself.

    Raises:
        Refused: it has traffic.
    """
    if service.weights.get(version):
        raise Refused(f"version {version} still has traffic: give it weight 0 before unloading it")
    return _change(service, {}, {f"{_NOTES}held": json.dumps([v for v in service.held if v != version])})


def with_generation(service: Service, generation: int) -> dict[str, Any]:
    """Return the change that writes a generation and nothing else; refuses as `with_weights` does."""
    if generation < service.generation:
        raise StaleGeneration(f"generation {generation} is out of date: {service.generation} was written already")
    return _change(service, {}, {f"{_NOTES}generation": str(generation)})


def _change(service: Service, predictor: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, Any]:
    # With the version that was read, the API server refuses the change when somebody else wrote meanwhile.
    change: dict[str, Any] = {"metadata": {"resourceVersion": service.resource_version, "annotations": dict(notes)}}
    return {**change, "spec": {"predictor": dict(predictor)}} if predictor else change


def _noted(*, version: str, held: tuple[str, ...], revisions: Mapping[str, str], generation: int) -> dict[str, str]:
    return {f"{_NOTES}version": version, f"{_NOTES}held": json.dumps(held), f"{_NOTES}revisions": json.dumps(revisions),
            f"{_NOTES}generation": str(generation)}
