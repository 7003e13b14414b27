"""Make one operation so: observe, compare, act where it differs, and read back. Doing it twice changes nothing.

In what order operations run, and what follows when one cannot be done, is decided in services/monitor/outbox.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isclose

from services.errors import NotFound, OpsError, Refused, SourceUnavailable
from services.releases.operations import OpKind
from services.releases.ports import PendingOp, Registry
from services.releases.target import DeploymentTarget, Loading, Observation, StaleGeneration


class Result(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    AGAIN = "again"  # not so yet: try later
    LOADING = "loading"  # under way, and nothing failed: look again soon
    IMPOSSIBLE = "impossible"  # trying again cannot help
    DRIFTED = "drifted"  # somebody else changed what it would overwrite
    STALE = "stale"  # the target obeys a newer generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The end of an attempt and the sentence that says why. `served` is a split that was read back."""

    result: Result
    message: str
    served: Mapping[str, float] | None = None
    seen: Observation | None = None


def perform(pending: PendingOp, target: DeploymentTarget, registry: Registry) -> Attempt:  # noqa: PLR0911 -- a table of errors
    """Try to make the operation so; whatever the outside answers becomes an attempt, never an error."""
    steps = {
        OpKind.LOAD: _load, OpKind.WEIGHTS: _weights, OpKind.MIRROR: _mirror, OpKind.UNLOAD: _unload,
    }
    try:
        if pending.op.kind is OpKind.ALIAS:
            return _alias(pending, registry)
        if pending.op.kind is OpKind.TAGS:
            return _tags(pending, registry)
        return steps[pending.op.kind](pending, target)
    except Loading as error:
        return Attempt(result=Result.LOADING, message=str(error))
    except StaleGeneration as error:
        return Attempt(result=Result.STALE, message=str(error))
    except Refused as error:
        return Attempt(result=Result.IMPOSSIBLE, message=str(error))
    except SourceUnavailable as error:
        return Attempt(result=Result.AGAIN if error.retryable else Result.IMPOSSIBLE, message=str(error))
    except NotFound as error:
        return Attempt(result=Result.IMPOSSIBLE, message=str(error))
    except OpsError as error:
        return Attempt(result=Result.AGAIN, message=str(error))


def same_split(wanted: Mapping[str, float], seen: Mapping[str, float]) -> bool:
    """Tell whether two splits send the same share to every version; a share of 0 is the same as none."""
    versions = set(wanted) | set(seen)
    return all(isclose(wanted.get(v, 0.0), seen.get(v, 0.0), abs_tol=1e-6) for v in versions)


def split_text(weights: Mapping[str, float]) -> str:
    """Return a split as people read it: `v11 90%, v12 10%`."""
    shares = sorted(((w, v) for v, w in weights.items() if w), reverse=True)
    return ", ".join(f"v{version} {weight:g}%" for weight, version in shares) or "nothing"


def _load(pending: PendingOp, target: DeploymentTarget) -> Attempt:
    version = str(pending.op.payload["version"])
    if not target.observe(pending.model, pending.environment).loaded.get(version):
        target.load(pending.model, pending.environment, version)
    seen = target.observe(pending.model, pending.environment)
    if not seen.loaded.get(version):
        return Attempt(result=Result.AGAIN, message=f"version {version} does not answer yet", seen=seen)
    return Attempt(result=Result.DONE, message=f"version {version} answers", seen=seen)


def _weights(pending: PendingOp, target: DeploymentTarget) -> Attempt:
    wanted: Mapping[str, float] = pending.op.payload["weights"]
    where = (pending.model, pending.environment)
    before = target.observe(*where)
    if before.generation > pending.generation:
        return _newer(before, pending)
    if before.generation != pending.generation or not same_split(wanted, before.weights):
        for version, share in wanted.items():
            # A target that restarted has forgotten what was loaded.
            if share and not before.loaded.get(version):
                target.load(*where, version)
        target.set_weights(*where, wanted, generation=pending.generation)
    seen = target.observe(*where)
    if seen.generation > pending.generation:
        return _newer(seen, pending)
    if not same_split(wanted, seen.weights):
        return Attempt(result=Result.AGAIN, seen=seen,
                       message=f"asked for {split_text(wanted)}, the target shows {split_text(seen.weights)}")
    return Attempt(result=Result.DONE, message=f"{split_text(seen.weights)}, read back", served=seen.weights, seen=seen)


def _mirror(pending: PendingOp, target: DeploymentTarget) -> Attempt:
    version, percent = str(pending.op.payload["version"]), float(pending.op.payload["percent"])
    where = (pending.model, pending.environment)
    wanted = {version: percent} if version and percent else {}
    if not same_split(wanted, target.observe(*where).mirror):
        target.set_mirror(*where, version or None, percent, generation=pending.generation)
    seen = target.observe(*where)
    if not same_split(wanted, seen.mirror):
        return Attempt(result=Result.AGAIN, message="the target does not show the mirror yet", seen=seen)
    return Attempt(result=Result.DONE, message=f"mirrors {split_text(wanted)}, read back", seen=seen)


def _unload(pending: PendingOp, target: DeploymentTarget) -> Attempt:
    version = str(pending.op.payload["version"])
    seen = target.observe(pending.model, pending.environment)
    if seen.weights.get(version) or seen.mirror.get(version):
        # A later release serves it again: freeing it now would take it away from under its traffic.
        return Attempt(result=Result.DONE, message=f"version {version} has traffic again and stays", seen=seen)
    target.unload(pending.model, pending.environment, version)
    return Attempt(result=Result.DONE, message=f"version {version} unloaded", seen=seen)


def _alias(pending: PendingOp, registry: Registry) -> Attempt:
    name, wanted = str(pending.op.payload["name"]), str(pending.op.payload["version"])
    expected = pending.op.payload["expected"]
    found = registry.alias(pending.model, name)
    if found != wanted:
        if expected is not None and found and found not in expected:
            return Attempt(result=Result.DRIFTED, message=f"alias {name} points to version {found}: somebody moved it, "
                           f"we expected {' or '.join(v for v in expected if v) or 'none'}")
        registry.set_alias(pending.model, name, wanted)
        found = registry.alias(pending.model, name)
    if found != wanted:
        return Attempt(result=Result.AGAIN, message=f"alias {name} still points to {found or 'nothing'}")
    return Attempt(result=Result.DONE, message=f"alias {name} → {wanted or 'removed'}, read back")


def _tags(pending: PendingOp, registry: Registry) -> Attempt:
    version, wanted = str(pending.op.payload["version"]), pending.op.payload["tags"]
    have = registry.tags(pending.model, version)
    if lacking := {key: value for key, value in wanted.items() if have.get(key, "") != value}:
        registry.set_tags(pending.model, version, lacking)
    return Attempt(result=Result.DONE, message=f"tags of version {version} set")


def _newer(seen: Observation, pending: PendingOp) -> Attempt:
    return Attempt(result=Result.STALE, seen=seen, message=f"the target obeys generation {seen.generation}, ours is "
                   f"{pending.generation}: somebody else drives it")
