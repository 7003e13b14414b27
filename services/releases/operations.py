"""Say what a release's state means for target and registry, as an ordered list of level-based operations.

Order: traffic first, alias second, in both directions. Carrying an operation out is in reconcile.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from services.releases.machine import Do
from services.releases.release import Kind, Place, Release, Sync

PRIMARY: Final = "production"
CHAMPION: Final = "champion"
PREVIOUS: Final = "previous_champion"
CANDIDATE: Final = "candidate"
CANARY: Final = "canary"


class OpKind(StrEnum):
    """What an operation makes so."""

    LOAD = "load"
    WEIGHTS = "weights"
    MIRROR = "mirror"
    ALIAS = "alias"
    TAGS = "tags"
    UNLOAD = "unload"


class OpState(StrEnum):
    """Where an operation stands. Only PENDING ones are run."""

    PENDING = "pending"
    DONE = "done"
    DROPPED = "dropped"  # a later decision made it pointless
    BLOCKED = "blocked"  # somebody else changed what it would overwrite: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One thing to make so. `payload` holds plain JSON values."""

    kind: OpKind
    payload: Mapping[str, Any] = field(default_factory=dict)


def op_id(release_id: str, seq: int) -> str:
    """Return the stable name of the operation at place `seq` of a release."""
    return str(uuid5(NAMESPACE_URL, f"interlock:{release_id}:{seq}"))


def alias_name(role: str, environment: str) -> str:
    """Return the registry alias of a role: bare in production, prefixed elsewhere, because aliases are per model."""
    return role if environment == PRIMARY else f"{environment}_{role}"


def desired_weights(release: Release) -> dict[str, float]:
    """Return the split that the release's state asks for, in percent by version; empty when nothing is served."""
    if release.back_to:
        return {release.back_to: 100.0}
    share = release.weight_pct
    if share >= 100.0 or not release.champion:
        return {release.version: 100.0} if share >= 100.0 else {}
    return {release.champion: 100.0 - share, **({release.version: share} if share else {})}


def left_behind(release: Release) -> str:
    """Return the version that a promotion leaves as the previous champion."""
    return release.previous if release.version == release.champion else release.champion


def operations(release: Release, do: Do) -> list[Op]:  # noqa: PLR0911 -- one line per command, read as a table
    """Return what the command that led to `release` asks of target and registry, in order."""
    match do:
        case Do.DEPLOY:
            return [_load(release.version), _alias(release, CANDIDATE, release.version), _tags(release)]
        case Do.BEGIN_SHADOW:
            return [Op(kind=OpKind.MIRROR, payload={"version": release.version, "percent": release.plan.shadow_pct})]
        case Do.BEGIN_STEP:
            return [*_end_mirror(release), _weights(release), _alias(release, CANARY, release.version)]
        case Do.ASK_PROMOTE | Do.ASK_STEP if release.step < 0:
            return _end_mirror(release)
        case Do.PROMOTE:
            return _promotion(release)
        case Do.ROLL_BACK:
            return _retreat(release)
        case Do.COMPLETE:
            return [_tags(release)] + ([_unload(release.previous)] if _spare(release) else [])
        case Do.CONFIRM_ROLLBACK:
            # The version before the champion stays warm; the one that failed is freed.
            return [_tags(release)] + ([_unload(release.version)] if release.version != release.back_to else [])
        case _:
            return []


def place_after(release: Release, place: Place, do: Do, ops: list[Op]) -> Place:
    """Return what should be served once `ops` are done; a change of weights takes the next generation."""
    moves = any(op.kind in {OpKind.WEIGHTS, OpKind.MIRROR} for op in ops)
    if not moves:
        return place
    champion, previous = place.champion, place.previous
    if do is Do.PROMOTE:
        champion, previous = release.version, left_behind(release)
    elif do is Do.ROLL_BACK:
        champion, previous = release.back_to, release.previous
    return replace(
        place, champion=champion, previous=previous, release_id=release.id, sync=Sync.APPLYING, message="",
        generation=max(place.generation, place.observed_generation) + 1,
        weights=desired_weights(release) or place.weights,
    )


def _promotion(release: Release) -> list[Op]:
    # Adopting and reverting overwrite on purpose what somebody else wrote.
    expected = None if release.kind in {Kind.ADOPTION, Kind.REVERT} else [release.champion]
    return [
        _load(release.version),
        *_end_mirror(release),
        _weights(release),
        _alias(release, CHAMPION, release.version, expected),
        _alias(release, PREVIOUS, left_behind(release)),
        _alias(release, CANARY, ""),
        _alias(release, CANDIDATE, ""),
        _tags(release),
    ]


def _retreat(release: Release) -> list[Op]:
    if not release.back_to:
        # A first version that never took traffic: there is nothing to return to, only traces to remove.
        return [_alias(release, CANDIDATE, ""), _tags(release), _unload(release.version)]
    return [
        _load(release.back_to),
        *_end_mirror(release),
        _weights(release),
        _alias(release, CHAMPION, release.back_to, [release.champion, release.version]),
        _alias(release, PREVIOUS, release.previous),
        _alias(release, CANARY, ""),
        _alias(release, CANDIDATE, ""),
        _tags(release),
    ]


def _load(version: str) -> Op:
    return Op(kind=OpKind.LOAD, payload={"version": version})


def _unload(version: str) -> Op:
    return Op(kind=OpKind.UNLOAD, payload={"version": version})


def _weights(release: Release) -> Op:
    return Op(kind=OpKind.WEIGHTS, payload={"weights": desired_weights(release)})


def _end_mirror(release: Release) -> list[Op]:
    return [Op(kind=OpKind.MIRROR, payload={"version": "", "percent": 0.0})] if release.plan.shadow_pct else []


def _alias(release: Release, role: str, version: str, expected: list[str] | None = None) -> Op:
    """Point an alias; `expected` names what it may point to before, None allows anything (roles of our own)."""
    return Op(
        kind=OpKind.ALIAS,
        payload={"name": alias_name(role, release.environment), "version": version, "expected": expected},
    )


def _tags(release: Release) -> Op:
    prefix = "release" if release.environment == PRIMARY else f"release.{release.environment}"
    return Op(
        kind=OpKind.TAGS,
        payload={"version": release.version, "tags": {f"{prefix}.id": release.id, f"{prefix}.state": release.state}},
    )


def _spare(release: Release) -> bool:
    """Tell whether the version before the previous one may be freed; the previous one stays warm for a rollback."""
    return bool(release.previous) and release.previous not in {release.champion, release.version, release.back_to}
